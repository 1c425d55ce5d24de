"""What the worker packages is played in a real browser: hls.js, dash.js and the plain element."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from assets import AAC, X264, Clip, Clips, tone
from browser import PAGES, ensure_browser, ensure_modules
from media_bench import Bench
from range_server import serving

from videojob_api.steps import Packaging
from videojob_worker.check import check
from videojob_worker.ffmpeg import Tools
from videojob_worker.packager import Packager
from videojob_worker.packaging.package import Subtitles
from videojob_worker.sandbox import Sandbox
from videojob_worker.scratch import open_scratch
from videojob_worker.steps import StepKind, Workbench
from videojob_worker.stop import Stop

pytestmark = pytest.mark.ffmpeg

SECONDS = 12
DAWN = Clip(
    # from black to white, evenly: how bright it is says when it is
    "dawn.mkv",
    f"-f lavfi -i color=white:size=640x360:rate=25:duration={SECONDS},fade=in:d={SECONDS} "
    f"{tone(SECONDS)} {tone(SECONDS, 660)} -map 0 -map 1 -map 2 {X264} {AAC} "
    "-metadata:s:a:0 language=eng -metadata:s:a:1 language=deu",
    *(640, 360, 25 * SECONDS, float(SECONDS), (1, 1)),
)


def dusk(name: str, seconds: float) -> Clip:
    """The same with pictures that go on when the sound has ended, and are white."""
    white = f"color=white:size=640x360:rate=25:duration={seconds},fade=in:d={SECONDS}"
    return Clip(name, f"-f lavfi -i {white} {tone(SECONDS)} {X264} {AAC}", seconds=seconds)


DUSK, MOMENT = dusk("dusk.mkv", 20), dusk("moment.mkv", SECONDS + 0.08)
PLAYS = {
    "Hls": ("tv/master.m3u8", SECONDS),
    "Dash": ("tv/manifest.mpd", SECONDS),
    "File": ("web/144p.mp4", SECONDS),
    "Hls dusk": ("dusk/master.m3u8", DUSK.seconds),
    "Hls moment": ("moment/master.m3u8", MOMENT.seconds),
}
"""Where each is found, and how long it lasts."""
RENDITIONS = [{"height": height} for height in (360, 240, 144)]
CMAF = {"packaging": "CMAF", "renditions": RENDITIONS, "segmentSeconds": 2, "preset": "ultrafast"}
SMALL = {**CMAF, "renditions": RENDITIONS[-1:]}
MP4 = {"renditions": RENDITIONS[-1:], "preset": "ultrafast"}
SEEKS = (7.5, 2.5)


def words(seconds: float) -> str:
    """What the subtitles say at a time: a sentence for each second."""
    return f"Sekunde {int(seconds)}"


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, clips: Clips) -> dict[str, Any]:
    """What one browser saw of everything, one after the other."""
    folder = tmp_path_factory.mktemp("players")
    with open_scratch(folder) as scratch:
        bench = Bench(scratch, Tools(scratch, Sandbox(scratch.root, threads=2), Stop()))
        publish(bench, clips.path(DAWN))
        make(bench, clips.path(DUSK), {"name": "dusk", "transcode": SMALL})
        make(bench, clips.path(MOMENT), {"name": "moment", "transcode": SMALL})
        folders = {"/media": scratch.out, "/modules": ensure_modules(), "/pages": PAGES}
        with serving(folders) as url:
            return play(url, folder)


def make(bench: Bench, film: Path, *steps: dict[str, Any]) -> tuple[StepKind, ...]:
    """Everything but the subtitles."""
    media, stage, result = bench.run(film, *steps)
    check(stage, result, media, bench.tools)
    for kind in stage.kinds:
        kind.finish(Workbench(bench.tools, media))
    return stage.kinds


def publish(bench: Bench, film: Path) -> None:
    tv, _ = make(bench, film, {"name": "tv", "transcode": CMAF}, {"name": "web", "transcode": MP4})
    cues = [f"00:{n:02}.000 --> 00:{n + 1:02}.000\n{words(n)}\n" for n in range(SECONDS)]
    (bench.scratch.out / "tv" / "deutsch.vtt").write_text("\n".join(["WEBVTT\n", *cues]))
    packager = Packager("tv", Packaging.CMAF, 2)
    packager.finish(tv.outputs(), [Subtitles("deutsch.vtt", "deu", "Deutsch")])


def play(url: str, folder: Path) -> dict[str, Any]:
    asked = {
        "browser": str(ensure_browser()),
        "modules": str(ensure_modules()),
        "page": f"{url}/pages/player.html",
        "plays": [
            {"as": name, "kind": name.split()[0], "url": f"{url}/media/{path}"}
            for name, (path, _) in PLAYS.items()
        ],
        "seeks": SEEKS,
        "lastSeek": SECONDS - 1,
        "patienceSeconds": 120,
    }
    home = {name: str(folder) for name in ("HOME", "XDG_CONFIG_HOME", "TMPDIR")}
    command = ["node", str(PAGES / "play.mjs"), json.dumps(asked)]
    done = subprocess.run(command, env={**os.environ, **home}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("kind", PLAYS)
def test_it_plays_without_an_error_and_ends_at_the_right_second(
    kind: str, seen: dict[str, Any]
) -> None:
    assert seen[kind]["errors"] == [], json.dumps(seen[kind])
    assert seen[kind]["duration"] == pytest.approx(PLAYS[kind][1], abs=0.1)
    assert seen[kind]["endedAt"] == pytest.approx(PLAYS[kind][1], abs=0.1)
    assert seen[kind]["soundBytes"] > 0


@pytest.mark.parametrize("kind", PLAYS)
def test_after_a_seek_the_right_picture_is_on_screen(kind: str, seen: dict[str, Any]) -> None:
    assert [seek["at"] for seek in seen[kind]["seeks"]] == [pytest.approx(s) for s in SEEKS]
    for seek in seen[kind]["seeks"]:
        assert seek["brightness"] / 255 * SECONDS == pytest.approx(seek["at"], abs=0.3)


@pytest.mark.parametrize("kind", ["Hls", "Dash"])
def test_every_rendition_can_be_chosen(kind: str, seen: dict[str, Any]) -> None:
    assert sorted(seen[kind]["renditions"]) == [144, 240, 360]
    assert seen[kind]["heights"] == [144, 240, 360]


@pytest.mark.parametrize("kind", ["Hls", "Dash"])
def test_sound_and_subtitles_are_offered_by_language(kind: str, seen: dict[str, Any]) -> None:
    assert seen[kind]["sounds"] == ["en", "de"]
    assert seen[kind]["texts"] == ["de"]
    assert [seek["caption"] for seek in seen[kind]["seeks"]] == [words(s) for s in SEEKS]
