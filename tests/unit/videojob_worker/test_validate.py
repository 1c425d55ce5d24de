"""Which films are accepted, and the words for those that are not."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from media_builders import a_film, a_step, a_video, mp4

from videojob_api.videojob import Limits
from videojob_worker.errors import Rejected
from videojob_worker.media import LeftOut, MediaInfo, Size
from videojob_worker.refusals import explain, find_barred
from videojob_worker.structure import find_cut
from videojob_worker.validate import validate

WEB = mp4("web", 720)
AUDIO = a_step("audio", extractAudio={})
POSTER = a_step("poster", thumbnails={"count": 1})


@pytest.mark.parametrize(
    ("film", "steps"),
    [
        (a_film(), (WEB, AUDIO, POSTER)),
        (a_film(audio=()), (WEB, POSTER)),
        (a_film(audio=(), left_out=(LeftOut(False, "apac"),)), (WEB, POSTER)),
        (a_film(left_out=(LeftOut(False, "apac"),)), (WEB, AUDIO)),
        (a_film(video=None, left_out=(LeftOut(True, "zmbv"),)), (AUDIO,)),
        (a_film(video=None), (AUDIO,)),
        (a_film(video=a_video(only_dolby_vision=True)), (AUDIO,)),
        (a_film(duration=Fraction(14400)), (WEB,)),
        (a_film(video=a_video(coded=Size(8192, 4320))), (WEB,)),
    ],
)
def test_good_films_are_accepted(film: MediaInfo, steps: tuple[Any, ...]) -> None:
    validate(film, Limits(), steps)


@pytest.mark.parametrize(
    ("changes", "steps", "reason"),
    [
        ({"video": None}, (WEB,), "NoVideoStream"),
        ({"video": None}, (AUDIO, POSTER), "NoVideoStream"),
        ({"audio": ()}, (WEB, AUDIO), "NoAudioStream"),
        ({"duration": Fraction(0)}, (WEB,), "ZeroDuration"),
        ({"duration": Fraction(14401)}, (WEB,), "TooLong"),
        ({"size_bytes": 3 << 30}, (WEB,), "TooLarge"),
        ({"stream_count": 65}, (WEB,), "TooManyStreams"),
        ({"encrypted": True}, (WEB,), "Encrypted"),
        ({"video": None, "left_out": (LeftOut(True, "zmbv"),)}, (WEB,), "UnsupportedCodec"),
        ({"audio": (), "left_out": (LeftOut(False, "apac"),)}, (AUDIO,), "UnsupportedCodec"),
        ({"video": a_video(only_dolby_vision=True)}, (WEB,), "UnsupportedCodec"),
        ({"video": a_video(coded=Size(0, 0))}, (WEB,), "Damaged"),
        ({"video": a_video(coded=Size(15360, 15360))}, (WEB,), "TooManyPixels"),
    ],
)
def test_others_get_their_own_reason_and_what_to_do(
    changes: dict[str, Any], steps: tuple[Any, ...], reason: str
) -> None:
    with pytest.raises(Rejected) as caught:
        validate(a_film(**changes), Limits(), steps)
    assert caught.value.reason == reason
    assert any(verb in str(caught.value) for verb in ("Upload", "Export", "upload"))


@pytest.mark.parametrize(
    ("stderr", "head", "cut", "reason", "words"),
    [
        ("[h264 @ 0x1] Picture size 9x8 exceeds specified", b"", None, "TooManyPixels", "9x8"),
        ("[zmbv @ 0x1] Codec (zmbv) not on whitelist", b"", None, "UnsupportedCodec", "zmbv"),
        ("moov atom not found", b"", "its index is missing", "Truncated", "index"),
        ("[hls @ 0x1] Format not on whitelist", b"#EXTM3U", None, "UnsupportedFormat", "playlist"),
        ("[concat @ 0x1] Format not on whitelist", b"\0", None, "UnsupportedFormat", "concat"),
        ("Invalid data", b"Dear Sir", None, "UnsupportedFormat", "plain text"),
        ("Invalid data", b"\x89PNG\r\n", None, "UnsupportedFormat", "PNG"),
        ("Invalid data", b"\0\1\2", None, "UnsupportedFormat", "no format"),
        ("Invalid data", b"", None, "UnsupportedFormat", "no format"),
    ],
)
def test_what_ffprobe_could_not_open_is_explained(
    stderr: str, head: bytes, cut: str | None, reason: str, words: str
) -> None:
    refused = explain(stderr, head, cut, Limits())
    assert refused.reason == reason
    assert words in str(refused)
    assert refused.log_tail == stderr


def test_the_list_of_what_is_allowed_is_not_repeated() -> None:
    refused = explain("[x @ 0x1] Codec (x) not on whitelist 'mov,h264'\n", b"", None, Limits())
    assert refused.log_tail == "[x @ 0x1] Codec (x) not on whitelist\n"


def test_the_stream_that_ffprobe_gave_up_at() -> None:
    said = "[x @ 1] Codec (x) not on whitelist 'a'\nCould not open codec for input stream 3\n"
    assert find_barred(said) == (3, "x")
    assert find_barred("Codec (x) not on whitelist 'a'") is None


def box(kind: bytes, content: bytes = b"", length: int | None = None) -> bytes:
    return (length or len(content) + 8).to_bytes(4, "big") + kind + content


EBML = b"\x1a\x45\xdf\xa3\x82\0\0\x18\x53\x80\x67"


@pytest.mark.parametrize(
    ("data", "cut"),
    [
        (box(b"ftyp") + box(b"moov") + box(b"mdat", b"abc"), None),
        (box(b"ftyp") + box(b"moov") + box(b"mdat", b"abc", 20), "9 bytes at the end of its mdat"),
        (box(b"ftyp") + box(b"mdat", b"abc"), "its index (moov box) is missing"),
        (box(b"ftyp") + box(b"mdat", b"abc", 99), "its mdat box"),
        (box(b"ftyp") + box(b"moov") + b"\0\0\0\0mdat...", None),
        (box(b"ftyp") + box(b"moov") + b"\0\0\0\1mdat" + bytes(7) + b"\x12" + b"ab", None),
        (box(b"ftyp") + box(b"moov") + b"\0\0\0\1mdat" + bytes(7) + b"\x13" + b"ab", "1 bytes"),
        (box(b"ftyp") + box(b"moov") + b"junk that is no box", None),
        (box(b"ftyp") + box(b"moov") + b"\0\0", None),
        (EBML + b"\x83abc", None),
        (EBML + b"\x84abc", "1 bytes at the end of its segment"),
        (EBML + b"\x01\xff\xff\xff\xff\xff\xff\xff abc", None),
        (b"RIFF\4\0\0\0AVI ", None),
        (b"RIFF\6\0\0\0AVI ", "2 bytes at the end of its RIFF chunk"),
        (b"RIFF\4\0\0\0AVI RIFF\5\0\0\0AVIX", "1 bytes"),
        (b"RIFF\0\0\0\0WAVE", None),
        (b"RIFF\xff\xff\xff\xffWAVE", None),
        (b"RIFF\x24\xf0\xff\x7fWAVE", None),
        (b"RIFF\x24\0\0\x80WAVE", None),
        (b"RIFF\x24\0\0\x80AVI ", "2147483680 bytes"),
        (b"", None),
    ],
)
def test_missing_ends_are_seen_by_sizes(data: bytes, cut: str | None, tmp_path: Path) -> None:
    path = tmp_path / "source"
    path.write_bytes(data)
    found = find_cut(path)
    assert (found is None) if cut is None else (found is not None and cut in found)
