"""Silence after sound that ends before the pictures, for players that wait for each of the two.

The transcode step asks for it where sound has a file of its own; ``losses`` tells by it what is the
film's and what was added. Pure.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from .media import MediaInfo
from .nodes import Filtered, Node, PadSound
from .sounds import Sound
from .spans import span_of
from .video import Picture

SHORT_SECONDS = Fraction(1, 10)
"""Players get over so much; nearly all sound ends a few frames before the pictures or after them."""


def padded(sound: Sound, picture: Picture, media: MediaInfo) -> Sound:
    """The sound, as long as the pictures where the container says that it is much shorter.

    What the container says may be too little, of a track that begins late for one: no more silence
    is added than is missing in the end.
    """
    shown, heard = media.shown_until, sound.track.duration
    if shown is None or heard is None:
        return sound
    wanted = span_of(picture.node).within(shown)
    if wanted - span_of(sound.node).within(heard) <= SHORT_SECONDS:
        return sound
    return replace(sound, node=Filtered(PadSound(wanted), (sound.node,)))


def pad_below(node: Node) -> tuple[Filtered, PadSound] | None:
    """Where silence was added to what arrives at a node, and until when."""
    while isinstance(node, Filtered):
        if isinstance(node.filter, PadSound):
            return node, node.filter
        node = node.parents[0]
    return None
