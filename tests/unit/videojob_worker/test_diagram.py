"""Plans as pictures."""

from __future__ import annotations

from media_builders import a_step, hls, mp4, planned

from videojob_worker.diagram import build_diagram, build_mermaid

POSTER = a_step("poster", thumbnails={"times": [1, 2.5]})
QUALITY = a_step("q", **{"from": "hls"}, quality={"metrics": ["PSNR"]})


def test_everything_hangs_together_from_the_film_to_the_files() -> None:
    (stage,) = planned(hls("hls", 720, 480), mp4("web", 480), POSTER).passes
    diagram = build_diagram(stage.graph)
    assert [diagram.boxes[name] for name in diagram.roots] == ["film #0", "film #1"]
    ends = {diagram.boxes[n] for n in diagram.boxes if not diagram.following(n)}
    assert ends == {
        *("hls/720p.mp4", "hls/480p.mp4", "hls/audio.mp4", "web/480p.mp4"),
        "poster: up to 2 pictures",
    }
    shown = list(diagram.boxes.values())
    assert len(set(shown)) == len(shown), "what is made once is drawn once"
    assert "Pick At milliseconds 1000, 2500" in shown


def test_what_is_compared_meets() -> None:
    _, second = planned(hls("hls", 720), QUALITY).passes
    diagram = build_diagram(second.graph)
    assert {diagram.boxes[name] for name in diagram.roots} == {"film #0", "720p.mp4 #0"}
    (end,) = (n for n in diagram.boxes if not diagram.following(n))
    assert diagram.boxes[end] == "Compare metric psnr, 720p-psnr.log"


def test_mermaid() -> None:
    (stage,) = planned(mp4("web", 480)).passes
    lines = build_mermaid(build_diagram(stage.graph)).splitlines()
    assert lines[0] == "flowchart LR"
    assert '  n1["film #0"]' in lines
    assert "  n1 --> n2" in lines
