"""Why a file could not be opened: from ffprobe's complaints and its first bytes to a reason.

Called by ``probe`` when ffprobe has failed. Pure, but for looking at the first bytes it is given.
"""

from __future__ import annotations

import re

from videojob_api.reasons import RejectReason
from videojob_api.videojob import Limits

from .errors import Rejected
from .validate import too_many_pixels, too_many_streams
from .whitelists import FORMATS_IN_WORDS

HEAD_BYTES = 512
MAX_TAIL = 4096
_TOO_LARGE = re.compile(r"Picture size (\d+x\d+) exceeds")
_CODEC = re.compile(r"Codec \((\S+)\) not on whitelist")
_BARRED = re.compile(r"Could not open codec for input stream (\d+)")
_TOO_MANY_STREAMS = "Number of streams exceeds max_streams"
_ASKS_FOR_MEMORY = ("Cannot allocate memory", "Out of memory", "bad_alloc")
_LIST = re.compile(r"(not on whitelist) '[^'\n]*'?")
_FORMAT = re.compile(r"\[(\S+) @ [^\]]*\](?: \[\w+\])? Format not on whitelist")
_LOOKS_LIKE = (
    (b"#EXTM3U", "an HLS playlist"),
    (b"ffconcat", "an ffconcat script"),
    (b"v=0", "an SDP description"),
    (b"<?xml", "an XML document, such as a DASH manifest"),
    (b"<MPD", "a DASH manifest"),
    (b"<!DOCTYPE html", "a web page"),
    (b"<html", "a web page"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
)


def explain(stderr: str, head: bytes, cut: str | None, limits: Limits) -> Rejected:
    """The refusal that fits best.

    Args:
        stderr: the last lines that ffprobe wrote.
        head: the first bytes of the file.
        cut: what is known to be missing of it, in words.
        limits: of the job.
    """
    if match := _TOO_LARGE.search(stderr):
        refusal = too_many_pixels(match[1], limits)
    elif match := _CODEC.search(stderr):
        refusal = Rejected(
            RejectReason.UNSUPPORTED_CODEC,
            f"The file has a stream of codec {match[1]}, which is not accepted. Export it as H.264 "
            "with AAC.",
        )
    elif _TOO_MANY_STREAMS in stderr:
        refusal = too_many_streams("more than 1000")
    elif cut is not None:
        refusal = ends_early(cut)
    elif any(words in stderr for words in _ASKS_FOR_MEMORY):
        refusal = Rejected(
            RejectReason.DAMAGED,
            "Only to be opened, the file asks for more memory than any film needs: its numbers are "
            "wrong. Export it again, and upload that.",
        )
    elif match := _FORMAT.search(stderr):
        refusal = unsupported(_describe(head) or f"of the format {match[1]}")
    else:
        refusal = unsupported(_describe(head) or "of no format that is known here")
    refusal.log_tail = without_list(stderr)[-MAX_TAIL:] or None
    return refusal


def find_barred(stderr: str) -> tuple[int, str] | None:
    """The stream over whose codec ffprobe gave up, and the codec."""
    stream, codecs = _BARRED.search(stderr), _CODEC.findall(stderr)
    return (int(stream[1]), codecs[-1]) if stream and codecs else None


def without_list(text: str) -> str:
    """The words of ffmpeg without the list of all that is allowed, which it repeats each time."""
    return _LIST.sub(r"\1", text)


def ends_early(cut: str) -> Rejected:
    """The refusal of a file whose end is missing."""
    return Rejected(
        RejectReason.TRUNCATED,
        f"The file ends early: {cut}. It was probably not uploaded whole; upload it again.",
    )


def unsupported(what: str) -> Rejected:
    """The refusal of what is no film."""
    return Rejected(
        RejectReason.UNSUPPORTED_FORMAT,
        f"The file is {what}, by its content and whatever its name; accepted are "
        f"{FORMATS_IN_WORDS}. Upload the film itself.",
    )


def _describe(head: bytes) -> str | None:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    for start, words in _LOOKS_LIKE:
        if text[: len(start)].lower() == start.lower():
            return words
    printable = sum(byte in b"\t\r\n" or 32 <= byte < 127 or byte >= 0xC2 for byte in text)
    return "plain text" if text and printable == len(text) else None
