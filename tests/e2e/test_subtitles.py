"""Subtitles on the cluster, by a real model on a volume, in the image that the steps ask for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import bucket
import images
import places
import pytest
import yaml
from minio import Minio
from on_cluster import Kubectl, a_videojob, offered, published, this_machine, upload
from speaking import MODEL_SHA256, SENTENCES, a_talk, model_folder, word_error_rate
from whisper_server import KEY, Fault, serve_whisper

EXAMPLE = places.REPOSITORY / "examples" / "39-subtitles" / "videojob.yaml"
# What each flavour has, and what it must do without.
IMPORTS = {
    "worker": ("cv2 minio", "av faster_whisper torch"),
    "worker-speech": ("cv2 minio faster_whisper onnxruntime", "torch"),
    "worker-gpu": ("cv2 minio faster_whisper torch", ""),
}
CHECK = """
import importlib, importlib.util, sys, types
there, not_there = (argument.split() for argument in sys.argv[1:])
from videojob_worker.steps.transcribe import TranscribeKind
if "faster_whisper" in there:
    from videojob_worker.speech.local import _libraries
    assert importlib.util.find_spec("av") is None, "PyAV is there"
    _libraries()
    there.remove("faster_whisper")
for name in there: importlib.import_module(name)
found = [name for name in not_there if importlib.util.find_spec(name)]
assert not found, found
print("as it should be")
"""


@pytest.fixture
def talk(media: Minio, tmp_path: Path) -> str:
    """The key of a film in which somebody speaks."""
    return upload(media, a_talk(tmp_path / "talk.mp4"), "uploads/talk.mp4")


def test_the_example_has_its_words_everywhere(kube: Kubectl, media: Minio, talk: str) -> None:
    images.ensure_loaded("worker-speech")
    body: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text())
    prefix = body["spec"]["output"]["prefix"] = f"results/{kube.namespace}/"
    body["spec"]["steps"] += [
        {"name": "mask", "audioMask": {"level": "Strong"}},
        {
            "name": "heard",
            "from": "mask",
            "transcribe": {**body["spec"]["steps"][0]["transcribe"], "comparedWith": "words"},
        },
    ]
    with offered(kube, "whisper-models") as folder:
        shutil.copytree(model_folder(), folder / "small")
        other = {**body["spec"]["steps"][0]["transcribe"]["model"], "sha256": "0" * 64}
        words = {"name": "words", "transcribe": {"model": other}}
        kube.apply(body, a_videojob("another-model", talk, steps=[words]))
        status = kube.wait_end("subtitles", seconds=240)
        refused = kube.wait_end("another-model")
    assert status["phase"] == "Succeeded", status
    assert refused["phase"] == "Failed"
    assert MODEL_SHA256 in refused["message"], refused
    assert [w for w in status.get("warnings", ()) if w["step"] == "words"] == []
    (job, _) = sorted(kube.items("jobs"), key=lambda j: "another" in j["metadata"]["name"])
    assert job["metadata"]["annotations"]["videojob.dev/worker-flavour"] == "speech"
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["image"] == images.reference("worker-speech")

    def read(name: str) -> bytes:
        return bytes(media.get_object(bucket.BUCKET, f"{prefix}talk/{name}").read())

    text = read("words/transcript.txt").decode()
    assert word_error_rate(" ".join(SENTENCES), text) <= 0.2, text
    measured = json.loads(read("manifest.json"))["measured"]
    told, heard = measured["words"], measured["heard"]["wordErrors"]
    assert (heard["against"], heard["rate"] > 0.4) == ("words", True)
    assert (told["language"], told["recogniser"]["sha256"]) == ("en", MODEL_SHA256)
    assert b'TYPE=SUBTITLES,GROUP-ID="subtitles",LANGUAGE="en"' in read("tv/master.m3u8")
    assert b"transcript.vtt" in read("tv/manifest.mpd")
    assert read("tv/transcript.vtt") == read("words/transcript.vtt")
    assert {f"{prefix}talk/words/transcript.{s}" for s in ("vtt", "srt", "txt", "json")} <= (
        published(media, prefix)
    )


def test_without_a_model_the_film_comes_all_the_same(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    images.ensure_loaded("worker-speech")
    words = {"name": "words", "transcribe": {}, "onError": "Continue"}
    poster = {"name": "poster", "thumbnails": {"count": 1}}
    kube.apply(a_videojob("mute", clip, steps=[words, poster]))
    status = kube.wait_end("mute")
    assert status["phase"] == "Succeeded", status
    assert {output["step"] for output in status["outputs"]} == {"poster"}
    (warning,) = status["warnings"]
    told = (warning["input"], warning["step"], warning["reason"])
    assert told == ("in0", "words", "StepFailed")
    assert "build the image with one" in warning["message"].lower()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"name": "a", "transcribe": {}}, "subtitlesFrom must name an earlier transcribe step"),
        ({"name": "words", "transcribe": {"formats": ["SRT"]}}, "with VTT among its formats"),
        ({"name": "words", "transcribe": {"comparedWith": "words"}}, "comparedWith must name an"),
    ],
)
def test_subtitles_from_nowhere_are_refused(
    kube_readonly: Kubectl, words: dict[str, Any], says: str
) -> None:
    web = {"name": "web", "transcode": {"renditions": [{"height": 90}], "subtitlesFrom": "words"}}
    refused = kube_readonly.run(
        *("apply", "--dry-run=server", "-f", "-"),
        stdin=yaml.safe_dump(a_videojob("x", "key.mp4", steps=[words, web])),
    )
    assert refused.returncode != 0
    assert says in refused.stderr


@pytest.mark.parametrize(
    "image",
    ["worker", "worker-speech", pytest.param("worker-gpu", marks=pytest.mark.large)],
)
def test_an_image_has_what_its_flavour_says(kube: Kubectl, image: str) -> None:
    reference = images.ensure_loaded(image)
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container = {
        "name": "worker",
        "image": reference,
        "imagePullPolicy": "Never",
        "command": ["/opt/videojob/bin/python", "-c", CHECK, *IMPORTS[image]],
        "securityContext": {**security, "readOnlyRootFilesystem": True},
    }
    kube.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "look"},
            "spec": {
                "restartPolicy": "Never",
                "securityContext": {
                    "runAsNonRoot": True,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [container],
            },
        }
    )
    done = kube.run("wait", "pod/look", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=90s")
    said = kube.run("logs", "look").stdout
    assert done.returncode == 0, said
    assert "as it should be" in said


def test_a_server_is_asked_as_the_step_says(kube: Kubectl, media: Minio, talk: str) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "whisper"},
        "stringData": {"token": KEY},
    }
    prompt, prefix = "The fox Reynard jumps.", f"results/{kube.namespace}/"
    body: dict[str, Any] = yaml.safe_load((EXAMPLE.parent / "by-endpoint.yaml").read_text())
    words = body["spec"]["steps"][0]["transcribe"]
    endpoint = words["endpoint"]
    endpoint |= {"model": "whisper-of-the-tests", "secretRef": {"name": "whisper", "key": "token"}}
    words |= {"prompt": prompt, "formats": ["TXT"]}
    with serve_whisper(this_machine(kube)) as server:
        endpoint |= {"url": server.url, "maxBytes": "330k"}
        hasty = [{"name": "words", "transcribe": {"endpoint": {**endpoint, "timeoutSeconds": 5}}}]
        server.faults += [Fault(500, after_seconds=60)] * 2
        kube.apply(secret, a_videojob("hasty", talk, steps=hasty))
        kube.wait("hasty", lambda _: len(server.asked) >= 2)
        assert server.asked[1] - server.asked[0] < 45, "an answer was waited for as long as it took"
        kube.ok("delete", "videojob", "hasty")
        server.faults.clear(), server.sizes.clear(), server.fields.clear()
        kube.apply(a_videojob("asked", talk, prefix=prefix, steps=body["spec"]["steps"]))
        status = kube.wait_end("asked", seconds=240)
    assert status["phase"] == "Succeeded", status["message"]
    text = media.get_object(bucket.BUCKET, f"{prefix}in0/words/transcript.txt").read().decode()
    assert word_error_rate(" ".join(SENTENCES), text) <= 0.3, text
    assert published(media, f"{prefix}in0/words/") == {f"{prefix}in0/words/transcript.txt"}
    assert len(server.sizes) >= 2, "it was not cut in pieces"
    assert max(server.sizes) <= 330_000
    mine = [said for said in server.fields if "prompt" in said]
    assert len(mine) >= 2
    for said in mine:
        assert (said["model"], said["language"]) == ("whisper-of-the-tests", "en")
        assert said["prompt"].startswith(prompt)
