"""A film as one file, with as little encoded as possible: what a filter step publishes.

Called by ``steps.filtering``. Pure. What a step did not touch is copied, so pictures lose nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from videojob_api.steps import Preset, VideoCodec, VideoSettings, settle

from .containers import ANYTHING, SOUND_FORMS, Form
from .errors import NotDoable
from .graph import Container, Encoding, File, Programme
from .media import MediaInfo, VideoStream
from .sounds import AudioCodec, AudioEncoding, Sound
from .video import Picture, VideoCopy, VideoEncoding

_SOUND_KBPS = 128
_FINE = settle(VideoSettings(crf=18, preset=Preset.MEDIUM), VideoSettings())
_FINE_AND_DEEP = settle(
    VideoSettings(codec=VideoCodec.HEVC, crf=18, preset=Preset.MEDIUM, bit_depth=10),
    VideoSettings(),
)
_GOP_SECONDS = 4
_MP4_VIDEO = frozenset({"h264", "hevc", "av1", "vp9", "mpeg4", "mpeg2video", "mpeg1video"})
_MP4_AUDIO = frozenset({"aac", "mp3", "ac3", "eac3", "opus", "flac", "alac"})
_WEBM = frozenset({"vp8", "vp9", "av1", "vorbis", "opus"})
_MP4 = Form(Container.FASTSTART_MP4, "mp4", "video/mp4")
_MOV = Form(Container.MOV, "mov", "video/quicktime")
_MKV = Form(Container.MATROSKA, "mkv", "video/x-matroska")
_WEBM_FORM = Form(Container.WEBM, "webm", "video/webm")


@dataclass(frozen=True)
class Film:
    """The file, and what it is."""

    file: File
    mime_type: str


def build_film(folder: Path, programme: Programme, media: MediaInfo) -> Film:
    """The programme as ``film.<suffix>``, or ``audio.<suffix>`` where it has no video.

    Args:
        folder: where it goes.
        programme: what is in it.
        media: the film that it came from.

    Raises:
        NotDoable: if an earlier step made its pictures smaller.
    """
    sounds = tuple(_keep(sound) for sound in programme.sounds)
    if programme.picture is None or media.video is None:
        form = _sound_form(sounds)
        return Film(File(folder / f"audio.{form.suffix}", form.container, sounds), form.mime_type)
    if programme.size != media.video.shown:
        raise NotDoable(
            "The film can only be published in its own size, and an earlier step made it smaller: "
            "publish by a transcode, `from` this step."
        )
    pictures: VideoCopy | VideoEncoding
    if programme.shows(media):
        pictures = VideoCopy(media.video, programme.without_sei)
        codec = media.video.codec
    else:
        pictures = _encode(programme.picture, media.video)
        codec = pictures.settings.codec.lower()
    form = _form({codec}, {sound.codec_name for sound in sounds}, media)
    encodings: tuple[Encoding, ...] = (pictures, *sounds)
    return Film(File(folder / f"film.{form.suffix}", form.container, encodings), form.mime_type)


def _encode(picture: Picture, video: VideoStream) -> VideoEncoding:
    """Pictures that were changed, so that little is lost; whoever wants them small transcodes."""
    fine = _FINE if picture.form.bit_depth == 8 else _FINE_AND_DEEP
    return VideoEncoding(
        picture=picture,
        size=picture.size.scaled_to_short(picture.size.short),
        settings=fine,
        form=replace(picture.form, hdr=fine.keeps_hdr and picture.form.hdr),
        gop_seconds=_GOP_SECONDS,
        frame_rate=None if video.variable else video.even_rate,
    )


def _keep(sound: Sound) -> AudioEncoding:
    if sound.untouched:
        return AudioEncoding(sound, AudioCodec.COPY, sound.channels)
    return AudioEncoding(sound, AudioCodec.AAC, min(2, sound.channels), _SOUND_KBPS)


def _sound_form(sounds: tuple[AudioEncoding, ...]) -> Form:
    if len(sounds) > 1:
        return ANYTHING
    return SOUND_FORMS.get(sounds[0].codec_name, ANYTHING)


def _form(video: set[str], audio: set[str], media: MediaInfo) -> Form:
    """MP4 if it can hold all of it, WebM for what was one, else MOV and Matroska."""
    if "matroska" in media.format_name.split(",") and video | audio <= _WEBM:
        return _WEBM_FORM
    if video <= _MP4_VIDEO and audio <= _MP4_AUDIO:
        return _MP4
    return _MOV if media.is_mp4_family else _MKV
