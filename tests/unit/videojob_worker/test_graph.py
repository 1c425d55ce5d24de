"""What is shared in a graph, and what is not."""

from __future__ import annotations

from pathlib import Path

from media_builders import a_film, an_audio

from videojob_api.steps.encoding import VideoSettings, settle
from videojob_worker.graph import Container, File, Graph, source_programme
from videojob_worker.media import Size
from videojob_worker.nodes import PLAIN, Conform, Filtered, Scale
from videojob_worker.sounds import AudioCodec, AudioEncoding
from videojob_worker.video import Picture, VideoEncoding

FILM = a_film(audio=(an_audio(),))
SETTINGS = settle(VideoSettings(), VideoSettings())
HD, SD = Size(1280, 720), Size(854, 480)


def an_encoding(picture: Picture, size: Size) -> VideoEncoding:
    return VideoEncoding(picture, size, SETTINGS, PLAIN, gop_seconds=4, frame_rate=None)


def a_graph(*encodings: VideoEncoding | AudioEncoding) -> Graph:
    graph = Graph(FILM)
    for number, encoding in enumerate(encodings):
        graph.add_file(File(Path(f"{number}.mp4"), Container.FASTSTART_MP4, (encoding,)))
    return graph


def test_each_size_comes_from_the_next_larger_one_of_the_same_pictures() -> None:
    picture = source_programme(FILM).picture
    assert picture is not None
    large, small = an_encoding(picture, HD), an_encoding(picture, SD)
    graph = a_graph(small, large)
    conformed = Filtered(Conform(HD, converts=True), (picture.node,))
    assert graph.node_of(large) == conformed
    assert graph.node_of(small) == Filtered(Scale(SD), (conformed,))


def test_other_pictures_have_a_cascade_of_their_own() -> None:
    source = source_programme(FILM).picture
    assert source is not None
    other = Picture(Filtered(Conform(HD, converts=True), (source.node,)), HD, conformed=True)
    graph = a_graph(an_encoding(source, SD), an_encoding(other, HD), an_encoding(other, SD))
    of_source, at_size, of_other = graph.ends
    assert of_source == Filtered(Conform(SD, converts=True), (source.node,))
    assert at_size == other.node
    assert of_other == Filtered(Scale(SD), (other.node,))


def test_copies_pass_by_all_nodes() -> None:
    (sound,) = source_programme(FILM).sounds
    graph = a_graph(
        AudioEncoding(sound, AudioCodec.COPY, 2), AudioEncoding(sound, AudioCodec.AAC, 2, 128)
    )
    assert graph.ends == (sound.node,)
    assert sound.untouched
