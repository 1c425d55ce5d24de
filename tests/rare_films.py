"""Films that are rarer than those in ``assets``, and come out right all the same.

Made like those, by the same fixture. Each shows a plain field of known colour or a moving test
picture, so that a test can look at what came of it.
"""

from __future__ import annotations

from assets import AAC, X264, Clip, picture, tone

_HDR10 = (
    "hdr10=1:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)"
    "L(10000000,50):max-cll=1000,400"
)
_FIELD_OF = "-f lavfi -i color=c={colour}:size=320x180:rate=25:duration={seconds}"


def _hdr(transfer: str, parameters: str) -> str:
    """Half white paper (203 nits), half the brightest there is; in 10 bit HEVC.

    The curves say which code stands for 203 nits: 58 % of PQ, 75 % of HLG.
    """
    level = {"smpte2084": 0.58, "arib-std-b67": 0.75}[transfer]
    white = round(64 + 876 * level)
    brightest = {"smpte2084": round(64 + 876 * 0.7518), "arib-std-b67": 940}[transfer]
    luma = f"if(lt(X\\,W/2)\\,{white}\\,{brightest})"
    return (
        "-f lavfi -i color=black:size=320x180:rate=25:duration=1,format=yuv420p10le,"
        f"geq=lum='{luma}':cb=512:cr=512 -vf setparams=color_primaries=bt2020:color_trc={transfer}:"
        "colorspace=bt2020nc:range=tv -c:v libx265 -preset ultrafast -tag:v hvc1 "
        f"-x265-params log-level=error:{parameters}"
    )


_RUNNING_BAR = (
    # moves by eight pixels with each field
    "-f lavfi -i color=black:size=320x180:rate=50:duration=2,format=yuv420p,"
    "geq=lum='if(lt(mod(X-8*N+1600\\,160)\\,40)\\,235\\,16)':cb=128:cr=128"
)
PQ = Clip("pq.mp4", _hdr("smpte2084", _HDR10), 320, 180, 25, 1.0)
HLG = Clip("hlg.mp4", _hdr("arib-std-b67", "repeat-headers=1"), 320, 180, 25, 1.0)
TOP_FIRST = Clip(
    # H.264 that decides for each block whether it is two fields (MBAFF)
    "mbaff.ts",
    f"{_RUNNING_BAR} -vf tinterlace=interleave_top,fieldorder=tff {X264} "
    "-flags +ilme+ildct -x264-params tff=1",
    *(320, 180, 50, 2.0),
)
BOTTOM_FIRST = Clip(
    "bottom-first.ts",
    f"{_RUNNING_BAR} -vf tinterlace=interleave_bottom,fieldorder=bff {X264} "
    "-flags +ilme+ildct -x264-params bff=1",
    *(320, 180, 50, 2.0),
)
FULL_RANGE_H264 = Clip(
    # white and black as a phone stores them: 255 and 0
    "full-range.mp4",
    "-f lavfi -i color=white:size=320x180:rate=25:duration=1 "
    "-vf drawbox=w=160:c=black:t=fill,scale=out_range=pc,format=yuvj420p "
    "-c:v libx264 -preset ultrafast -color_range pc",
    *(320, 180, 25, 1.0),
)
CHROMA_422 = Clip(
    "422.mov", f"{picture(seconds=1)} -c:v prores_ks -pix_fmt yuv422p10le", 320, 180, 25, 1.0
)
CHROMA_444 = Clip(
    "444.mkv",
    f"{picture(seconds=1)} -c:v libx264 -preset ultrafast -pix_fmt yuv444p",
    *(320, 180, 25, 1.0),
)
RED_RGB = Clip(
    "red.mkv",
    f"{_FIELD_OF.format(colour='red', seconds=1)} -c:v ffv1 -pix_fmt gbrp",
    *(320, 180, 25, 1.0),
)
HD_THAT_SAYS_NOTHING = Clip(
    # a red of BT.709, as players take it; no word of that in the file
    "hd.mp4",
    "-f lavfi -i color=c=0xc03020:size=1280x720:rate=25:duration=1,format=gbrp -vf "
    f"scale=out_color_matrix=bt709,format=yuv420p,setparams=colorspace=unknown {X264}",
    *(1280, 720, 25, 1.0),
)
EMPTY_TRACK = Clip(
    # a sound track is declared, and nothing is in it
    "empty-track.mkv",
    f"{picture(seconds=1)} -f lavfi -i anullsrc=r=48000,atrim=end_sample=0 {X264} {AAC}",
    *(320, 180, 25, 1.0),
)
GHOST = Clip(
    # white all over; the left half can't be seen
    "ghost.mov",
    f"{_FIELD_OF.format(colour='white', seconds=1)} -vf "
    "format=rgba,geq=r=255:g=255:b=255:a='if(lt(X\\,W/2)\\,0\\,255)' -c:v qtrle -pix_fmt argb",
    *(320, 180, 25, 1.0),
)
GHOST_YUV = Clip(
    "ghost-4444.mov",
    f"{_FIELD_OF.format(colour='white', seconds=1)} -vf "
    "format=rgba,geq=r=255:g=255:b=255:a='if(lt(X\\,W/2)\\,0\\,255)' -c:v prores_ks "
    "-pix_fmt yuva444p10le",
    *(320, 180, 25, 1.0),
)
NTSC = Clip(
    "ntsc.mp4",
    f"-f lavfi -i testsrc2=size=320x180:rate=30000/1001:duration=5 {X264}",
    *(320, 180, 150, 5.005),
)
HALF_RATE = Clip(
    # 12.5 frames a second: no whole number of them lasts a second
    "half-rate.mp4",
    f"-f lavfi -i testsrc2=size=320x180:rate=25/2:duration=5 {X264}",
    *(320, 180, 63, 5.04),
)
LONG_SURROUND = Clip(
    "surround.mp4",
    f"{picture(seconds=2)} -f lavfi -i sine=r=48000:d=2,aformat=channel_layouts=5.1 {X264} "
    "-c:a aac -b:a 256k",
    *(320, 180, 50, 2.0, (6,)),
)
GREY_STEPS = Clip(
    # every frame has a grey of its own: frame n is n, so that it can be told which frame it was
    "steps.mp4",
    "-f lavfi -i color=black:size=320x180:rate=25:duration=4,format=yuv420p,"
    f"geq=lum='16+2*N':cb=128:cr=128 {tone(4)} {X264} -crf 1 {AAC} -g 50 -bf 2",
    *(320, 180, 100, 4.0, (1,)),
)
RARE = (
    *(PQ, HLG, TOP_FIRST, BOTTOM_FIRST, FULL_RANGE_H264, CHROMA_422, CHROMA_444, RED_RGB, GHOST),
    *(GHOST_YUV, NTSC, EMPTY_TRACK),
)
"""All of them that have nothing but pictures."""
