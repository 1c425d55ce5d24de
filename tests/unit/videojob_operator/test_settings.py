"""Environment → settings, or the variable that is wrong."""

from __future__ import annotations

import pytest

from videojob_api.addresses import is_allowed
from videojob_operator.settings import Settings


def test_an_empty_environment_gives_the_defaults() -> None:
    assert Settings.from_environment({}) == Settings(
        namespace="default",
        reports_url="",
        reports_port=8443,
        reports_auth="TokenReview",
        http_port=8080,
        concurrency=20,
        accelerator_assume=False,
        read_nodes=True,
        children_keep_seconds=3600,
        leader_elect=False,
    )


def test_every_kind_of_setting_is_read() -> None:
    settings = Settings.from_environment(
        {
            "VIDEOJOB_WORKER_IMAGE": "registry/worker:1",
            "VIDEOJOB_CONCURRENCY": "7",
            "VIDEOJOB_LEADER_ELECT": "True",
            "VIDEOJOB_READ_NODES": "false",
            "VIDEOJOB_WATCH_NAMESPACES": "one, two,,",
            "VIDEOJOB_SOMETHING_ELSE": "x",
            "HOME": "/root",
        }
    )
    assert settings == Settings(
        worker_image="registry/worker:1",
        concurrency=7,
        leader_elect=True,
        read_nodes=False,
        watch_namespaces=("one", "two"),
    )


def test_an_empty_list_is_the_whole_cluster() -> None:
    assert Settings.from_environment({"VIDEOJOB_WATCH_NAMESPACES": ""}).watch_namespaces == ()


@pytest.mark.parametrize(
    ("variable", "text", "wanted"),
    [
        ("VIDEOJOB_CONCURRENCY", "many", "write a whole number"),
        ("VIDEOJOB_CONCURRENCY", "-1", "write a whole number"),
        ("VIDEOJOB_HTTP_PORT", "", "write a whole number"),
        ("VIDEOJOB_LEADER_ELECT", "yes", "write true or false"),
        ("VIDEOJOB_READ_NODES", "1", "write true or false"),
    ],
)
def test_a_wrong_value_is_named_with_what_to_write(variable: str, text: str, wanted: str) -> None:
    with pytest.raises(ValueError, match=f"{variable} is '{text}'; {wanted}"):
        Settings.from_environment({variable: text})


def test_a_network_that_is_none_is_named() -> None:
    with pytest.raises(ValueError, match=r"VIDEOJOB_NOTIFY_ALLOW_CIDRS has '10\.0\.0\.0/33': "):
        Settings.from_environment({"VIDEOJOB_NOTIFY_ALLOW_CIDRS": "fd00::/8, 10.0.0.0/33"})


def test_a_network_may_be_named_by_any_of_its_addresses() -> None:
    settings = Settings.from_environment({"VIDEOJOB_NOTIFY_ALLOW_CIDRS": "10.1.2.3/8"})
    assert is_allowed("10.9.9.9", settings.notify_allow_cidrs)


def test_what_workers_pods_get_is_read_from_json() -> None:
    text = '{"nodeSelector": {"pool": "batch"}, "gpuRuntimeClassName": "nvidia"}'
    defaults = Settings.from_environment({"VIDEOJOB_WORKER_POD_DEFAULTS": text}).worker_pod_defaults
    assert defaults.node_selector == {"pool": "batch"}
    assert defaults.gpu_runtime_class_name == "nvidia"


def test_what_workers_pods_can_not_get_is_named() -> None:
    with pytest.raises(ValueError, match=r"VIDEOJOB_WORKER_POD_DEFAULTS: hostNetwork: Extra"):
        Settings.from_environment({"VIDEOJOB_WORKER_POD_DEFAULTS": '{"hostNetwork": true}'})
