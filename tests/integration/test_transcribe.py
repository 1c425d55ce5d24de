"""Speech becomes text, by a real model: words, times, formats; and what happens when it can't."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from assets import SILENT, SMALL, Clips
from media_bench import Bench
from speaking import MODEL_SHA256, SENTENCES, a_talk, model_folder, word_error_rate

from videojob_worker.errors import FFmpegFailed, NotDoable
from videojob_worker.ffmpeg import Tools
from videojob_worker.media import MediaInfo
from videojob_worker.outputs import Finished
from videojob_worker.plan import Plan
from videojob_worker.progress import Way
from videojob_worker.scratch import Scratch
from videojob_worker.steps import Means, Workbench
from videojob_worker.webvtt import parse_webvtt
from videojob_worker.work import work_through

pytestmark = pytest.mark.ffmpeg
POSTER = {"name": "poster", "thumbnails": {"count": 1, "width": 64}}
Make = Callable[..., Finished]


def words(**fields: Any) -> dict[str, Any]:
    step = {key: fields.pop(key) for key in ("onError",) if key in fields}
    transcribe = {"model": {"path": str(model_folder())}, **fields}
    return {"name": "words", "transcribe": transcribe, **step}


@pytest.fixture(scope="session")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four sentences of a friendly voice."""
    return a_talk(tmp_path_factory.mktemp("talk") / "talk.mp4")


@pytest.fixture
def make(scratch: Scratch, tools: Tools) -> Make:
    """Do all of a plan's one pass."""

    def made(film: Path, *steps: dict[str, Any], means: Means = Means(2)) -> Finished:  # noqa: B008
        bench = Bench(scratch, tools)
        media, plan = bench.plan(film, *steps)
        return work(media, bench.heard(plan), tools, means)

    return made


def work(media: MediaInfo, plan: Plan, tools: Tools, means: Means = Means(2)) -> Finished:  # noqa: B008
    told: list[float] = []
    way = Way(plan.weights, lambda fraction, **_: told.append(fraction))
    finished = work_through(plan.passes[0], Workbench(tools, media, means=means), way)
    assert told == sorted(told)
    return replace(finished, warnings=(*plan.warnings, *finished.warnings))


def test_what_is_said_is_written_in_every_format(make: Make, talk: Path) -> None:
    finished = make(talk, words(formats=["VTT", "SRT", "TXT", "JSON"]), POSTER)
    paths = {file.name: file.path for file in finished.produced}
    assert sorted(paths) == [
        "0001.jpg",
        *(f"transcript.{s}" for s in ("json", "srt", "txt", "vtt")),
    ]
    text = paths["transcript.txt"].read_text()
    assert word_error_rate(" ".join(SENTENCES), text) <= 0.2, text
    told = json.loads(paths["transcript.json"].read_text())
    assert (told["version"], told["language"], told["wordTimes"]) == (1, "en", "measured")
    _check_times(told)
    for name, codec in (("transcript.vtt", "webvtt"), ("transcript.srt", "subrip")):
        assert _cues_by_ffprobe(paths[name], codec) >= len(SENTENCES)
    measured = finished.measured["words"]
    assert measured["recogniser"] == {"model": "model", "sha256": MODEL_SHA256}
    assert measured["words"] > 20
    assert finished.warnings == ()


def _check_times(told: dict[str, Any]) -> None:
    """Every word in order; pauses between sentences show, though this small model may miss one."""
    spoken = [word for segment in told["segments"] for word in segment["words"]]
    assert all(word["start"] <= word["end"] <= told["durationSeconds"] + 0.01 for word in spoken)
    starts = [word["start"] for word in spoken]
    assert starts == sorted(starts)
    gaps = [b["start"] - a["end"] for a, b in pairwise(spoken)]
    assert len(SENTENCES) - 2 <= sum(gap > 0.7 for gap in gaps) < len(SENTENCES)


def _cues_by_ffprobe(path: Path, codec: str) -> int:
    entries = "stream=codec_name,nb_read_packets"
    argv = ["ffprobe", "-v", "error", "-count_packets", "-show_entries", entries, "-of", "csv=p=0"]
    seen = subprocess.run([*argv, str(path)], capture_output=True, text=True, check=True).stdout
    name, count = seen.strip().split(",")
    assert name == codec
    return int(count)


def test_silence_gives_an_empty_transcript_and_a_warning(make: Make, tmp_path: Path) -> None:
    film = tmp_path / "silence.wav"
    silence = ["-f", "lavfi", "-i", "anullsrc=r=16000:cl=mono", "-t", "3", str(film)]
    subprocess.run(["ffmpeg", "-v", "error", *silence], check=True)
    finished = make(film, words(formats=["VTT"]))
    assert [warning.reason for warning in finished.warnings] == ["NoSpeech"]
    assert finished.produced[0].path.read_text() == "WEBVTT\n"


@pytest.mark.parametrize(
    ("fields", "means", "says"),
    [
        ({"model": {"path": "/nowhere"}}, Means(), "/nowhere lacks model.bin, config.json"),
        ({"model": {"claimName": "models", "path": "tiny"}}, Means(), "claim 'models', at tiny"),
        ({"model": None}, Means(), "Build the image with one"),
        ({"model": {"path": str(model_folder()), "sha256": "0" * 64}}, Means(), MODEL_SHA256),
        ({}, Means(memory_bytes=256 << 20), "needs about .* of memory and the worker may use 256"),
    ],
    ids=["path", "volume", "image", "checksum", "memory"],
)
def test_what_is_missing_is_said_before_the_film_is_touched(
    make: Make, clips: Clips, scratch: Scratch, fields: dict[str, Any], means: Means, says: str
) -> None:
    with pytest.raises(NotDoable, match=says):
        make(clips.path(SMALL), words(**fields), means=means)
    assert not (scratch.work / "words").exists()


def test_a_model_of_english_is_asked_for_nothing_else(make: Make, talk: Path) -> None:
    with pytest.raises(NotDoable, match="knows English only, and language is de"):
        make(talk, words(language="de"))


def test_the_rest_is_done_where_a_step_may_fail(make: Make, clips: Clips) -> None:
    broken = words(model={"path": "/nowhere"}, onError="Continue")
    finished = make(clips.path(SMALL), broken, POSTER)
    assert [file.step for file in finished.produced] == ["poster"]
    (warning,) = finished.warnings
    assert (warning.step, warning.reason) == ("words", "StepFailed")
    assert "NotDoable: There is no model" in warning.message


def test_a_film_without_sound_is_no_reason_to_fail_where_a_step_may(
    make: Make, clips: Clips
) -> None:
    finished = make(clips.path(SILENT), words(onError="Continue"), POSTER)
    assert [file.step for file in finished.produced] == ["poster"]
    assert [warning.reason for warning in finished.warnings] == ["StepLeftOut"]


def test_who_fails_after_the_pass_costs_no_other_pass(
    make: Make, talk: Path, scratch: Scratch
) -> None:
    finished = make(talk, words(language="de", onError="Continue"), POSTER)
    assert [file.step for file in finished.produced] == ["poster"]
    assert [(w.step, w.reason) for w in finished.warnings] == [("words", "StepFailed")]
    commands = (scratch.logs / "commands.sh").read_text().splitlines()
    assert [line.partition(" ")[0] for line in commands].count("ffmpeg") == 1


class _Spoiled(Tools):
    """ffmpeg fails as soon as it is to write sound for a recogniser."""

    def run(self, argv: Any, **options: Any) -> Any:
        if any("speech.wav" in word for word in argv):
            raise FFmpegFailed("ffmpeg ended with 1: as the test wants it")
        return super().run(argv, **options)


def test_a_pass_that_fails_is_done_without_the_step_that_may(
    scratch: Scratch, tools: Tools, clips: Clips
) -> None:
    spoiled = _Spoiled(scratch, tools._sandbox, tools.stop)
    media, plan = Bench(scratch, spoiled).plan(clips.path(SMALL), words(onError="Continue"), POSTER)
    finished = work(media, plan, spoiled)
    assert [file.step for file in finished.produced] == ["poster"]
    assert [(w.step, w.reason) for w in finished.warnings] == [("words", "StepFailed")]
    media, plan = Bench(scratch, spoiled).plan(clips.path(SMALL), words(), POSTER)
    with pytest.raises(FFmpegFailed, match="as the test wants it"):
        work(media, plan, spoiled)


WEB = {
    "name": "web",
    "transcode": {"renditions": [{"height": 90}], "preset": "ultrafast", "subtitlesFrom": "words"},
}


def test_words_become_a_track_of_an_mp4_and_nothing_else_changes(make: Make, talk: Path) -> None:
    plain = {"name": "plain", "transcode": {k: v for k, v in _SPEC.items() if k != "subtitlesFrom"}}
    finished = make(_spoken_in("deu", talk), words(language="en-GB"), WEB, plain)
    paths = {file.step: file.path for file in finished.produced if file.path.suffix == ".mp4"}
    assert finished.warnings == ()
    streams = _streams(paths["web"])
    assert [(s["codec_name"], s.get("tags", {}).get("language")) for s in streams] == [
        *(("h264", "und"), ("aac", "deu"), ("mov_text", "eng"))
    ]
    assert _packets(paths["web"], "v") == _packets(paths["plain"], "v")
    assert _packets(paths["web"], "a") == _packets(paths["plain"], "a")
    shown = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(paths["web"]), "-f", "srt", "-"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "fox" in shown


_SPEC: dict[str, Any] = WEB["transcode"]  # type: ignore[assignment]


@pytest.mark.parametrize("packaging", ["HLS", "CMAF", "DASH"])
def test_words_are_subtitles_of_a_package(make: Make, talk: Path, packaging: str) -> None:
    stream = {"name": "web", "transcode": {**_SPEC, "packaging": packaging}}
    finished = make(talk, words(formats=["VTT"]), stream)
    files = {file.name: file.path for file in finished.produced if file.step == "web"}
    assert "fox" in files["transcript.vtt"].read_text()
    if packaging != "DASH":
        master = files["master.m3u8"].read_text()
        assert 'TYPE=SUBTITLES,GROUP-ID="subtitles",LANGUAGE="en"' in master
        assert 'SUBTITLES="subtitles"' in master
        assert "transcript.vtt" in files["transcript.m3u8"].read_text()
    if packaging != "HLS":
        assert "transcript.vtt" in files["manifest.mpd"].read_text()


def test_words_of_the_whole_film_are_at_the_right_time_of_a_stretch(make: Make, talk: Path) -> None:
    """Here the whole is listened to and a stretch is shown; trimmed by the step itself, or before it."""
    trim = {"startSeconds": 3, "endSeconds": 8}
    first = {"name": "teaser", "transcode": {"renditions": [{"height": 90}], "trim": trim}}
    stream = {**_SPEC, "packaging": "HLS"}
    finished = make(
        *(talk, words(formats=["VTT"]), first),
        {"name": "own", "transcode": {**stream, "trim": trim}},
        {"name": "after", "from": "teaser", "transcode": stream},
    )
    text = {f.step: f.path.read_text() for f in finished.produced if f.name == "transcript.vtt"}
    heard = parse_webvtt(text["words"])
    seen = [cue for cue in heard if cue.end > 3 and cue.start < 8]
    assert len(heard) > len(seen) > 0
    assert text["own"] == text["after"]
    for cue, original in zip(parse_webvtt(text["own"]), seen, strict=True):
        assert cue.text == original.text
        assert cue.start == max(0, original.start - 3)
        assert cue.end == min(5, original.end - 3)


def test_a_film_goes_without_subtitles_that_could_not_be_made(make: Make, clips: Clips) -> None:
    broken = words(model={"path": "/nowhere"}, onError="Continue")
    finished = make(clips.path(SMALL), broken, WEB)
    assert [file.name for file in finished.produced] == ["90p.mp4"]
    reasons = sorted(warning.reason for warning in finished.warnings)
    assert reasons == ["StepFailed", "SubtitlesMissing"]


def _spoken_in(language: str, film: Path) -> Path:
    """The film with a language named for its sound."""
    named = film.with_stem(f"{film.stem}-{language}")
    tag = f"language={language}"
    argv = ["ffmpeg", "-v", "error", "-y", "-i", str(film), "-c", "copy", "-metadata:s:a:0", tag]
    subprocess.run([*argv, str(named)], check=True)
    return named


def _streams(path: Path) -> list[dict[str, Any]]:
    argv = ["ffprobe", "-v", "error", "-show_streams", "-of", "json", str(path)]
    told = subprocess.run(argv, capture_output=True, check=True).stdout
    streams: list[dict[str, Any]] = json.loads(told)["streams"]
    return streams


def _packets(path: Path, kind: str) -> str:
    """Times, sizes and checksums of all packets of a kind, edits applied."""
    argv = ["ffprobe", "-v", "error", "-select_streams", kind, "-show_packets", "-show_data_hash"]
    entries = ["md5", "-show_entries", "packet=pts_time,dts_time,size,data_hash", "-of", "csv"]
    told = subprocess.run([*argv, *entries, str(path)], capture_output=True, text=True, check=True)
    assert told.stdout
    return told.stdout


def test_what_a_mask_does_to_the_recogniser_is_measured(make: Make, talk: Path) -> None:
    """Little at 10 dB, and nearly all at 0 dB; of the clear transcript, which a retry would read too."""
    clear = words()
    steps, heard = [clear], {"weak": "Weak", "strong": "Strong"}
    for name, level in heard.items():
        steps.append({"name": name, "audioMask": {"level": level}})
        compared = words(formats=["TXT"], comparedWith="words")
        steps.append({**compared, "name": f"{name}-heard", "from": name})
    measured = make(talk, *steps).measured
    assert "wordErrors" not in measured["words"]
    weak, strong = (measured[f"{name}-heard"]["wordErrors"] for name in heard)
    assert weak["against"] == strong["against"] == "words"
    assert weak["words"] == strong["words"] == pytest.approx(37, abs=3)
    assert weak["rate"] < 0.6 < strong["rate"]


def test_nothing_is_compared_with_a_step_that_failed(make: Make, talk: Path) -> None:
    failing = {
        "name": "clear",
        "transcribe": {"model": {"path": "/nowhere"}},
        "onError": "Continue",
    }
    finished = make(talk, failing, words(comparedWith="clear"))
    assert [warning.reason for warning in finished.warnings] == ["StepFailed", "NotCompared"]
    assert "wordErrors" not in finished.measured["words"]
