"""Jobs from templates on the real cluster: waited for, kept, refused with a sentence, from a chart."""

from __future__ import annotations

import secrets
from typing import Any

import places
import pytest
import yaml
from assets import SMALL, Clips
from minio import Minio
from on_cluster import Kubectl, a_videojob, published, upload

EXAMPLE = places.REPOSITORY / "examples" / "20-template"


def the_template() -> dict[str, Any]:
    body: dict[str, Any] = yaml.safe_load((EXAMPLE / "template.yaml").read_text())
    return body


def the_job() -> dict[str, Any]:
    body: dict[str, Any] = yaml.safe_load((EXAMPLE / "videojob.yaml").read_text())
    body["spec"]["output"]["prefix"] = f"results/{secrets.token_hex(4)}/"
    return body


def a_job_from(ref: dict[str, str], key: str, **params: str) -> dict[str, Any]:
    body = a_videojob("templated", key, templateRef=ref, params=params)
    del body["spec"]["steps"]
    return body


def accepted(status: dict[str, Any]) -> tuple[str, str]:
    for condition in status.get("conditions", []):
        if condition["type"] == "Accepted":
            return condition["status"], condition["reason"]
    return "", ""


def test_the_example_waits_for_its_template_and_keeps_what_it_took(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    kube.apply(the_job())
    status = kube.wait("lecture-1", lambda s: accepted(s)[0] == "False", seconds=20)
    assert (status["phase"], accepted(status)[1]) == ("Pending", "TemplateNotFound")
    assert "There is no VideoTemplate 'lecture' in namespace" in status["message"]
    assert kube.items("jobs") == []

    template = the_template()
    kube.apply(template)
    kube.wait("lecture-1", lambda s: "template" in s, seconds=20)
    template["spec"]["steps"] = [{"name": "film", "thumbnails": {"count": 1}}]
    kube.apply(template)

    status = kube.wait_end("lecture-1")
    assert status["phase"] == "Succeeded", status
    taken = status["template"]
    assert (taken["kind"], taken["name"], taken["generation"]) == ("VideoTemplate", "lecture", 1)
    assert [r["height"] for r in taken["steps"][0]["transcode"]["renditions"]] == [480, 360]
    made = {output["key"].split("/bunny/")[1] for output in status["outputs"]}
    assert {"film/480p.mp4", "film/360p.mp4", "pictures/contact-sheet.jpg"} <= made


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"height": "9000"}, "params.height is '9000'; wanted is one of 480, 720, 1080"),
        ({"heigth": "480"}, "VideoTemplate 'lecture' has no parameter 'heigth' (it has: height, "),
    ],
    ids=["out of bounds", "unknown"],
)
def test_wrong_params_end_a_job_with_the_sentence(
    kube: Kubectl, params: dict[str, str], sentence: str
) -> None:
    kube.apply(the_template(), a_job_from({"name": "lecture"}, "uploads/a.mp4", **params))
    status = kube.wait_end("templated", seconds=20)
    assert status["phase"] == "Failed"
    assert accepted(status) == ("False", "InvalidParams")
    assert status["message"].startswith(sentence)
    assert kube.items("jobs") == []


def a_template(name: str, **spec: Any) -> dict[str, Any]:
    body = the_template()
    body["metadata"]["name"] = name
    poster = [{"name": "poster", "thumbnails": {"count": 1}}]
    body["spec"] = {"steps": poster, **spec}
    return body


def test_every_bound_of_a_parameter_is_held_and_told(kube: Kubectl) -> None:
    template, job = yaml.safe_load_all((EXAMPLE / "bounds.yaml").read_text())
    kube.apply(template)
    assert template["spec"]["description"] in kube.ok("get", "videotemplates")
    logo = "assets/a.png"
    wrong: dict[str, tuple[dict[str, str], str]] = {
        "missing": ({}, "needs the parameter 'logo' (Key of the logo.); set params.logo to"),
        "low": ({"logo": logo, "height": "239"}, "wanted is a whole number of at least 240"),
        "high": ({"logo": logo, "height": "1081"}, "of at most 1080"),
        "faint": ({"logo": logo, "opacity": "0.1"}, "wanted is a number of at least 0.2"),
        "long": ({"logo": f"assets/{'a' * 54}.png"}, "wanted is a text of at most 64"),
        "elsewhere": ({"logo": "/etc/passwd"}, r"that matches ^assets/[a-z0-9-]+\.png$"),
    }
    for name, (given, _) in wrong.items():
        job["metadata"]["name"], job["spec"]["params"] = name, given
        kube.apply(job)
    for name, (_, sentence) in wrong.items():
        status = kube.wait_end(name, seconds=20)
        assert accepted(status) == ("False", "InvalidParams"), name
        assert sentence in status["message"], name
    assert kube.items("jobs") == []


def resources_of(kube: Kubectl, name: str) -> dict[str, Any]:
    """What the workers of a VideoJob ask for."""
    (job,) = (j for j in kube.items("jobs") if name in j["metadata"]["name"])
    found: dict[str, Any] = job["spec"]["template"]["spec"]["containers"][0]["resources"]
    return found


def test_what_a_template_brings_besides_steps_is_what_workers_get(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    gpu = {"mode": "Required", "resourceName": "example.com/mig-1g", "count": 3}
    asked = {
        "requests": {"cpu": "150m", "memory": "300Mi"},
        "limits": {"cpu": "1500m", "memory": "1Gi"},
    }
    claim = {"name": "slice", "resourceClaimTemplateName": "nobody-has-it"}
    by_claim = {"mode": "Auto", "resourceClaims": [claim], "fallbackAfterSeconds": 2}
    small = [{"name": "web", "transcode": {"renditions": [{"height": 90}], "preset": "ultrafast"}}]
    templates = {
        "whole": {"accelerator": gpu, "resources": asked, "steps": small},
        "claimed": {"accelerator": by_claim, "steps": small},
        "held": {"accelerator": {"mode": "Required", "resourceClaims": [claim]}, "steps": small},
        "bytes": {"limits": {"maxBytes": "1Ki"}},
        "seconds": {"limits": {"maxDurationSeconds": 1}},
        "pixels": {"limits": {"maxPixels": 4096}},
    }
    for name, spec in templates.items():
        body = a_job_from({"name": name}, clip)
        body["metadata"]["name"] = name
        kube.apply(a_template(name, **spec), body)

    status = kube.wait("whole", lambda s: "example.com/mig-1g" in s.get("message", ""), seconds=30)
    assert status["template"]["accelerator"] | gpu == status["template"]["accelerator"]
    assert status["template"]["resources"]["requests"] == asked["requests"]
    resources = resources_of(kube, "whole")
    assert resources["limits"]["example.com/mig-1g"] == "3"
    for kind, amounts in asked.items():
        assert amounts.items() <= resources[kind].items()

    for name, reason in (
        ("bytes", "TooLarge"),
        ("seconds", "TooLong"),
        ("pixels", "TooManyPixels"),
    ):
        status = kube.wait_end(name)
        assert status["inputs"][0]["reason"] == reason
        assert (
            status["template"]["limits"] | templates[name]["limits"]
            == (status["template"]["limits"])
        )
    kube.wait("held", lambda s: "No device" in s.get("message", ""), seconds=30)
    assert resources_of(kube, "held")["claims"] == [{"name": "slice"}]
    status = kube.wait_end("claimed")
    assert status["phase"] == "Succeeded", status
    assert status["accelerator"] == {
        "requested": "Auto ResourceClaim nobody-has-it",
        "used": "CPU",
        "reason": "FallbackAfterWait",
    }


def test_a_preset_of_the_chart_is_there_for_every_namespace(
    kube: Kubectl, media: Minio, clip: str, presets: str
) -> None:
    ref = {"kind": "ClusterVideoTemplate", "name": f"{presets}podcast-audio"}
    kube.apply(a_job_from(ref, clip, bitrateKbps="64"))
    status = kube.wait_end("templated")
    assert status["phase"] == "Succeeded", status
    assert status["template"]["kind"] == "ClusterVideoTemplate"
    assert status["template"]["limits"]["maxDurationSeconds"] == 43200
    assert status["template"]["steps"][0]["extractAudio"]["bitrateKbps"] == 64
    assert [output["name"] for output in status["outputs"]] == ["audio.m4a"]
    limits = resources_of(kube, "templated")["limits"]
    assert limits == {"cpu": "2", "memory": "1Gi"}


PRESETS: dict[str, tuple[dict[str, str], set[str]]] = {
    "archive": (
        {"pictures": "6"},
        {"master/180p.mp4", "sound/audio.m4a", "pictures/0006.jpg", "pictures/contact-sheet.jpg"},
    ),
    "social-clip": ({}, {"clip/180p.mp4", "cover/0001.jpg"}),
    "protected-publication": (
        {"report": "false"},  # which needs the image that has torch
        {"stream/master.m3u8", "stream/180p.mp4", "pictures/0006.jpg"},
    ),
}
"""Those that no example runs: params, and some of what they make of a small film."""


def test_each_preset_makes_of_a_film_what_it_says(
    kube: Kubectl, media: Minio, clips: Clips, presets: str
) -> None:
    film = upload(media, clips.path(SMALL))
    prefix = f"results/{kube.namespace}/"
    for name, (params, _) in PRESETS.items():
        ref = {"kind": "ClusterVideoTemplate", "name": f"{presets}{name}"}
        body = a_job_from(ref, film, **params)
        body["metadata"]["name"] = name
        body["spec"]["output"]["prefix"] = f"{prefix}{name}/"
        # The presets are for large films: a node of a test has not so much at once.
        body["spec"]["resources"] = {"limits": {"cpu": "1", "memory": "1Gi"}}
        kube.apply(body)
    for name, (_, made) in PRESETS.items():
        status = kube.wait_end(name, seconds=180)
        assert status["phase"] == "Succeeded", status
        place = f"{prefix}{name}/in0/"
        assert made <= {key.removeprefix(place) for key in published(media, place)}, name


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"serviceAccountName": "admin"}, 'unknown field "spec.serviceAccountName"'),
        ({"securityContext": {"privileged": True}}, 'unknown field "spec.securityContext"'),
        ({"volumes": [{"hostPath": {"path": "/"}}]}, 'unknown field "spec.volumes"'),
        ({"scheduling": {"nodeName": "master"}}, 'unknown field "spec.scheduling"'),
        (
            {"resources": {"limits": {"cpu": "1", "nvidia.com/gpu": "8"}}},
            'unknown field "spec.resources.limits.nvidia.com/gpu"',
        ),
        ({"steps": [{"name": "a", "sharpen": {}}]}, 'unknown field "spec.steps[0].sharpen"'),
        (
            {"steps": [{"name": "a", "transcode": {"renditions": [{"height": 9}]}}]},
            "renditions[0].height in body should be greater than or equal to 64",
        ),
        (
            {"steps": [{"name": "a", "transcode": {"packaging": "DVD", "renditions": []}}]},
            "packaging in body should match",
        ),
        ({"steps": [{"name": "a"}]}, "a step has a name and exactly one kind"),
        ({"params": [{"name": "a", "minimum": 3}]}, "are for parameters of type Integer or Number"),
        (
            {"params": [{"name": f"p{i}", "pattern": "a"} for i in range(9)]},
            "more than 8 params have a pattern; use enum or maxLength",
        ),
        (
            {"steps": [{"name": "a", "from": "nowhere", "thumbnails": {"count": 1}}]},
            "`from` must name an earlier step that yields video",
        ),
        (
            {"steps": [{"name": "q", "quality": {}}]},
            "name the transcode that makes them in its `from`",
        ),
    ],
    ids=[
        "an account",
        "privileges",
        "a host path",
        "a node",
        "devices",
        "unknown step",
        "bounds",
        "unknown word",
        "no kind",
        "bounds of a text",
        "nine patterns",
        "from a missing step",
        "quality of nothing",
    ],
)
def test_a_wrong_template_is_refused(
    kube_readonly: Kubectl, change: dict[str, Any], wanted: str
) -> None:
    body = the_template()
    body["spec"].update(change)
    done = kube_readonly.run("apply", "-f", "-", stdin=yaml.safe_dump(body))
    assert done.returncode != 0, "the API server took it"
    assert wanted in done.stderr
