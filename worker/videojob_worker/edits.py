"""What a transcode does to the film before it is encoded: takes a stretch of it, lays an image over it.

Called by the transcode step. Pure: programmes in, programmes out.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from videojob_api.steps.transcode import Trim, Watermark

from .errors import NotDoable
from .graph import Graph, Programme, seconds_of
from .media import MediaInfo, Size
from .nodes import Cut, CutSound, Decoded, Filtered, Form, Overlay
from .video import Picture


def trimmed(
    trim: Trim, programme: Programme, media: MediaInfo
) -> tuple[Programme, tuple[str, ...]]:
    """A stretch of a programme, and what the user should know of it.

    Raises:
        NotDoable: if it begins after the film's end.
    """
    start = Fraction(str(trim.start_seconds))
    end = None if trim.end_seconds is None else Fraction(str(trim.end_seconds))
    nodes = [programme.picture.node] if programme.picture else []
    nodes += [sound.node for sound in programme.sounds]
    length = max((seconds_of(node, media) for node in nodes), default=media.duration)
    if start >= length:
        raise NotDoable(
            f"trim.startSeconds is {float(start):g} and the film lasts {float(length):.2f} s; "
            "begin earlier."
        )
    picture, sounds = programme.picture, programme.sounds
    if picture is not None:
        video = media.video
        rate = video.even_rate if video is not None and not video.variable else None
        picture = replace(picture, node=Filtered(Cut(start, end, rate), (picture.node,)))
    cut = CutSound(start, end)
    sounds = tuple(replace(s, node=Filtered(cut, (s.node,))) for s in sounds)
    warnings: tuple[str, ...] = ()
    if end is not None and end > length:
        warnings = (
            f"trim.endSeconds is {float(end):g} and the film lasts {float(length):.2f} s: it "
            "was taken to its end.",
        )
    return replace(programme, picture=picture, sounds=sounds, subtitles=()), warnings


def watermarked(
    mark: Watermark, image: Path, picture: Picture, size: Size, graph: Graph
) -> Picture:
    """Pictures of a size with an image over them, for ordinary screens."""
    # At the depth of the film, so that one picture serves renditions of both depths.
    form = Form(picture.form.bit_depth, hdr=False)
    base = graph.resize(picture, size, form)
    overlay = Overlay(
        form=form,
        position=mark.position.value,
        width=max(2, size.width * mark.width_percent // 100),
        margin=size.short * mark.margin_percent // 100,
        opacity=mark.opacity,
    )
    node = Filtered(overlay, (base.node, Decoded(0, file=image, is_image=True)))
    return replace(base, node=node)
