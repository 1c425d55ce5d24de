"""A transcript as text in each of the formats.

Used by the step. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from html import escape

from videojob_api.steps import TranscriptFormat

from ..webvtt import Cue, build_webvtt, format_time
from .cues import build_cues
from .transcript import Segment, Transcript

JSON_VERSION = 1
_PARAGRAPH_SECONDS = 2.0


def build_vtt(transcript: Transcript) -> str:
    """WebVTT."""
    # Only these three have a meaning in a cue's text.
    cues = build_cues(transcript.words, transcript.duration_seconds)
    return build_webvtt(Cue(c.start, c.end, escape(c.text, quote=False)) for c in cues)


def build_srt(transcript: Transcript) -> str:
    """SubRip: as WebVTT, with numbers and commas."""
    cues = build_cues(transcript.words, transcript.duration_seconds)
    blocks = [
        f"{number}\n{_srt_time(cue)}\n{cue.text}\n" for number, cue in enumerate(cues, start=1)
    ]
    return "\n".join(blocks)


def build_txt(transcript: Transcript) -> str:
    """Plain text, a paragraph up to each longer pause."""
    paragraphs: list[list[Segment]] = []
    for segment in transcript.segments:
        if paragraphs and segment.start - paragraphs[-1][-1].end < _PARAGRAPH_SECONDS:
            paragraphs[-1].append(segment)
        else:
            paragraphs.append([segment])
    told = (" ".join(segment.text.strip() for segment in each) for each in paragraphs)
    return "\n\n".join(told) + "\n" if paragraphs else ""


def build_json(transcript: Transcript) -> str:
    """Everything, with the time of every word; ``version`` changes when a reader would have to."""
    document = {
        "version": JSON_VERSION,
        "language": transcript.language,
        "languageProbability": transcript.language_probability,
        "durationSeconds": round(transcript.duration_seconds, 3),
        "recogniser": transcript.recogniser,
        "wordTimes": transcript.word_times,
        "segments": [_segment(segment) for segment in transcript.segments],
    }
    known = {key: value for key, value in document.items() if value is not None}
    return json.dumps(known, ensure_ascii=False, indent=1) + "\n"


WRITERS: dict[TranscriptFormat, tuple[str, str, Callable[[Transcript], str]]] = {
    TranscriptFormat.VTT: ("vtt", "text/vtt", build_vtt),
    TranscriptFormat.SRT: ("srt", "application/x-subrip", build_srt),
    TranscriptFormat.TXT: ("txt", "text/plain; charset=utf-8", build_txt),
    TranscriptFormat.JSON: ("json", "application/json", build_json),
}
"""Suffix, media type and function of each."""


def _segment(segment: Segment) -> dict[str, object]:
    words = []
    for word in segment.words:
        told = {"start": round(word.start, 3), "end": round(word.end, 3), "text": word.text.strip()}
        if word.probability is not None:
            told["probability"] = round(word.probability, 3)
        words.append(told)
    return {
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "text": segment.text.strip(),
        "words": words,
    }


def _srt_time(cue: Cue) -> str:
    return f"{format_time(cue.start)} --> {format_time(cue.end)}".replace(".", ",")
