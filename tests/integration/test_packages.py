"""Packages as other programs read them, and packages that are broken."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import m3u8
import pytest
from assets import AAC, X264, Clip, Clips, picture, tone
from media_bench import Bench
from mpegdash.parser import MPEGDASHParser

from videojob_api.steps import Packaging
from videojob_worker.boxes import read_movie
from videojob_worker.check import check
from videojob_worker.errors import Unverified
from videojob_worker.ffmpeg import Tools
from videojob_worker.outputs import PlannedOutput
from videojob_worker.packager import Packager
from videojob_worker.packaging.package import Subtitles
from videojob_worker.scratch import Scratch

pytestmark = pytest.mark.ffmpeg

NTSC = Clip(
    "ntsc.mp4",
    f"-f lavfi -i testsrc2=size=320x180:rate=30000/1001:duration=5 {tone(5)} {tone(5, 660)} "
    f"-map 0 -map 1 -map 2 {X264} -bf 2 {AAC} -metadata:s:a:1 language=deu",
    *(320, 180, 150, 5.005, (1, 1)),
)


def transcode(packaging: str) -> dict[str, object]:
    return {
        "name": "tv",
        "transcode": {
            "packaging": packaging,
            "renditions": [{"height": 160}, {"height": 90}],
            "segmentSeconds": 2,
            "preset": "veryfast",
        },
    }


@pytest.fixture
def bench(scratch: Scratch, tools: Tools) -> Bench:
    return Bench(scratch, tools)


@pytest.fixture
def folder(scratch: Scratch) -> Path:
    return scratch.out / "tv"


def planned(bench: Bench, film: Path) -> tuple[PlannedOutput, ...]:
    """The checked files of a pass that nobody has packaged yet."""
    media, stage, result = bench.run(film, transcode("CMAF"))
    check(stage, result, media, bench.tools)
    return stage.outputs


def ranges(playlist: m3u8.M3U8) -> list[tuple[int, int]]:
    """First byte and size of every segment."""
    pairs = [segment.byterange.split("@") for segment in playlist.segments]
    return [(int(offset), int(size)) for size, offset in pairs]


def rates(folder: Path, name: str) -> list[float]:
    """Bits a second of every segment."""
    playlist = m3u8.load(str(folder / f"{name}.m3u8"))
    seconds = [segment.duration for segment in playlist.segments]
    return [size * 8 / s for (_, size), s in zip(ranges(playlist), seconds, strict=True)]


def index_of(path: Path, first: int, last: int) -> list[tuple[int, int]]:
    """Bytes and ticks of every segment, as the file's own index says."""
    box = path.read_bytes()[first : last + 1]
    assert struct.unpack_from(">I4sB", box) == (len(box), b"sidx", 1)
    (count,) = struct.unpack_from(">H", box, 38)
    rows = struct.iter_unpack(">III", box[40:])
    return [(size, ticks) for size, ticks, _ in rows][:count]


@pytest.mark.parametrize("packaging", ["HLS", "CMAF"])
def test_playlists_keep_the_rules(packaging: str, clips: Clips, bench: Bench, folder: Path) -> None:
    made, _ = bench.make(clips.path(NTSC), transcode(packaging))
    assert ("tv/manifest.mpd" in made) is (packaging == "CMAF")
    master = m3u8.load(str(folder / "master.m3u8"))
    assert master.is_independent_segments
    targets = set()
    for name in ("160p", "90p", "audio", "audio-2"):
        playlist = m3u8.load(str(folder / f"{name}.m3u8"))
        assert (playlist.is_endlist, playlist.playlist_type) == (True, "vod")
        assert playlist.is_independent_segments
        targets.add(playlist.target_duration)
        assert all(round(s.duration) <= playlist.target_duration for s in playlist.segments)
        assert sum(s.duration for s in playlist.segments) == pytest.approx(5, abs=0.05)
        (init,) = playlist.segment_map
        movie = read_movie(folder / f"{name}.mp4")
        assert init.byterange == f"{movie.init_size}@0"
        place = movie.index[1] if movie.index else movie.init_size
        for offset, size in ranges(playlist):
            assert offset == place
            place += size
        assert place == (folder / f"{name}.mp4").stat().st_size
    assert targets == {2}
    sound = max(bit_rate for name in ("audio", "audio-2") for bit_rate in rates(folder, name))
    for variant in master.playlists:
        peak = max(rates(folder, variant.uri.removesuffix(".m3u8"))) + sound
        assert variant.stream_info.bandwidth == pytest.approx(peak, rel=1e-3)
        assert variant.stream_info.average_bandwidth <= variant.stream_info.bandwidth
        assert variant.stream_info.frame_rate == 29.97
    assert [(m.language, m.default, m.channels) for m in master.media] == [
        (None, "YES", "1"),
        ("de", "NO", "1"),
    ]


def test_the_dash_manifest_speaks_of_the_same_segments_as_hls(
    clips: Clips, bench: Bench, folder: Path
) -> None:
    bench.make(clips.path(NTSC), transcode("CMAF"))
    mpd = MPEGDASHParser.parse(str(folder / "manifest.mpd"))
    sets = mpd.periods[0].adaptation_sets
    found = [representation for each in sets for representation in each.representations]
    assert [r.id for r in found] == ["160p", "90p", "audio", "audio-2"]
    assert found[0].frame_rate == "30000/1001"
    for representation in found:
        path = folder / representation.base_urls[0].base_url_value
        base = representation.segment_bases[0]
        first, last = (int(number) for number in base.index_range.split("-"))
        playlist = m3u8.load(str(folder / f"{representation.id}.m3u8"))
        rows = index_of(path, first, last)
        assert [size for size, _ in rows] == [size for _, size in ranges(playlist)]
        assert ranges(playlist)[0][0] == last + 1
        scale = read_movie(path).tracks[0].timescale
        assert sum(ticks for _, ticks in rows) / scale == pytest.approx(5, abs=0.05)
        assert base.initializations[0].range == f"0-{first - 1}"


@pytest.mark.parametrize("manifest", ["master.m3u8", "manifest.mpd"])
def test_ffmpeg_plays_all_of_it(manifest: str, clips: Clips, bench: Bench, folder: Path) -> None:
    bench.make(clips.path(NTSC), transcode("CMAF"))
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-i",
        str(folder / manifest),
        "-map",
        "0",
        "-f",
        "null",
        "-",
    ]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stderr == ""


def test_dash_alone_has_no_playlists(clips: Clips, bench: Bench) -> None:
    made, _ = bench.make(clips.path(NTSC), transcode("DASH"))
    assert sorted(name.split("/")[1] for name in made) == [
        *("160p.mp4", "90p.mp4", "audio-2.mp4", "audio.mp4", "manifest.mpd")
    ]
    assert made["tv/manifest.mpd"].mime_type == "application/dash+xml"


def test_pictures_and_sound_begin_together(clips: Clips, bench: Bench, folder: Path) -> None:
    """Frames out of order and the run-up of the sound are hidden by edit lists, in each file."""
    bench.make(clips.path(NTSC), transcode("CMAF"))
    assert b"cmfc" in (folder / "160p.mp4").read_bytes()[:40]
    begins = {"160p": 0, "audio": pytest.approx(-1024 / 48000, abs=1e-6)}
    for name, begin in begins.items():
        command = ["ffprobe", "-v", "error", "-show_entries", "packet=pts_time", "-of", "csv=p=0"]
        command.append(str(folder / f"{name}.mp4"))
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert min(float(line.rstrip(",")) for line in shown.split()) == begin, name


@pytest.mark.parametrize(("container", "late_ms"), [("mp4", 0), ("mkv", 20)])
def test_pictures_begin_when_they_should_for_browsers_and_for_others(
    container: str, late_ms: int, clips: Clips, bench: Bench, folder: Path
) -> None:
    """Pictures out of order; Matroska has them begin after the run-up of the sound."""
    film = Clip(f"begins.{container}", f"{picture()} {tone()} {X264} -preset veryfast {AAC}")
    bench.make(clips.path(film), transcode("CMAF"))
    path = folder / "160p.mp4"
    data = path.read_bytes()
    (entries,) = struct.unpack_from(">I", data, data.index(b"elst") + 8)
    assert entries == 1, "browsers read the first alone"
    assert read_movie(path).tracks[0].skipped > 0, "ffmpeg reads negative offsets as a late film"
    command = ["ffprobe", "-v", "error", "-show_entries", "stream=start_time", "-of", "csv=p=0"]
    told = subprocess.run([*command, str(path)], capture_output=True, text=True, check=True).stdout
    assert float(told) == pytest.approx(late_ms / 1000, abs=0.0015)


def test_subtitles_may_come_later(clips: Clips, bench: Bench, folder: Path) -> None:
    """Packaging what is packaged already moves no byte of the media."""
    outputs = planned(bench, clips.path(NTSC))
    packager = Packager("tv", Packaging.CMAF, 2)
    packager.finish(outputs)
    media = (folder / "160p.mp4").read_bytes()
    (folder / "de.vtt").write_text("WEBVTT\n\n00:00.000 --> 00:02.000\nHallo\n")
    made = packager.finish(outputs, [Subtitles("de.vtt", "deu", "Deutsch")])
    assert (folder / "160p.mp4").read_bytes() == media
    assert {"de.vtt": "text/vtt", "de.m3u8": "application/vnd.apple.mpegurl"}.items() <= {
        file.name: file.mime_type for file in made
    }.items()
    mpd = MPEGDASHParser.parse(str(folder / "manifest.mpd"))
    assert mpd.periods[0].adaptation_sets[-1].lang == "de"


def test_subtitles_that_are_none_are_noticed(clips: Clips, bench: Bench, folder: Path) -> None:
    outputs = planned(bench, clips.path(NTSC))
    (folder / "de.vtt").write_text("1\n00:00:00,000 --> 00:00:02,000\nHallo\n")
    with pytest.raises(Unverified, match=r"de\.vtt is not WebVTT"):
        Packager("tv", Packaging.CMAF, 2).finish(outputs, [Subtitles("de.vtt", "deu")])


@pytest.mark.parametrize("name", ["160p", "90p", "audio-2"])
def test_a_missing_fragment_is_noticed(name: str, clips: Clips, bench: Bench, folder: Path) -> None:
    outputs = planned(bench, clips.path(NTSC))
    path = folder / f"{name}.mp4"
    lost, data = read_movie(path).fragments[1], path.read_bytes()
    path.write_bytes(data[: lost.offset] + data[lost.offset + lost.size :])
    with pytest.raises(Unverified, match=rf"tv/{name}\.mp4 goes on at"):
        Packager("tv", Packaging.CMAF, 2).finish(outputs)


def test_a_rendition_that_is_cut_at_other_times_is_noticed(
    clips: Clips, bench: Bench, folder: Path
) -> None:
    outputs = planned(bench, clips.path(NTSC))
    cut_elsewhere = [
        *("ffmpeg", "-v", "error", "-y", "-i", str(clips.path(NTSC)), "-an", "-s", "160x90"),
        *("-c:v", "libx264", "-g", "70", "-keyint_min", "70", "-sc_threshold", "0"),
        *("-movflags", "+frag_keyframe+delay_moov+default_base_moof", str(folder / "90p.mp4")),
    ]
    subprocess.run(cut_elsewhere, check=True)
    with pytest.raises(Unverified, match="segments of 90p and 160p begin at different times"):
        Packager("tv", Packaging.CMAF, 2).finish(outputs)


@pytest.mark.parametrize(
    ("arguments", "codec"),
    [
        ("-c:v libx264 -profile:v high -level 3.1 -preset veryfast", "avc1.64001f"),
        (
            "-c:v libx265 -preset ultrafast -tag:v hvc1 -x265-params log-level=error",
            "hvc1.1.6.L30.90",
        ),
        (
            "-c:v libx265 -preset ultrafast -tag:v hvc1 -pix_fmt yuv420p10le -x265-params log-level=error",
            "hvc1.2.4.L30.90",
        ),
        ("-c:v libsvtav1 -preset 12", "av01.0.00M.08"),
        ("-c:v libvpx-vp9 -deadline realtime", "vp09.00.10.08"),
        ("-c:a aac", "mp4a.40.2"),
        ("-c:a libmp3lame", "mp4a.6b"),
        ("-c:a libopus", "opus"),
        ("-c:a flac -strict -2", "fLaC"),
        ("-c:a ac3", "ac-3"),
        ("-c:a eac3", "ec-3"),
    ],
)
def test_codecs_are_read_from_what_encoders_write(
    arguments: str, codec: str, tmp_path: Path
) -> None:
    source = "testsrc=size=128x72:rate=10:duration=0.5" if ":v" in arguments else "sine=d=0.5"
    path = tmp_path / "a.mp4"
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", source]
    if "pix_fmt" not in arguments and ":v" in arguments:
        command += ["-pix_fmt", "yuv420p"]
    subprocess.run([*command, *arguments.split(), str(path)], check=True, capture_output=True)
    assert read_movie(path).tracks[0].codec == codec
