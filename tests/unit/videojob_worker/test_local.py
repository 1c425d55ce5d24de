"""What a person who runs a manifest without a cluster is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from videojob_worker.costs import in_words
from videojob_worker.errors import NotDoable
from videojob_worker.local import build_order, parse_folder, read_manifest, worst

GOOD = """
apiVersion: v1
kind: Secret
---
apiVersion: videojob.dev/v1alpha1
kind: VideoJob
metadata: {name: first}
spec:
  storeRef: {name: media}
  inputs: [{name: a, key: a.mp4}, {name: b, key: b.mp4}]
  steps: [{name: web, transcode: {renditions: [{height: 360}]}}]
  output: {prefix: out/}
"""


def manifest(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "job.yaml"
    path.write_text(text)
    return path


def test_a_manifest_becomes_an_order_for_all_inputs(tmp_path: Path):
    order = build_order(read_manifest(manifest(tmp_path, GOOD)), f"file://{tmp_path}")
    assert [(i.index, i.key) for i in order.inputs] == [(0, "a.mp4"), (1, "b.mp4")]
    assert order.folder is not None
    assert order.folder.path == str(tmp_path)
    assert order.output_prefix == "out/"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: Pod", "has Pod; exactly one VideoJob was wanted"),
        ("", "has nothing; exactly one VideoJob"),
        ("a: [", "is not YAML"),
        ("a: 2026-99-99", "is not YAML: month must be"),
        (GOOD.replace("v1alpha1", "v9"), "videojob.dev/v9; videojob.dev/v1alpha1 was wanted"),
        (GOOD.replace("360", "0"), r"spec\.steps\[0\]\.transcode\.renditions\[0\]\.height: .*64"),
        (GOOD.replace("storeRef", "store"), r"spec\.storeRef: Field required"),
        (GOOD.replace("name: b", "name: a"), "two inputs have the same name"),
        (GOOD.replace("transcode", "transmogrify"), r"spec\.steps\[0\]\.transmogrify"),
    ],
)
def test_a_wrong_manifest_is_explained(tmp_path: Path, text: str, message: str):
    with pytest.raises(NotDoable, match=message):
        read_manifest(manifest(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(NotDoable, match=r"none\.yaml can't be read: No such file"):
        read_manifest(tmp_path / "none.yaml")


def test_a_film_in_place_of_the_manifest_is_told(tmp_path: Path):
    (tmp_path / "film.mp4").write_bytes(b"\0\0\0\x20ftypisom\xff\xd8\x80")
    with pytest.raises(NotDoable, match=r"film\.mp4 is not text; --manifest wants the YAML"):
        read_manifest(tmp_path / "film.mp4")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("file:///a/b%20c", "/a/b c"),
        ("file://a/b", "a/b"),
        ("some/where", "some/where"),
        ("/x", "/x"),
    ],
)
def test_folders_are_urls_or_paths(text: str, path: str):
    assert parse_folder(text) == Path(path)


def test_other_urls_are_refused():
    with pytest.raises(NotDoable, match="s3://bucket is no folder"):
        parse_folder("s3://bucket")


@pytest.mark.parametrize(
    ("codes", "code"),
    [([0, 0], 0), ([0, 42], 42), ([42, 1, 0], 1), ([42, 47], 47), ([1, 143], 143)],
)
def test_the_worst_code_counts(codes: list[int], code: int):
    assert worst(codes) == code


def test_sizes_are_for_people():
    assert [in_words(n) for n in (5, 2048, 3 << 20, 5 << 30)] == [
        "5 bytes",
        "2 KiB",
        "3 MiB",
        "5.0 GiB",
    ]


TEMPLATED = GOOD.replace(
    "  steps: [{name: web, transcode: {renditions: [{height: 360}]}}]",
    '  templateRef: {kind: ClusterVideoTemplate, name: web}\n  params: {height: "144"}',
)
TEMPLATE = """
apiVersion: videojob.dev/v1alpha1
kind: ClusterVideoTemplate
metadata: {name: web}
spec:
  params: [{name: height, type: Integer, default: 720}]
  steps: [{name: web, transcode: {renditions: [{height: $(params.height)}]}}]
  limits: {maxBytes: 1Gi}
"""


def test_a_template_in_the_same_file_is_used(tmp_path: Path):
    path = manifest(tmp_path, f"{TEMPLATED}---{TEMPLATE}")
    order = build_order(read_manifest(path), f"file://{tmp_path}")
    assert order.steps[0].transcode is not None
    assert order.steps[0].transcode.renditions[0].height == 144
    assert order.limits.max_bytes == "1Gi"


def test_a_template_in_a_file_of_its_own_is_used(tmp_path: Path):
    (tmp_path / "web.yaml").write_text(TEMPLATE)
    job = read_manifest(manifest(tmp_path, TEMPLATED), [tmp_path / "web.yaml"])
    assert [step.name for step in job.spec.steps] == ["web"]


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("kind: Secret", "ClusterVideoTemplate 'web', and none of that name was given; name its"),
        (TEMPLATE.replace("name: web}", "name: other}", 1), "none of that name was given"),
        (TEMPLATE.replace("ClusterVideo", "Video"), "none of that name was given"),
        (f"{TEMPLATE}---{TEMPLATE}", "and 2 of that name was given"),
        (TEMPLATE.replace("height, type", "size, type"), "has no parameter 'height'"),
        (TEMPLATE.replace("transcode", "sharpen"), "sharpen: Extra inputs"),
    ],
)
def test_a_wrong_template_is_explained(tmp_path: Path, template: str, message: str):
    with pytest.raises(NotDoable, match=message):
        read_manifest(manifest(tmp_path, f"{TEMPLATED}---\n{template}"))
