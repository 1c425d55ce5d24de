"""VideoJobs that the CRD's rules and the models refuse in the same words.

Read by the unit tests, which ask the models, and by the end-to-end tests, which ask a real API server.
"""

from __future__ import annotations

from typing import Any

Fields = dict[str, Any]

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def a_transcode(rendition: Fields, **step: Any) -> Fields:
    renditions = [{"height": 360, **rendition}]
    return {"steps": [{"name": "web", "transcode": {**step, "renditions": renditions}}]}


def _endpoint(url: str) -> Fields:
    endpoint = {"url": url, "model": "whisper-1"}
    return {"steps": [{"name": "words", "transcribe": {"endpoint": endpoint}}]}


def _link(url: str) -> Fields:
    return {"inputs": [{"name": "in", "url": url}]}


def _nodes(**expression: Any) -> Fields:
    """In both places where nodes are chosen."""
    term = {"matchExpressions": [{"key": "zone", **expression}]}
    preferred = [{"weight": 1, "preference": term}]
    affinity = {_REQUIRED: {"nodeSelectorTerms": [term]}, _PREFERRED: preferred}
    return {"scheduling": {"affinity": {"nodeAffinity": affinity}}}


def _pods(**selector: Any) -> Fields:
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": selector}
    return {"scheduling": {"affinity": {"podAntiAffinity": {_REQUIRED: [term]}}}}


def _pods_with(**expression: Any) -> Fields:
    return _pods(matchExpressions=[{"key": "app", **expression}])


def _toleration(**fields: Any) -> Fields:
    return {"scheduling": {"tolerations": [fields]}}


_WEB, _WORDS = "spec.steps[0].transcode", "spec.steps[0].transcribe.endpoint.url"
_NODES = "spec.scheduling.affinity.nodeAffinity"
_PODS = "spec.scheduling.affinity.podAntiAffinity"
_TOLERATIONS = "spec.scheduling.tolerations[0]"
_HDR = "hdr: Keep needs bitDepth: 10 and codec HEVC or AV1"
_RATE = "maxBitrateKbps is less than bitrateKbps; raise it"
_BASE = "endpoint.url is the base of the API, without user, query or fragment, such as https://"
_LABEL = "a label's key is at most 63 letters, digits, '-', '_' and '.', and may have a domain"
_SOME = "operator In and NotIn compare with values: name at least one"
_NONE = "operator Exists and DoesNotExist look at the key alone: leave values out"
_SOMETHING = "limits.cpu must be more than 0, and limits.memory 1Mi at least"
_NUMBER = (
    "operator Gt and Lt compare with one whole number, and no other value, such as values: ['4']"
)

WRONG_SPECS: dict[str, tuple[Fields, str, str]] = {
    "hdr kept in H264": (a_transcode({}, hdr="Keep", bitDepth=10), _WEB, _HDR),
    "hdr kept in 8 bit": (a_transcode({"hdr": "Keep"}, codec="HEVC"), _WEB, _HDR),
    "hdr kept by the step, of a rendition in 8 bit": (
        a_transcode({"codec": "AV1"}, hdr="Keep", codec="HEVC", bitDepth=10),
        *(_WEB, _HDR),
    ),
    "most below average": (a_transcode({}, bitrateKbps=900, maxBitrateKbps=800), _WEB, _RATE),
    "most of the step below average of a rendition": (
        a_transcode({"bitrateKbps": 900}, maxBitrateKbps=800),
        *(_WEB, _RATE),
    ),
    "an endpoint's port": (_endpoint("https://host:99999/v1"), _WORDS, _BASE),
    "an endpoint's port of 0": (_endpoint("https://host:0/v1"), _WORDS, _BASE),
    "an endpoint's bare question mark": (_endpoint("https://host/v1?"), _WORDS, _BASE),
    "an endpoint that is not ASCII": (_endpoint("https://bücher.example/v1"), _WORDS, _BASE),
    "an endpoint with a space": (_endpoint("https://host/a b"), _WORDS, _BASE),
    "an endpoint without a host": (_endpoint("https://:443/v1"), _WORDS, _BASE),
    "an input's port": (
        _link("https://example.com:65536/a.mp4"),
        *("spec.inputs[0].url", "a port is 1 to 65535"),
    ),
    "a receiver's port": (
        {"notify": [{"url": "https://example.com:70000"}]},
        *("spec.notify[0].url", "a port is 1 to 65535"),
    ),
    "a receiver with a tab": (
        {"notify": [{"url": "https://example.com/a\vb"}]},
        *("spec.notify[0].url", "url must be a whole URL"),
    ),
    "a label of nodes": (
        {"scheduling": {"nodeSelector": {"a key": "x"}}},
        *("spec.scheduling.nodeSelector", _LABEL),
    ),
    "a long label of nodes": (
        {"scheduling": {"nodeSelector": {"a" * 64: "x"}}},
        *("spec.scheduling.nodeSelector", _LABEL),
    ),
    "a label of pods": (_pods(matchLabels={"a//b": "x"}), _PODS, _LABEL),
    "nodes in nothing": (_nodes(operator="In"), _NODES, _SOME),
    "nodes not in nothing": (_nodes(operator="NotIn", values=[]), _NODES, _SOME),
    "nodes with a value for Exists": (_nodes(operator="Exists", values=["a"]), _NODES, _NONE),
    "nodes with one for DoesNotExist": (
        _nodes(operator="DoesNotExist", values=["a"]),
        *(_NODES, _NONE),
    ),
    "nodes greater than nothing": (_nodes(operator="Gt"), _NODES, _NUMBER),
    "nodes greater than two": (_nodes(operator="Gt", values=["1", "2"]), _NODES, _NUMBER),
    "nodes less than a word": (_nodes(operator="Lt", values=["few"]), _NODES, _NUMBER),
    "pods in nothing": (_pods_with(operator="In"), _PODS, _SOME),
    "pods with a value for Exists": (_pods_with(operator="Exists", values=["a"]), _PODS, _NONE),
    "a toleration with a value for Exists": (
        _toleration(key="gpu", operator="Exists", value="a"),
        *(_TOLERATIONS, "a toleration with operator: Exists has no value"),
    ),
    "a toleration of nothing": (
        _toleration(effect="NoSchedule"),
        *(_TOLERATIONS, "a toleration without a key is of every taint"),
    ),
    "no CPU": (
        {"resources": {"requests": {"cpu": "0"}, "limits": {"cpu": "0"}}},
        *("spec.resources", _SOMETHING),
    ),
    "no memory": (
        {"resources": {"requests": {"memory": "0"}, "limits": {"memory": "0"}}},
        *("spec.resources", _SOMETHING),
    ),
    "memory in thousandths": (
        {"resources": {"requests": {"memory": "1m"}, "limits": {"memory": "512m"}}},
        *("spec.resources", _SOMETHING),
    ),
    "a toleration's time without its effect": (
        _toleration(key="gpu", tolerationSeconds=60),
        *(_TOLERATIONS, "tolerationSeconds are for effect: NoExecute"),
    ),
}
"""Each with what it changes in a VideoJob, where that is, and the words."""

RIGHT_SPECS: dict[str, Fields] = {
    "hdr kept where it can be": a_transcode({"codec": "AV1", "bitDepth": 10}, hdr="Keep"),
    "hdr kept by a profile": a_transcode({"profile": "main10"}, codec="HEVC", hdr="Keep"),
    "a profile of each depth": a_transcode({"profile": "high10"}, profile="high"),
    "AV1's profile of 10 bit": a_transcode({"bitDepth": 10}, codec="AV1", profile="main"),
    "a rendition's own codec": a_transcode(
        {"codec": "AV1", "bitDepth": 10}, profile="high", maxBitrateKbps=100
    ),
    "a rate factor for the step's rate": a_transcode(
        {"crf": 30, "maxBitrateKbps": 500}, bitrateKbps=900
    ),
    "an endpoint's address": _endpoint("http://[2001:db8::1]:65535/v1"),
    "an input's address": _link("http://[::1]:1/a%zz.mp4?a=b@c"),
    "a receiver's name": {"notify": [{"url": "https://bücher.example"}]},
    "labels": {"scheduling": {"nodeSelector": {"a.b-c.example/A_z.9": "", "b" * 63: "x"}}},
    "nodes by number": _nodes(operator="Gt", values=["4"]),
    "nodes by an empty list": _nodes(operator="Exists", values=[]),
    "pods by words": _pods_with(operator="NotIn", values=["a", "b"]),
    "every taint": _toleration(operator="Exists", value=""),
    "a taint for a while": _toleration(key="a", effect="NoExecute", tolerationSeconds=0),
}
"""What these rules must let in."""
