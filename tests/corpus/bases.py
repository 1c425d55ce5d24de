"""The good films that the corpus is bred from: every accepted container, with codecs of its time.

Each lasts a second and is a stamp in size, for hundreds are made of it. Used by ``specimens``; made
on first use by ``assets.Clips``, whose own films are larger and come with facts.
"""

from __future__ import annotations

from assets import Clip

_PICTURE = "-f lavfi -i testsrc2=size={size}:rate=25:duration=1"
_TONE = "-f lavfi -i sine=f=440:r={rate}:d=1"
_X264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 10"
_AAC = "-c:a aac -b:a 48k"
_FAST_HEVC = "-c:v libx265 -preset ultrafast -x265-params log-level=error:pools=1"


def _film(name: str, codecs: str, *, size: str = "160x90", rate: int = 48000) -> Clip:
    return Clip(name, f"{_PICTURE.format(size=size)} {_TONE.format(rate=rate)} {codecs}")


def _mute(name: str, codecs: str, *, size: str = "160x90") -> Clip:
    return Clip(name, f"{_PICTURE.format(size=size)} {codecs}")


def _sound(name: str, codecs: str, *, rate: int = 48000) -> Clip:
    return Clip(name, f"{_TONE.format(rate=rate)} {codecs}")


MP4 = _film("h264.mp4", f"{_X264} {_AAC}")
MOV = _film("h264.mov", f"{_X264} -c:a pcm_s16le")
MKV = _film("h264.mkv", f"{_X264} -c:a ac3")
AVI = _film("mpeg4.avi", "-c:v mpeg4 -c:a libmp3lame")
TS = _film("h264.ts", f"{_X264} {_AAC}")
FLV = _film("h264.flv", f"{_X264} {_AAC}", rate=44100)
MP3 = _sound("tone.mp3", "-c:a libmp3lame")
M4A = _sound("tone.m4a", _AAC)
FLAC = _sound("tone.flac", "-c:a flac")
WAV = _sound("tone.wav", "-c:a pcm_s16le")
FILMS = (
    MP4,
    _film("faststart.mp4", f"{_X264} {_AAC} -movflags +faststart"),
    _film("fragments.mp4", f"{_X264} {_AAC} -movflags +empty_moov+frag_keyframe"),
    _film("hevc.mp4", f"{_FAST_HEVC} -tag:v hvc1 {_AAC}"),
    _film("mpeg4.mp4", "-c:v mpeg4 -c:a libmp3lame"),
    _film("vp9.mp4", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus"),
    _film("av1.mp4", f"-c:v libsvtav1 -preset 12 -svtav1-params lp=1 -pix_fmt yuv420p {_AAC}"),
    MOV,
    _film("prores.mov", "-c:v prores_ks -profile:v 0 -c:a pcm_s16be"),
    _film("mjpeg.mov", "-c:v mjpeg -pix_fmt yuvj420p -c:a alac"),
    _mute("qtrle.mov", "-c:v qtrle"),
    _mute("cinepak.mov", "-c:v cinepak -frames:v 4", size="160x88"),
    _mute("svq1.mov", "-c:v svq1"),
    _mute("dnxhr.mov", "-c:v dnxhd -profile:v dnxhr_lb -pix_fmt yuv422p", size="256x120"),
    MKV,
    _film("ffv1.mkv", "-c:v ffv1 -c:a flac"),
    _film("hevc10.mkv", f"{_FAST_HEVC} -pix_fmt yuv420p10le -c:a dca -strict -2 -ac 2"),
    _film("mpeg2.mkv", "-c:v mpeg2video -bf 2 -c:a mp2"),
    _film("theora.mkv", "-c:v libtheora -c:a libvorbis"),
    _film("vp8.webm", "-c:v libvpx -deadline realtime -c:a libvorbis"),
    _film("vp9.webm", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus"),
    AVI,
    _film("mjpeg.avi", "-c:v mjpeg -pix_fmt yuvj420p -c:a pcm_s16le"),
    _film("divx3.avi", "-c:v msmpeg4 -c:a libmp3lame"),
    _mute("huffyuv.avi", "-c:v huffyuv -frames:v 5"),
    _mute("raw.avi", "-c:v rawvideo -pix_fmt yuv420p -frames:v 5"),
    _film("wmv2.wmv", "-c:v wmv2 -c:a wmav2"),
    _film("wmv1.wmv", "-c:v wmv1 -c:a wmav1"),
    FLV,
    _film("sorenson.flv", "-c:v flv -c:a libmp3lame", rate=44100),
    _film("screen.flv", "-c:v flashsv -c:a nellymoser -ac 1", rate=44100),
    _film("h263.3gp", f"-c:v h263 {_AAC}", size="176x144"),
    _film("h264.3gp", f"{_X264} {_AAC}"),
    TS,
    _film("mpeg2.ts", "-c:v mpeg2video -bf 2 -c:a mp2"),
    _film("hevc.ts", f"{_FAST_HEVC} -c:a ac3"),
)
SOUNDS = (
    MP3,
    M4A,
    WAV,
    _sound("tone.w64", "-c:a pcm_s24le"),
    _sound("vorbis.ogg", "-c:a libvorbis"),
    _sound("opus.ogg", "-c:a libopus"),
    FLAC,
    _sound("tone.aac", _AAC),
    _sound("tone.ac3", "-c:a ac3"),
    _sound("tone.eac3", "-c:a eac3"),
    _sound("tone.aiff", "-c:a pcm_s16be"),
    _sound("vorbis.mka", "-c:a libvorbis"),
)
SAYS_ITS_SIZE = (".mp4", ".mov", ".3gp", ".m4a", ".mkv", ".mka", ".webm", ".avi", ".wav", ".wmv")
"""Containers in which it shows that the end is missing."""
