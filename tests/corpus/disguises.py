"""What is no film, under a film's name: playlists, scripts, descriptions, archives, pictures.

The first of them want to have other files read, or a server called. Used by ``hostile``.
"""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from struct import pack

from .bases import MP4
from .specimens import Kit

UNSUPPORTED = frozenset({"UnsupportedFormat"})
Maker = Callable[[Kit], bytes]
_BOMB_BYTES = 256 << 20


def _playlist(entry: str, before: str = "") -> str:
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n{before}#EXTINF:2,\n{entry}\n#EXT-X-ENDLIST\n"


def _manifest(base: str, name: str = "canary.mp4") -> str:
    return (
        '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'profiles="urn:mpeg:dash:profile:isoff-main:2011" mediaPresentationDuration="PT1S"><Period>'
        '<AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1000">'
        f'<BaseURL>{base}</BaseURL><SegmentList duration="1"><Initialization sourceURL="{name}"/>'
        f'<SegmentURL media="{name}"/></SegmentList></Representation></AdaptationSet></Period></MPD>\n'
    )


_INCLUDING: dict[str, Callable[[str, str], str]] = {
    # from the path of a canary and the URL of a server
    "m3u8 of a file": lambda path, url: _playlist(f"file://{path}.ts"),
    "m3u8 of a bare path": lambda path, url: _playlist(f"{path}.ts"),
    "m3u8 of a relative path": lambda path, url: _playlist("../../canaries/canary.ts"),
    "m3u8 of a URL": lambda path, url: _playlist(url),
    "m3u8 with a key from a file": lambda path, url: _playlist(
        f"{path}.ts", f'#EXT-X-KEY:METHOD=AES-128,URI="file://{path}.txt"\n'
    ),
    "m3u8 with a map": lambda path, url: _playlist(f"{path}.mp4", f'#EXT-X-MAP:URI="{path}.mp4"\n'),
    "m3u8 by concat": lambda path, url: _playlist(f"concat:{path}.ts|{path}.ts"),
    "m3u8 by subfile": lambda path, url: _playlist(f"subfile,,start,0,end,9999,,:{path}.ts"),
    "m3u8 by crypto": lambda path, url: _playlist(f"crypto+file://{path}.ts"),
    "m3u8 with a mark and CRLF": lambda path, url: "\ufeff" + _playlist(url).replace("\n", "\r\n"),
    "m3u8 of playlists": lambda path, url: (
        f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{url}\n#EXT-X-STREAM-INF:BANDWIDTH=2\n{path}.ts\n"
    ),
    "DASH of a file": lambda path, url: _manifest(path.rpartition("/")[0] + "/"),
    "DASH of a URL": lambda path, url: _manifest(url.rpartition("/")[0] + "/"),
    "DASH with an entity": lambda path, url: _manifest("&x;").replace(
        "\n<MPD", f'\n<!DOCTYPE MPD [<!ENTITY x SYSTEM "file://{path}.txt">]>\n<MPD'
    ),
    "ffconcat of a file": lambda path, url: f"ffconcat version 1.0\nfile 'file:{path}.ts'\n",
    "ffconcat of a relative path": lambda path, url: (
        "ffconcat version 1.0\nfile ../../canaries/canary.ts\n"
    ),
    "ffconcat of a URL": lambda path, url: f"ffconcat version 1.0\nfile {url}\n",
    "SDP": lambda path, url: (
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
    ),
    "RTSPtext": lambda path, url: f"RTSPtext\n{url.replace('http', 'rtsp')}\n",
    "SMILtext": lambda path, url: f'SMILtext<smil><body><video src="{url}"/></body></smil>\n',
    "ASX": lambda path, url: f'<ASX version="3.0"><Entry><Ref href="{url}"/></Entry></ASX>\n',
    "PLS": lambda path, url: f"[playlist]\nFile1={url}\nFile2={path}.ts\nNumberOfEntries=2\n",
    "XSPF": lambda path, url: (
        '<?xml version="1.0"?><playlist version="1" xmlns="http://xspf.org/ns/0/"><trackList><track>'
        f"<location>{url}</location></track></trackList></playlist>\n"
    ),
    "CUE": lambda path, url: f'FILE "{path}.ts" BINARY\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n',
    "SVG": lambda path, url: (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="{url}"/></svg>\n'
    ),
    "AviSynth": lambda path, url: f'DirectShowSource("{path}.mp4")\n',
    "SAMI": lambda path, url: (
        f'<SAMI><BODY><SYNC Start=0><P><IMG SRC="{url}">Hello</P></SYNC></BODY></SAMI>\n'
    ),
    "ASS": lambda path, url: (
        "[Script Info]\nScriptType: v4.00+\n[Events]\nFormat: Layer, Start, End, Style, Text\n"
        f"Dialogue: 0,0:00:00.00,0:00:01.00,Default,{{\\fnfile://{path}.txt}}{url}\n"
    ),
    "SRT": lambda path, url: f'1\n00:00:00,000 --> 00:00:01,000\n<img src="{url}">\n',
    "WebVTT": lambda path, url: f"WEBVTT\n\n00:00.000 --> 00:01.000\n<c.{url}>x\n",
    "URL": lambda path, url: f"{url}\n",
    "a shortcut": lambda path, url: f"[InternetShortcut]\nURL=file://{path}.mp4\n",
    "HTML": lambda path, url: f'<!DOCTYPE html><meta http-equiv="refresh" content="0;url={url}">\n',
}


def _including(build: Callable[[str, str], str]) -> Maker:
    return lambda kit: build(f"{kit.canaries}/canary", kit.url).encode()


INCLUDING: dict[str, Maker] = {name: _including(build) for name, build in _INCLUDING.items()}
"""Each would read a canary or call the server, if anybody did as it says."""


@cache
def png(width: int, height: int) -> bytes:
    """One of black: a few kilobytes, however large the picture."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return pack(">I", len(body)) + kind + body + pack(">I", zlib.crc32(kind + body))

    header = pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    packer, row = zlib.compressobj(9), bytes(width + 1)
    body = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


def _zip(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in names:
            archive.writestr(name, bytes(_BOMB_BYTES // len(names)))
    return file.getvalue()


def _tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        link = tarfile.TarInfo("film.mp4")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return file.getvalue()


_GIF = (
    b"GIF89a\xff\xff\xff\xff\x80\0\0" + bytes(6) + b",\0\0\0\0\xff\xff\xff\xff\0\x02\x02\x44\x01\0;"
)
OTHERS: dict[str, Maker] = {
    "a ZIP bomb": lambda kit: _zip("film.mp4"),
    "a ZIP with a way out": lambda kit: _zip("../../canaries/canary.ts", "/etc/cron.d/x"),
    "a gzip bomb": lambda kit: gzip.compress(bytes(_BOMB_BYTES), 9),
    "an xz bomb": lambda kit: lzma.compress(bytes(_BOMB_BYTES), preset=0),
    "a tar with a link": lambda kit: _tar(),
    "a PNG bomb": lambda kit: png(16000, 16000),
    "a GIF that says it is huge": lambda kit: _GIF,
    "a film in gzip": lambda kit: gzip.compress(kit.film(MP4)),
    "a PDF": lambda kit: b"%PDF-1.7\n1 0 obj <</Type /Catalog>> endobj\n%%EOF\n",
    "a program": lambda kit: b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\0\x3e\0" + bytes(500),
    "one byte": lambda kit: b"\0",
    "zeros": lambda kit: bytes(1 << 20),
    "many zeros": lambda kit: bytes(32 << 20),
    "only sync bytes": lambda kit: b"\x47" * (1 << 20),
    "empty TS packets": lambda kit: (b"\x47\x1f\xff\x10" + b"\xff" * 184) * 20000,
}
