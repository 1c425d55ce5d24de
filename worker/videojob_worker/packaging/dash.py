"""DASH: one manifest over the byte ranges of single-file fragmented MP4.

Called by ``packager``. Pure: a ``Package`` in, text out.

It follows the on-demand profile: each file says in its own index (sidx) where its segments are, and
the manifest says where that index is. All players know this form, and the manifest of a long film
stays as small as that of a short one.

Format: ISO/IEC 23009-1; code points of ISO/IEC 23091-2 and 23091-3; DASH-IF IOP for the properties.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil
from typing import TypeVar
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from .languages import language_tag
from .package import Media, Package, Rendition, Sound, Subtitles, codec_family, labels

MANIFEST = "manifest.mpd"
MIME_TYPE = "application/dash+xml"
_PROFILES = "urn:mpeg:dash:profile:isoff-on-demand:2011,urn:mpeg:dash:profile:cmaf:2019"
_ROLES = "urn:mpeg:dash:role:2011"
_CHANNELS = "urn:mpeg:mpegB:cicp:ChannelConfiguration"
_CHANNEL_CONFIGURATIONS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 11, 8: 12}
_CICP = "urn:mpeg:mpegB:cicp:"

_Each = TypeVar("_Each", Rendition, Sound)


def build_manifest(package: Package) -> str:
    """The whole manifest.

    Raises:
        ValueError: if a file has no index.
    """
    longest = max((s.duration for media in package.media for s in media.segments), default=None)
    root = Element(
        "MPD",
        {
            "xmlns": "urn:mpeg:dash:schema:mpd:2011",
            "type": "static",
            "profiles": _PROFILES,
            "mediaPresentationDuration": _duration(package.duration),
            # At a bandwidth that no segment exceeds, one segment ahead is always enough.
            "minBufferTime": _duration(longest or Fraction(1)),
        },
    )
    period = SubElement(root, "Period", {"id": "0", "start": "PT0S"})
    for renditions in _alike(package.renditions):
        _add_video(period, renditions)
    names = labels(package.sounds, "Audio")
    for sounds in _alike(package.sounds):
        for sound in sounds:
            _add_sound(period, sound, names[sound])
    for subtitles, label in labels(package.subtitles, "Subtitles").items():
        _add_subtitles(period, subtitles, label, package.duration)
    for number, adaptation_set in enumerate(period):
        adaptation_set.set("id", str(number))
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _alike(media: Sequence[_Each]) -> list[list[_Each]]:
    """In sets between whose members players may switch: one codec, one brightness curve."""
    sets: dict[tuple[str, object], list[_Each]] = {}
    for each in media:
        sets.setdefault((codec_family(each), each.track.color), []).append(each)
    return list(sets.values())


def _add_video(period: Element, renditions: Sequence[Rendition]) -> None:
    tracks = [rendition.track for rendition in renditions]
    first = max(renditions, key=lambda rendition: rendition.track.height)
    adaptation_set = _adaptation_set(
        period,
        "video",
        {
            "maxWidth": str(max(track.width for track in tracks)),
            "maxHeight": str(max(track.height for track in tracks)),
            "maxFrameRate": str(max(rendition.frame_rate for rendition in renditions)),
        },
    )
    _add_colors(adaptation_set, first)
    _add_role(adaptation_set, "main")
    for rendition in renditions:
        attributes = {
            "width": str(rendition.track.width),
            "height": str(rendition.track.height),
            "frameRate": str(rendition.frame_rate),
            "sar": "1:1",
        }
        _add_representation(adaptation_set, rendition, attributes)


def _add_colors(adaptation_set: Element, rendition: Rendition) -> None:
    """What the colours mean. A player that can't show PQ must not try: it would look grey."""
    color = rendition.track.color
    if color is None:
        return
    kind = "EssentialProperty" if rendition.video_range == "PQ" else "SupplementalProperty"
    for name, value in (
        ("ColourPrimaries", color.primaries),
        ("TransferCharacteristics", color.transfer),
        ("MatrixCoefficients", color.matrix),
    ):
        SubElement(adaptation_set, kind, {"schemeIdUri": _CICP + name, "value": str(value)})


def _add_sound(period: Element, sound: Sound, label: str) -> None:
    adaptation_set = _adaptation_set(period, "audio", _language(sound.language))
    SubElement(adaptation_set, "Label").text = label
    _add_role(adaptation_set, "main" if sound.is_default else "alternate")
    rate = sound.track.sample_rate
    attributes = {"audioSamplingRate": str(rate)} if rate else {}
    representation = _add_representation(adaptation_set, sound, attributes)
    configuration = _CHANNEL_CONFIGURATIONS.get(sound.channels)
    if configuration is not None:
        channels = {"schemeIdUri": _CHANNELS, "value": str(configuration)}
        representation.insert(0, Element("AudioChannelConfiguration", channels))


def _add_subtitles(period: Element, subtitles: Subtitles, label: str, length: Fraction) -> None:
    attributes = {"contentType": "text", "mimeType": "text/vtt", **_language(subtitles.language)}
    adaptation_set = SubElement(period, "AdaptationSet", attributes)
    SubElement(adaptation_set, "Label").text = label
    _add_role(adaptation_set, "subtitle")
    if subtitles.is_default:
        _add_role(adaptation_set, "main")
    bandwidth = max(1, ceil(subtitles.size * 8 / max(length, Fraction(1))))
    described = {"id": subtitles.name, "bandwidth": str(bandwidth)}
    representation = SubElement(adaptation_set, "Representation", described)
    SubElement(representation, "BaseURL").text = subtitles.file_name


def _adaptation_set(period: Element, kind: str, more: dict[str, str]) -> Element:
    attributes = {
        "contentType": kind,
        "mimeType": f"{kind}/mp4",
        "segmentAlignment": "true",
        "startWithSAP": "1",
        "subsegmentAlignment": "true",
        "subsegmentStartsWithSAP": "1",
        **more,
    }
    return SubElement(period, "AdaptationSet", attributes)


def _add_representation(parent: Element, media: Media, more: dict[str, str]) -> Element:
    if media.index is None:
        raise ValueError(f"{media.file_name} has no index of segments; a DASH manifest needs it")
    first, after = media.index
    described = {
        "id": media.name,
        "bandwidth": str(media.peak_bandwidth),
        "codecs": media.track.codec,
        **more,
    }
    representation = SubElement(parent, "Representation", described)
    SubElement(representation, "BaseURL").text = media.file_name
    base = SubElement(
        representation,
        "SegmentBase",
        {
            "indexRange": f"{first}-{after - 1}",
            "indexRangeExact": "true",
            "timescale": str(media.track.timescale),
        },
    )
    SubElement(base, "Initialization", {"range": f"0-{media.init_size - 1}"})
    return representation


def _add_role(adaptation_set: Element, value: str) -> None:
    SubElement(adaptation_set, "Role", {"schemeIdUri": _ROLES, "value": value})


def _language(language: str | None) -> dict[str, str]:
    tag = language_tag(language)
    return {"lang": tag} if tag else {}


def _duration(seconds: Fraction) -> str:
    """As XML writes lengths of time."""
    return f"PT{float(seconds):.3f}S"
