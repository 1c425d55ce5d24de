"""Reads ffmpeg's own account at the end of a pass: what was read, decoded, encoded, complained of.

Called by ``passes.run_pass`` on the full log (``-loglevel level+verbose``). Pure. The wording is
the same from ffmpeg 5.1 to 7.1; only the prefixes before it differ. Lines are matched from their
beginning, so that a film's title can't pass for an account.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from .nodes import Level

_PREFIX = r"(?:\[[^\]]*\] )*"
_INPUT = re.compile(
    _PREFIX
    + r" *Input stream #(?P<file>\d+):(?P<index>\d+) \((?P<kind>\w+)\): (?P<packets>\d+) packets read"
    r"(?: \(\d+ bytes\))?(?:; (?P<frames>\d+) frames decoded)?"
    r"(?:; (?P<errors>\d+) decode errors)?(?:.*?\((?P<samples>\d+) samples\))?"
)
_OUTPUT = re.compile(
    _PREFIX
    + r" *Output stream #(?P<file>\d+):(?P<index>\d+) \((?P<kind>\w+)\): (?P<frames>\d+) frames encoded"
)
_COMPLAINT = re.compile(_PREFIX + r"(?<=(?:error|fatal)\] )")
UNCOUNTED = "uncounted"
"""Part of the name of a filter whose frames, left out or repeated, are not those of a rendition."""
_FILTERED = re.compile(
    rf"(?!\[fps@{UNCOUNTED})" + _PREFIX + r"(?P<came>\d+) frames in, (?P<went>\d+) frames out; "
    r"(?P<dropped>\d+) frames dropped, (?P<repeated>\d+) frames duplicated"
)
_METER = re.compile(r"\[ebur128@(?P<name>\w+) @ [^\]]*\] (?:\[info\] )?Summary:")
_LOUD = re.compile(r"\s+(?P<what>I|LRA|Peak): +(?P<number>-?inf|-?[\d.]+) (?:LUFS|LU|dBFS)$")
_COUNT = re.compile(
    r"\[astats@(?P<name>\w+) @ [^\]]*\] (?:\[info\] )?Number of samples: (?P<samples>\d+)"
)
_LEAST_DB = -120.0
"""What is written for minus infinity: it has no number in JSON."""
_ACCEPTED = "not on whitelist"
"""Of a stream that is not used."""
_MAX_COMPLAINTS = 20


@dataclass(frozen=True)
class ReadStream:
    """An input stream at the end of the pass."""

    packets: int
    frames: int
    samples: int


@dataclass
class Tally:
    """The account."""

    read: dict[int, ReadStream] = field(default_factory=dict)
    """By stream index of the input."""
    encoded: dict[tuple[int, int], int] = field(default_factory=dict)
    """(output number, stream index) → frames."""
    dropped: int = 0
    """Frames left out to make distances even, in the rendition that lost most."""
    repeated: int = 0
    """Frames shown again to make distances even."""
    error_count: int = 0
    """Lines at level error: mostly the decoder's."""
    complaints: list[str] = field(default_factory=list)
    """The first of them."""
    levels: dict[str, Level] = field(default_factory=dict)
    """How loud it was at each meter, by its name."""
    padded: dict[str, int] = field(default_factory=dict)
    """Samples that came where silence is added at the end, by the name of the place."""


def parse_tally(lines: Iterable[str], *, film: int = 0) -> Tally:
    """Read a whole log.

    Args:
        lines: of the log.
        film: number of the input that is the film, where others are read too.
    """
    tally = Tally()
    meters: dict[str, dict[str, float]] = {}
    loud: dict[str, float] = {}
    for line in lines:
        if match := _METER.match(line):
            loud = meters[
                match["name"]
            ] = {}  # the last one counts: a meter that is set up tells too
        elif match := _LOUD.match(line.rstrip()):
            loud[match["what"]] = max(_LEAST_DB, float(match["number"]))
        elif match := _COUNT.match(line):
            tally.padded[match["name"]] = int(match["samples"])
        if _ACCEPTED in line:
            continue
        if _COMPLAINT.match(line):
            tally.error_count += 1
            if len(tally.complaints) < _MAX_COMPLAINTS:
                tally.complaints.append(_plain(line))
        elif (match := _INPUT.match(line)) and int(match["file"]) == film:
            tally.read[int(match["index"])] = ReadStream(
                packets=int(match["packets"]),
                frames=int(match["frames"] or 0),
                samples=int(match["samples"] or 0),
            )
        elif match := _OUTPUT.match(line):
            tally.encoded[int(match["file"]), int(match["index"])] = int(match["frames"])
        elif match := _FILTERED.match(line):
            tally.dropped = max(tally.dropped, int(match["dropped"]))
            tally.repeated = max(tally.repeated, int(match["repeated"]))
    tally.levels = {
        name: Level(said["I"], said["Peak"], said.get("LRA", 0.0))
        for name, said in meters.items()
        if {"I", "Peak"} <= said.keys()
    }
    return tally


def _plain(line: str) -> str:
    """Without addresses and levels, which differ from run to run."""
    return re.sub(r"\s*@ 0x[0-9a-f]+|\[(error|fatal)\] ", "", line).strip()[:200]
