"""HLS: playlists over the byte ranges of single-file fragmented MP4.

Called by ``packager``. Pure: a ``Package`` in, text out. ffmpeg's own playlists know neither the
true bandwidth of a film encoded at constant quality nor its I-frames.

Format: RFC 8216 and its second edition (draft-pantos-hls-rfc8216bis).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil

from .languages import language_tag
from .package import Media, Package, Rendition, Sound, Subtitles, codec_family, codecs, labels
from .segments import Segment, target_duration

MASTER = "master.m3u8"
MIME_TYPE = "application/vnd.apple.mpegurl"
_SUBTITLES_GROUP = "subtitles"


def build_playlists(package: Package) -> dict[str, str]:
    """Every playlist by its file name; the master playlist last."""
    target = target_duration([media.segments for media in package.media])
    texts = {}
    for media in package.media:
        if isinstance(media, Rendition):
            texts[f"{media.name}-iframes.m3u8"] = build_iframe_playlist(media, target)
        texts[f"{media.name}.m3u8"] = build_media_playlist(media, target)
    for subtitles in package.subtitles:
        texts[f"{subtitles.name}.m3u8"] = build_subtitles_playlist(subtitles, package)
    return {**texts, MASTER: build_master_playlist(package)}


def build_media_playlist(media: Media, target: int) -> str:
    """The playlist of one file: its segments as byte ranges."""
    head = [*_media_head(media, target), "#EXT-X-INDEPENDENT-SEGMENTS"]
    return _text([*head, *_ranges(media, [s.size for s in media.segments])])


def build_iframe_playlist(media: Media, target: int) -> str:
    """The playlist for fast seeking: the first frame of every segment, a key frame."""
    head = [*_media_head(media, target), "#EXT-X-I-FRAMES-ONLY"]
    return _text([*head, *_ranges(media, [s.key_size for s in media.segments])])


def build_subtitles_playlist(subtitles: Subtitles, package: Package) -> str:
    """One segment: the whole file, which is small, and which every other player can load too.

    The playlists of subtitles may have a target duration of their own (RFC 8216bis, 6.2.4).
    """
    seconds = package.duration
    head = _head(max(1, ceil(seconds)))
    return _text([*head, f"#EXTINF:{float(seconds):.6f},", subtitles.file_name, "#EXT-X-ENDLIST"])


def _ranges(media: Media, sizes: Sequence[int]) -> list[str]:
    """From the first entry to the end: so many bytes from where each segment begins."""
    lines: list[str] = []
    for segment, size in zip(media.segments, sizes, strict=True):
        lines += [
            f"#EXTINF:{float(segment.duration):.6f},",
            f"#EXT-X-BYTERANGE:{size}@{segment.offset}",
            media.file_name,
        ]
    return [*lines, "#EXT-X-ENDLIST"]


def _media_head(media: Media, target: int) -> list[str]:
    init = f'#EXT-X-MAP:URI="{media.file_name}",BYTERANGE="{media.init_size}@0"'
    return [*_head(target), init]


def _head(target: int) -> list[str]:
    return [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{target}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
    ]


def build_master_playlist(package: Package) -> str:
    """The playlist that a player opens: every size, every sound track, measured."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"]
    groups = _audio_groups(package.sounds)
    for group, sounds in groups.items():
        lines += _sound_lines(group, sounds)
    lines += _subtitles_lines(package.subtitles)
    for group in groups or ("",):
        for rendition in package.renditions:
            attributes = [*_variant(rendition, groups.get(group, []))]
            if group:
                attributes.append(f'AUDIO="{group}"')
            if package.subtitles:
                attributes.append(f'SUBTITLES="{_SUBTITLES_GROUP}"')
            attributes.append("CLOSED-CAPTIONS=NONE")
            lines += [f"#EXT-X-STREAM-INF:{','.join(attributes)}", f"{rendition.name}.m3u8"]
    lines += [_iframe_line(rendition) for rendition in package.renditions]
    return _text(lines)


def _variant(rendition: Rendition, sounds: Sequence[Sound]) -> Iterator[str]:
    peak = max((sound.peak_bandwidth for sound in sounds), default=0)
    mean = max((sound.average_bandwidth for sound in sounds), default=0)
    yield f"BANDWIDTH={rendition.peak_bandwidth + peak}"
    yield f"AVERAGE-BANDWIDTH={rendition.average_bandwidth + mean}"
    yield f'CODECS="{",".join([rendition.track.codec, *codecs(sounds)])}"'
    yield f"RESOLUTION={rendition.track.width}x{rendition.track.height}"
    yield f"FRAME-RATE={float(rendition.frame_rate):.3f}"
    yield f"VIDEO-RANGE={rendition.video_range}"


def _audio_groups(sounds: Sequence[Sound]) -> dict[str, list[Sound]]:
    """Sound tracks by group: one for each codec, for a player takes a group only as a whole."""
    families: dict[str, list[Sound]] = {}
    for sound in sounds:
        families.setdefault(codec_family(sound), []).append(sound)
    if len(families) == 1:
        return {"audio": list(sounds)}
    return {f"audio-{family}": members for family, members in families.items()}


def _sound_lines(group: str, sounds: Sequence[Sound]) -> Iterator[str]:
    default = next((s for s in sounds if s.is_default), sounds[0])
    for sound, label in labels(sounds, "Audio").items():
        attributes = [
            "TYPE=AUDIO",
            f'GROUP-ID="{group}"',
            *_language(sound.language),
            f'NAME="{label}"',
            f"DEFAULT={'YES' if sound is default else 'NO'}",
            "AUTOSELECT=YES",
            f'CHANNELS="{sound.channels}"',
            f'URI="{sound.name}.m3u8"',
        ]
        yield f"#EXT-X-MEDIA:{','.join(attributes)}"


def _subtitles_lines(subtitles: Sequence[Subtitles]) -> Iterator[str]:
    for each, label in labels(subtitles, "Subtitles").items():
        attributes = [
            "TYPE=SUBTITLES",
            f'GROUP-ID="{_SUBTITLES_GROUP}"',
            *_language(each.language),
            f'NAME="{label}"',
            f"DEFAULT={'YES' if each.is_default else 'NO'}",
            "AUTOSELECT=YES",
            "FORCED=NO",
            f'URI="{each.name}.m3u8"',
        ]
        yield f"#EXT-X-MEDIA:{','.join(attributes)}"


def _language(language: str | None) -> list[str]:
    tag = language_tag(language)
    return [f'LANGUAGE="{tag}"'] if tag else []


def _iframe_line(rendition: Rendition) -> str:
    return (
        f"#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH={_iframe_bandwidth(rendition.segments)},"
        f'CODECS="{rendition.track.codec}",'
        f"RESOLUTION={rendition.track.width}x{rendition.track.height},"
        f'VIDEO-RANGE={rendition.video_range},URI="{rendition.name}-iframes.m3u8"'
    )


def _iframe_bandwidth(segments: Sequence[Segment]) -> int:
    return max((ceil(s.key_size * 8 / s.duration) for s in segments if s.duration), default=0)


def _text(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"
