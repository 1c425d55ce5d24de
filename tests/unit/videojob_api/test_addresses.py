"""Which addresses a tenant's URL may lead to, however they are written."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from videojob_api.addresses import is_allowed, is_public


@pytest.mark.parametrize("text", ["93.184.215.14", "8.8.8.8", "2606:4700::6810:84e5"])
def test_the_internet_is_public(text: str) -> None:
    assert is_public(ip_address(text))


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",  # noqa: S104
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "100.100.100.200",
        "169.254.169.254",
        "168.63.129.16",
        "192.0.0.192",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff0e::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2002:a00:1::",
        "2001:0:7f00:1::",
        "fec0::1",
        "fec0::a9fe:a9fe",
        "::7f00:1",
        "::a9fe:a9fe",
        "::ffff:0:7f00:1",
        "::ffff:0:a00:1",
    ],
)
def test_everything_else_is_not(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize(
    ("text", "networks", "allowed"),
    [
        ("10.1.2.3", ["10.1.0.0/16"], True),
        ("10.2.2.3", ["10.1.0.0/16"], False),
        ("::ffff:10.1.2.3", ["10.1.0.0/16"], True),
        ("fd00::5", ["10.0.0.0/8", "fd00::/8"], True),
        ("fe80::1%eth0", [], False),
        ("8.8.8.8", ["10.0.0.0/8"], True),
    ],
)
def test_networks_can_be_allowed(text: str, networks: list[str], allowed: bool) -> None:
    assert is_allowed(text, networks) is allowed
