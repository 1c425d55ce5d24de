"""The settings of steps, each seen in the bytes that one VideoJob publishes.

One film, with cuts, two sound tracks and subtitles, goes through many small steps at once; a grey one
through those that lay something over it, and one of high dynamic range through those that treat that.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import bucket
import numpy as np
import pytest
from assets import AAC, X264, Clip, Clips, tone
from hearing import RATE, Samples, listen, loudness_lufs, true_peak_db
from looking import likeness, look, noise_of
from minio import Minio
from on_cluster import a_namespace, a_secret, a_store, a_videojob, published, upload
from PIL import Image
from rare_films import PQ

WORDS = "1\n00:00:00,500 --> 00:00:01,500\nGuten Tag\n"
# A quiet tone under short loud beats; and another tone in five channels and a bass.
_BEATS = r"0.05*sin(880*PI*t)+0.8*exp(-60*mod(t\\,0.5))*sin(2000*PI*t)"
_CUTS = (
    "[0]format=yuv420p,setsar=1[a];[1]format=yuv420p,setsar=1[b];[2]format=yuv420p,setsar=1,negate[c];"
    "[a][b][c]concat=n=3,noise=alls=6:allf=t:all_seed=1[v]"
)
_MOVING = "-f lavfi -i testsrc2=size=640x360:rate=25:duration="
FILM = (
    f"{_MOVING}1.2 -f lavfi -i smptebars=size=640x360:rate=25:duration=0.4 {_MOVING}1.4 "
    f"-f lavfi -i aevalsrc={_BEATS}|{_BEATS}:s=48000:d=3 "
    "-f lavfi -i sine=f=880:r=48000:d=3,aformat=channel_layouts=5.1 -i {words} "
    "-map [v] -map 3 -map 4 -map 5 -c:v libx264 -preset ultrafast -crf 30 -c:a aac -b:a:0 128k "
    "-c:s subrip -metadata:s:a:0 language=eng -metadata:s:a:1 language=deu -metadata:s:s:0 language=deu"
)
GREY = Clip(
    "grey.mp4", f"-f lavfi -i color=gray:size=320x180:rate=25:duration=2 {tone(2)} {X264} {AAC}"
)
FAST = {"preset": "ultrafast"}


def transcode(name: str, *renditions: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"name": name, "transcode": {**spec, "renditions": list(renditions)}}


WEB = transcode(
    "web",
    {"height": 180},
    {"height": 144, "crf": 40, "preset": "superfast", "tune": "grain", "profile": "baseline"}
    | {"maxBitrateKbps": 200},
    {"height": 108, "bitrateKbps": 150},
    packaging="HLS",
    crf=30,
    preset="slow",
    tune="film",
    profile="main",
    gopSeconds=1,
    segmentSeconds=2,
    audio={"tracks": "All", "channels": 1, "bitrateKbps": 48},
)
MARK = {"key": "assets/red.png", "position": "TopLeft", "widthPercent": 50, "marginPercent": 10}
TIMES = [0.48, 0.88, 2.48]
LOUD = {"targetLufs": -24, "truePeakDb": -9}
STEPS = [
    WEB,
    transcode(
        "rated",
        {"height": 180},
        **FAST,
        bitrateKbps=300,
        maxBitrateKbps=400,
        audio={"tracks": "All"},
    ),
    transcode(
        "kept", {"height": 360}, remux="WhenPossible", subtitles="Keep", maxBitrateKbps=20000
    ),
    transcode("dropped", {"height": 64}, **FAST),
    transcode("mute", {"height": 64}, **FAST, audio={"tracks": "None"}),
    transcode("single", {"height": 64}, **FAST, packaging="HLS", audio={"tracks": "Default"}),
    {"name": "measured", "from": "rated", "quality": {"metrics": ["PSNR"]}},
    transcode("marked", {"height": 180}, **FAST, crf=10, watermark={**MARK, "opacity": 0.5}),
    transcode("even", {"height": 64}, **FAST, loudness=LOUD),
    {"name": "quiet", "extractAudio": {"format": "WAV", "track": 0, "loudness": LOUD}},
    {
        "name": "peaks",
        "extractAudio": {"format": "WAV", "track": 0, "loudness": {"targetLufs": -20}},
    },
    {"name": "second", "extractAudio": {"format": "WAV", "track": 1}},
    {"name": "german", "extractAudio": {"format": "FLAC", "language": "de"}},
    {"name": "bare", "clean": {"removeSei": True}},
    {"name": "clean", "clean": {}},
    {"name": "rough", "thumbnails": {"times": [0.5], "quality": 10}},
    {"name": "fine", "thumbnails": {"times": [0.5], "quality": 95}},
    {"name": "chosen", "thumbnails": {"times": TIMES, "format": "PNG", "width": 160}},
    {"name": "all-cuts", "scenes": {"threshold": 8, "minSceneSeconds": 0.1}},
    {"name": "long-scenes", "scenes": {"threshold": 8, "minSceneSeconds": 1}},
    {"name": "no-cuts", "scenes": {"threshold": 95, "minSceneSeconds": 0.1}},
]
COVERED = [
    {"name": "clouds", "cloak": {"method": "Perlin", "epsilon": 0.08, "everyNFrames": 25}},
    {"name": "grain", "cloak": {"method": "Noise", "epsilon": 0.08, "strength": 1.5}},
    {"name": "weak-grain", "cloak": {"method": "Noise", "epsilon": 0.04, "strength": 1.5}},
    {"name": "weak", "audioMask": {"level": "Weak"}},
    {"name": "strong", "audioMask": {"level": "Strong"}},
]
BRIGHT = [
    transcode(
        "screens",
        {"height": 144},
        {"height": 108, "hdr": "Keep"},
        **{"codec": "HEVC", "bitDepth": 10, "hdr": "ToneMap", **FAST},
    )
]


@dataclass(frozen=True)
class Made:
    """What the three VideoJobs published, as files, and what they were made from."""

    folder: Path
    film: Path
    grey: Path

    def path(self, name: str) -> Path:
        return self.folder / name


@pytest.fixture(scope="module")
def made(installed: None, store: Minio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    folder = tmp_path_factory.mktemp("settings")
    (folder / "words.srt").write_text(WORDS)
    film, red = folder / "film.mkv", folder / "red.png"
    command = shlex.split(FILM.replace("{words}", str(folder / "words.srt")))
    place = command.index("-map")
    command[place:place] = ["-filter_complex", _CUTS]
    subprocess.run(["ffmpeg", "-v", "error", *command, str(film)], check=True)
    draw = f"ffmpeg -v error -f lavfi -i color=red:size=200x100 -frames:v 1 {red}"
    subprocess.run(shlex.split(draw), check=True)
    clips = Clips(folder)
    upload(store, red, "assets/red.png")
    with a_namespace("settings") as kube:
        kube.apply(a_secret(), a_store())
        for name, path, steps in (
            ("film", film, STEPS),
            ("grey", clips.path(GREY), COVERED),
            ("bright", clips.path(PQ), BRIGHT),
        ):
            prefix = f"results/{kube.namespace}/"
            kube.apply(
                a_videojob(name, upload(store, path), prefix=f"{prefix}{name}/", steps=steps)
            )
        for name in ("film", "grey", "bright"):
            status = kube.wait_end(name, seconds=180)
            assert status["phase"] == "Succeeded", status
            warned = {(w.get("step"), w["reason"]) for w in status.get("warnings", ())}
            assert warned <= {("screens", "ToneMapped")}, status["warnings"]
            for key in published(store, f"{prefix}{name}/in0/"):
                short = key.removeprefix(f"{prefix}{name}/in0/")
                store.fget_object(bucket.BUCKET, key, str(folder / "made" / short))
        yield Made(folder / "made", film, clips.path(GREY))


def stream(path: Path, kind: str = "v:0") -> dict[str, Any]:
    command = ["ffprobe", "-v", "error", "-select_streams", kind, "-show_streams", "-of", "json"]
    (found,) = json.loads(subprocess.check_output([*command, str(path)]))["streams"]
    return dict(found)


def told_by_x264(path: Path) -> dict[str, str]:
    """The settings that the encoder itself wrote into the film."""
    found = re.search(rb"x264 - core .*? options: ([ -~]+)", path.read_bytes())
    assert found, f"{path} was not made by x264"
    return dict(word.split("=", 1) for word in found[1].decode().split() if "=" in word)


def sound_tracks(path: Path) -> int:
    with av.open(str(path)) as film:
        return len(film.streams.audio)


def packets(path: Path, kind: str = "video") -> list[bytes]:
    with av.open(str(path)) as film:
        return [bytes(packet) for packet in film.demux(**{kind: 0}) if packet.size]


# ---- transcode


def test_a_step_and_its_renditions_say_how_it_is_encoded(made: Made) -> None:
    of_step, own, rated = (made.path(f"web/{p}p.mp4") for p in (180, 144, 108))
    said = told_by_x264(of_step)
    assert (said["crf"], said["ref"], said["deblock"]) == ("30.0", "5", "1:-1:-1")  # slow, film
    assert stream(of_step)["profile"] == "Main"
    said = told_by_x264(own)
    assert (said["crf"], said["ref"], said["vbv_maxrate"]) == ("40.0", "1", "200")
    assert stream(own)["profile"] == "Constrained Baseline"
    assert said["deblock"] == "1:-2:-2"  # grain
    assert (told_by_x264(rated)["rc"], told_by_x264(rated)["bitrate"]) == ("abr", "150")
    said = told_by_x264(made.path("rated/180p.mp4"))
    assert (said["bitrate"], said["vbv_maxrate"]) == ("300", "400")
    assert 150_000 < int(stream(made.path("rated/180p.mp4"))["bit_rate"]) < 500_000


def test_segments_and_groups_are_as_long_as_asked(made: Made) -> None:
    playlist = made.path("web/180p.m3u8").read_text()
    lengths = [float(n) for n in re.findall(r"#EXTINF:([\d.]+)", playlist)]
    assert lengths == pytest.approx([2, 1], abs=0.05)
    with av.open(str(made.path("web/180p.mp4"))) as film:
        times = [
            float(p.pts * p.time_base) for p in film.demux(video=0) if p.is_keyframe and p.size
        ]
    assert [time - times[0] for time in times] == pytest.approx([0, 1, 2], abs=0.01)


def test_sound_has_as_many_tracks_channels_and_bits_as_asked(made: Made) -> None:
    tracks = sorted(p for p in made.folder.glob("web/*.mp4") if not p.name[0].isdigit())
    assert len(tracks) == 2, tracks
    for path in tracks:
        seen = stream(path, "a:0")
        assert seen["channels"] == 1
        assert int(seen["bit_rate"]) == pytest.approx(48_000, rel=0.35)
    assert stream(made.path("dropped/64p.mp4"), "a")["channels"] == 2
    several = {name: sound_tracks(made.path(f"{name}p.mp4")) for name in ("rated/180", "mute/64")}
    assert several == {"rated/180": 2, "mute/64": 0}
    assert len([p for p in made.folder.glob("single/*.mp4") if not p.name[0].isdigit()]) == 1


def test_what_may_stay_as_it_is_stays_and_brings_its_subtitles(made: Made) -> None:
    assert packets(made.path("kept/360p.mp4")) == packets(made.film)
    subtitles = stream(made.path("kept/360p.mp4"), "s")
    assert (subtitles["codec_name"], subtitles["tags"]["language"]) == ("mov_text", "deu")
    with av.open(str(made.path("dropped/64p.mp4"))) as film:
        assert not film.streams.subtitles


def test_an_image_lies_where_it_should_and_as_faint(made: Made) -> None:
    with av.open(str(made.path("marked/180p.mp4"))) as film:
        marked = next(film.decode(video=0)).to_ndarray(format="rgb24").astype(int)
    with av.open(str(made.film)) as film:
        plain = next(film.decode(video=0)).reformat(320, 180).to_ndarray(format="rgb24").astype(int)
    # 50 % of 320 x 180, 2:1, is 160 x 80; 10 % of the short side is 18
    covered = (slice(18 + 4, 18 + 80 - 4), slice(18 + 4, 18 + 160 - 4))
    half = (plain[covered].mean((0, 1)) + np.array((254, 0, 0))) / 2
    assert marked[covered].mean((0, 1)) == pytest.approx(half, abs=12)
    for beside in (slice(2, 14), slice(18 + 84, 176)):
        assert marked[beside].mean((0, 1)) == pytest.approx(plain[beside].mean((0, 1)), abs=8)
    right = marked[18:98, 18 + 164 :].mean((0, 1))
    assert right == pytest.approx(plain[18:98, 18 + 164 :].mean((0, 1)), abs=8)


def test_high_dynamic_range_is_mapped_but_where_it_is_kept(made: Made) -> None:
    mapped, kept = (stream(made.path(f"screens/{p}p.mp4")) for p in (144, 108))
    for seen in (mapped, kept):
        assert (seen["codec_name"], seen["pix_fmt"]) == ("hevc", "yuv420p10le")
    assert (mapped["color_transfer"], kept["color_transfer"]) == ("bt709", "smpte2084")


# ---- sound


def pitch_hz(samples: Samples) -> float:
    """The strongest tone."""
    return float(np.abs(np.fft.rfft(samples[:, 0])).argmax() * RATE / len(samples))


def test_sound_is_as_loud_as_asked_and_its_peaks_stay_below(made: Made) -> None:
    for path in (made.path("even/64p.mp4"), made.path("quiet/audio.wav")):
        heard = listen(path, channels=2)
        assert loudness_lufs(heard) == pytest.approx(-24, abs=1), path
        assert true_peak_db(heard) <= -7.5, path  # AAC adds a little
    assert true_peak_db(listen(made.path("peaks/audio.wav"), channels=2)) > -7


def test_a_track_is_chosen_by_its_number_or_its_language(made: Made) -> None:
    assert pitch_hz(listen(made.path("quiet/audio.wav"))) == pytest.approx(440, abs=3)
    for chosen in ("second/audio.wav", "german/audio.flac"):
        assert pitch_hz(listen(made.path(chosen))) == pytest.approx(880, abs=3)


def test_babble_is_as_strong_as_asked(made: Made) -> None:
    clear = listen(made.grey)
    rest = {}
    for level in ("weak", "strong"):
        masked = listen(made.path(f"{level}/film.mp4"))[: len(clear)]
        tone_part = clear[: len(masked)]
        scale = np.sum(masked * tone_part) / np.sum(tone_part**2)
        babble = masked - scale * tone_part
        rest[level] = 10 * np.log10(np.mean((scale * tone_part) ** 2) / np.mean(babble**2))
    assert rest["weak"] - rest["strong"] == pytest.approx(10, abs=1.5), rest


# ---- pictures


def test_pictures_are_as_fine_as_asked(made: Made) -> None:
    rough, fine = (made.path(f"{name}/0001.jpg").stat().st_size for name in ("rough", "fine"))
    assert fine > 3 * rough


def test_pictures_are_the_frames_shown_at_the_times_that_were_asked(made: Made) -> None:
    with av.open(str(made.film)) as film:
        decoded = [
            (frame.time, frame.reformat(160, 90).to_ndarray(format="rgb24").astype(int))
            for frame in film.decode(video=0)
        ]
    assert sorted(p.name for p in made.folder.glob("chosen/0*")) == [
        f"{n:04}.png" for n in range(1, len(TIMES) + 1)
    ]
    for number, seconds in enumerate(TIMES, start=1):
        with Image.open(made.path(f"chosen/{number:04}.png")) as image:
            assert (image.format, image.size) == ("PNG", (160, 90))
            picture = np.array(image.convert("RGB")).astype(int)
        shown_at, _ = min(decoded, key=lambda one: float(np.abs(one[1] - picture).mean()))
        assert shown_at == max(time for time, _ in decoded if time is not None and time <= seconds)


def test_renditions_are_measured_as_asked_and_no_more(made: Made) -> None:
    told = json.loads(made.path("measured/quality.json").read_text())
    (rendition,) = told["renditions"]
    assert set(rendition["metrics"]) == {"PSNR"}
    assert 20 < rendition["metrics"]["PSNR"]["mean"] < 60


def test_cuts_are_told_as_strong_and_as_far_apart_as_asked(made: Made) -> None:
    cuts = {}
    for step in ("all-cuts", "long-scenes", "no-cuts"):
        scenes = json.loads(made.path(f"{step}/scenes.json").read_text())["scenes"]
        cuts[step] = [scene["startSeconds"] for scene in scenes][1:]
    assert cuts["all-cuts"] == pytest.approx([1.2, 1.6], abs=0.05)
    assert len(cuts["long-scenes"]) == 1
    assert cuts["no-cuts"] == []


def test_what_an_encoder_wrote_between_the_pictures_goes_if_asked(made: Made) -> None:
    assert b"x264 - core" in made.path("clean/film.mp4").read_bytes()
    assert b"x264 - core" not in made.path("bare/film.mp4").read_bytes()
    assert (look(made.path("bare/film.mp4"), (640, 360)) == look(made.film, (640, 360))).all()


def test_noise_is_of_its_kind_as_strong_and_as_lasting_as_asked(made: Made) -> None:
    noise = {
        name: noise_of(made.path(f"{name}/film.mp4"), made.grey)
        for name in ("clouds", "grain", "weak-grain")
    }
    anew = [n for n, like in enumerate(likeness(noise["clouds"]), start=1) if like < 0.8]
    assert anew == [25]
    anew = [n for n, like in enumerate(likeness(noise["grain"]), start=1) if like < 0.8]
    assert anew == [10, 20, 30, 40]
    assert noise["grain"].std() == pytest.approx(2 * noise["weak-grain"].std(), rel=0.1)
    assert noise["weak-grain"].std() == pytest.approx(11.5 * 0.75, rel=0.15)  # 0.04 * 1.5
    smooth = {name: neighbours_alike(over) for name, over in noise.items()}
    assert smooth["clouds"] > 0.5 > smooth["grain"]


def neighbours_alike(noise: Any) -> float:
    """How much a pixel's noise is that of the one beside it."""
    return float(np.corrcoef(noise[0, :, 1:].ravel(), noise[0, :, :-1].ravel())[0, 1])
