"""Synthetic films for the tests: small, made by ffmpeg on first use, each with facts about it.

``clips`` (a session fixture in ``conftest.py``) makes and keeps them. Nothing here is committed as
bytes, and nothing is larger than it must be.
"""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

X264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p"
AAC = "-c:a aac -b:a 64k"


@dataclass(frozen=True)
class Clip:
    """How a film is made, and what a probe of it must say."""

    name: str
    """File name; the suffix tells ffmpeg the container, and nobody else anything."""
    command: str
    """ffmpeg's arguments before the output, as a shell would read them."""
    width: int | None = None
    """As shown, in square pixels."""
    height: int | None = None
    frames: int | None = None
    seconds: float = 0.0
    channels: tuple[int, ...] = ()
    """Of each sound track."""
    variable: bool = False


def picture(size: str = "320x180", rate: int = 25, seconds: float = 3) -> str:
    """Arguments for a moving test picture as an input."""
    return f"-f lavfi -i testsrc2=size={size}:rate={rate}:duration={seconds}"


def tone(seconds: float = 3, frequency: int = 440) -> str:
    """Arguments for a sine as an input."""
    return f"-f lavfi -i sine=f={frequency}:r=48000:d={seconds}"


PLAIN = Clip(
    "plain.mp4",
    f"{picture('640x360', seconds=6)} {tone(6)} {X264} {AAC} -g 25 -movflags +faststart",
    *(640, 360, 150, 6.0, (1,)),
)
SMALL = Clip("small.mp4", f"{picture()} {tone()} {X264} {AAC}", 320, 180, 75, 3.0, (1,))
SILENT = Clip("silent.mp4", f"{picture()} {X264}", 320, 180, 75, 3.0)
SOUND_ONLY = Clip("sound.m4a", f"{tone()} {AAC}", seconds=3.0, channels=(1,))
SOUND_MP3 = Clip("sound.mp3", f"{tone()} -c:a libmp3lame", seconds=3.0, channels=(1,))
ODD = Clip("odd.mkv", f"{picture()} -vf scale=321:181,setsar=1 -c:v ffv1", *(321, 181, 75, 3.0))
SQUEEZED = Clip(
    # 4:3 PAL shown as 16:9
    "squeezed.mp4",
    f"{picture('360x288')} -vf setsar=64/45 {X264}",
    *(512, 288, 75, 3.0),
)
TEN_BIT = Clip(
    "ten-bit.mkv",
    f"{picture()} -c:v libx264 -preset ultrafast -pix_fmt yuv420p10le",
    *(320, 180, 75, 3.0),
)
FULL_RANGE = Clip(
    "full-range.mkv",
    f"{picture()} -vf scale=out_range=pc -pix_fmt yuvj420p -c:v mjpeg",
    *(320, 180, 75, 3.0),
)
INTERLACED = Clip(
    "interlaced.ts",
    f"{picture(rate=50)} -vf tinterlace=interleave_top,fieldorder=tff -c:v mpeg2video "
    "-flags +ilme+ildct -b:v 1M",
    *(320, 180, 75, 3.0),
)
UNEVEN = Clip(
    # every third frame is left out: distances of 40 and 80 ms
    "uneven.mp4",
    f"{picture()} {tone()} -vf \"select='mod(n,3)'\" -fps_mode vfr -enc_time_base 1/90000 "
    f"{X264} {AAC}",
    *(320, 180, 50, 3.0, (1,)),
    variable=True,
)
LANGUAGES = Clip(
    "languages.mkv",
    f"{picture()} {tone()} {tone(frequency=660)} -map 0 -map 1 -map 2 {X264} {AAC} "
    "-metadata:s:a:0 language=eng -metadata:s:a:1 language=deu "
    "-disposition:a:1 default -disposition:a:0 0",
    *(320, 180, 75, 3.0, (1, 1)),
)
SURROUND = Clip(
    "surround.mkv",
    f"{picture()} -f lavfi -i sine=r=44100:d=3,aformat=channel_layouts=5.1 {X264} -c:a ac3",
    *(320, 180, 75, 3.0, (6,)),
)
COVERED = Clip(
    # sound with a cover picture
    "covered.m4a",
    f"{tone()} -f lavfi -i color=red:size=64x64:rate=1:duration=1 -map 0 -map 1 -frames:v 1 "
    f"{AAC} -c:v mjpeg -disposition:v:0 attached_pic",
    seconds=3.0,
    channels=(1,),
)
STREAMED = Clip(
    # as a browser records: no length in the header
    "streamed.webm",
    f"{picture(seconds=2)} -c:v libvpx -deadline realtime -f webm -live 1",
    *(320, 180, 50, 2.0),
)
ONE_FRAME = Clip("one-frame.mp4", f"{picture()} -frames:v 1 {X264}", 320, 180, 1, 0.04)
LATE_PICTURE = Clip(
    # the sound begins half a second before the pictures
    "late.mkv",
    f"-itsoffset 0.5 {picture()} {tone(3.5)} {X264} {AAC}",
    *(320, 180, 75, 3.5, (1,)),
)
BLINKING = Clip(
    # black every other second
    "blinking.mp4",
    f"{picture(seconds=8)} -vf \"drawbox=c=black:t=fill:enable='lt(mod(t,2),1)'\" {X264} -g 250",
    *(320, 180, 200, 8.0),
)
GAP = Clip(
    # the timestamps jump ahead by ten hours in the middle
    "gap.mkv",
    f"{picture()} -vf \"setpts='PTS+if(gt(N,40),36000/TB,0)'\" -fps_mode vfr {X264}",
    *(320, 180, 75, 36003.0),
    variable=True,
)
_COUNTING = "-f lavfi -i color=black:size=320x180:rate=25:duration=3"
_BRIGHTER = "format=yuv420p,geq=lum='16+3*N':cb=128:cr=128"
_THREE_OF_TEN = ",select='lt(mod(n,10),3)'"
COUNTED = Clip(
    # each frame is three steps brighter than the last one
    "counted.mp4",
    f"{_COUNTING} -vf {shlex.quote(_BRIGHTER)} {X264} -crf 1",
    *(320, 180, 75, 3.0),
)
COUNTED_UNEVENLY = Clip(
    # of each ten frames the last seven are left out
    "counted-unevenly.mkv",
    f"{_COUNTING} -vf {shlex.quote(_BRIGHTER + _THREE_OF_TEN)} "
    f"-fps_mode vfr -enc_time_base 1/90000 {X264} -crf 1",
    *(320, 180, 24, 3.0),
    variable=True,
)
COUNTED_NTSC = Clip(
    # no frame but the first is shown from a whole millisecond on
    "counted-ntsc.mp4",
    f"{_COUNTING.replace('rate=25:duration=3', 'rate=30000/1001:duration=1')} "
    f"-vf {shlex.quote(_BRIGHTER)} {X264} -crf 1",
    *(320, 180, 30, 1.0),
)
MILLISECONDS = Clip(
    # frames whose times are rounded to milliseconds
    "milliseconds.mkv",
    f"{picture(seconds=2)} -r 24000/1001 {X264}",
    *(320, 180, 48, 2.0),
)
SLIGHTLY_LATE = Clip(
    # the pictures begin half a frame after the sound
    "slightly-late.mkv",
    f"-itsoffset 0.015 {picture(seconds=2)} {tone(2)} {X264} {AAC}",
    *(320, 180, 50, 2.0, (1,)),
)
SOUND_GOES_ON = Clip(
    # the pictures end after a second, and the container does not say so
    "sound-goes-on.flv",
    f"{picture(seconds=1)} {tone(4)} {X264} {AAC}",
    *(320, 180, 25, 4.0, (1,)),
)
_SCENES = (
    "[0]setsar=1[a];[1]setsar=1[b];[2]setsar=1,fade=out:st=1.2:d=0.4[c];"
    "[3]setsar=1,fade=in:st=0.2:d=0.4[d];[a][b][c][d]concat=n=4,"
    "drawbox=c=white:t=fill:enable='between(n,70,71)'"
)
SCENES = Clip(
    # cuts at frames 50 and 100, a flash at 70, a fade through black around 148
    "scenes.mp4",
    f"{picture(seconds=2)} -f lavfi -i mandelbrot=size=320x180:rate=25:end_pts=100 "
    f"-f lavfi -i smptebars=size=320x180:rate=25:d=2 -f lavfi -i testsrc=size=320x180:rate=25:d=2 "
    f"-filter_complex {shlex.quote(_SCENES.replace('[1]setsar=1', '[1]trim=end=2,setsar=1'))} {X264}",
    *(320, 180, 200, 8.0),
)
NAMED = Clip("named.mp4", f"{SMALL.command} -metadata title=secret", 320, 180, 75, 3.0, (1,))
STRANGE = Clip("strange.avi", "-f lavfi -i testsrc=d=1:s=64x64 -c:v zmbv", 64, 64, 25, 1.0)
BOMB = Clip(
    "bomb.mp4",
    "-f lavfi -i color=gray:size=15360x15360:rate=1:duration=1 -frames:v 1 -c:v libx264 "
    "-preset ultrafast -x264-params threads=1:rc-lookahead=0:bframes=0:ref=1",
    *(15360, 15360, 1, 1.0),
)
FILMS = (
    *(PLAIN, SMALL, SILENT, ODD, SQUEEZED, TEN_BIT, FULL_RANGE, INTERLACED, UNEVEN, LANGUAGES),
    *(SURROUND, STREAMED, ONE_FRAME, LATE_PICTURE),
)
"""All that have video and are fine."""


class Clips:
    """Makes films into a folder, each once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, clip: Clip) -> Path:
        """The film as a file; another command makes another one, whatever it is called."""
        path = self._folder / f"{crc32(clip.command.encode()):08x}" / clip.name
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            _ffmpeg(*shlex.split(clip.command), "-y", str(path))
        return path

    def portrait(self) -> Path:
        """SMALL, to be turned by a quarter when shown: 180x320."""
        path = self._folder / "portrait.mp4"
        if not path.exists():
            turned = ("-metadata:s:v:0", "rotate=90")
            if not _knows_rotate_tag():
                turned = ()
            before = () if turned else ("-display_rotation:v:0", "90")
            _ffmpeg(*before, "-i", str(self.path(SMALL)), "-c", "copy", *turned, "-y", str(path))
        return path

    def encrypted(self) -> Path:
        """SMALL under common encryption."""
        path = self._folder / "encrypted.mp4"
        if not path.exists():
            key = ("-encryption_key", "0" * 31 + "1", "-encryption_kid", "0" * 31 + "2")
            scheme = ("-encryption_scheme", "cenc-aes-ctr", *key)
            _ffmpeg("-i", str(self.path(SMALL)), "-c", "copy", *scheme, "-y", str(path))
        return path

    def cut(self, clip: Clip, share: float) -> Path:
        """The first part of a film's file."""
        data = self.path(clip).read_bytes()
        return self.write(f"cut-{share}-{clip.name}", data[: int(len(data) * share)])

    def scratched(self, clip: Clip) -> Path:
        """A film with some of its bytes overwritten, past the middle."""
        data = bytearray(self.path(clip).read_bytes())
        middle = len(data) // 2
        for place in range(middle, middle + len(data) // 20, 50):
            data[place] ^= 0xFF
        return self.write(f"scratched-{clip.name}", bytes(data))

    def write(self, name: str, data: bytes) -> Path:
        """Any bytes at all, under a film's name."""
        path = self._folder / name
        path.write_bytes(data)
        return path

    def without_samples(self) -> Path:
        """A whole MP4 with a track that holds nothing."""
        path = self._folder / "nothing.mp4"
        if not path.exists():
            nothing = f"{picture(seconds=1)} {X264} -movflags +empty_moov -frames:v 0"
            _ffmpeg(*shlex.split(nothing), "-y", str(path))
        return path


DISGUISED = {
    "text": b"This is not a film.\nIt is a note.\n",
    "playlist": b"#EXTM3U\n#EXT-X-TARGETDURATION:8\n#EXTINF:8,\nsecret.ts\n#EXT-X-ENDLIST\n",
    "ffconcat": b"ffconcat version 1.0\nfile secret.mp4\n",
    "DASH": b'<?xml version="1.0"?>\n<MPD><BaseURL>http://127.0.0.1/</BaseURL></MPD>\n',
    "noise": bytes(range(7, 250, 3)) * 40,
}
"""What is no film, whatever it is called."""


def _knows_rotate_tag() -> bool:
    """Until 5.1 a tag made ffmpeg write a rotation; later versions have an option."""
    version = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True, check=True)
    return version.stdout.startswith(("ffmpeg version 5.", "ffmpeg version n5."))


def _ffmpeg(*arguments: str) -> None:
    command = ["ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "error", "-threads", "2"]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"ffmpeg could not make a test film: {done.stderr}")
