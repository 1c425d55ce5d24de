"""Addresses: which of them a URL that a tenant wrote may lead to, and what of it may be shown.

Pure. Whoever connects on a tenant's behalf asks here about the very address that it connects to.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address

_CARRYING_IPV4 = tuple(
    IPv6Network(network)
    for network in (
        "64:ff9b::/96",  # NAT64
        "::/96",  # IPv4-compatible, as of old
        "::ffff:0:0:0/96",  # IPv4-translated (SIIT)
    )
)
"""The last 32 bits of their addresses are one of IPv4."""
_INFRASTRUCTURE = (
    IPv4Network("168.63.129.16/32"),
    IPv4Network("192.0.0.0/24"),
    IPv6Network("fec0::/10"),
)
"""Public by number (to some versions of Python), yet a cloud's own machinery, or of one site."""


def is_public(address: Address) -> bool:
    """Whether it is an ordinary address of the Internet, by whatever notation it is reached."""
    return all(
        one.is_global
        and not one.is_multicast
        and not any(one in network for network in _INFRASTRUCTURE)
        for one in (address, *_embedded(address))
    )


def is_allowed(text: str, networks: Iterable[str]) -> bool:
    """Whether a connection to an address is allowed: it is public, or in one of the networks.

    Args:
        text: the address, perhaps with an IPv6 zone.
        networks: CIDRs that are allowed though they are not public.
    """
    address = ip_address(text.partition("%")[0])
    named = (address, *_embedded(address))
    allowed = [ip_network(network, strict=False) for network in networks]
    return is_public(address) or any(one in network for one in named for network in allowed)


def redact(url: str) -> str:
    """The URL as it may be shown: a query can be a signature, and so a credential."""
    shown, mark, _ = url.partition("?")
    scheme, _, rest = shown.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}" + ("?…" if mark else "")


def _embedded(address: Address) -> list[Address]:
    """The IPv4 addresses that an IPv6 address stands for."""
    if isinstance(address, IPv4Address):
        return []
    found: list[Address] = []
    if address.ipv4_mapped:
        found.append(address.ipv4_mapped)
    if address.sixtofour:
        found.append(address.sixtofour)
    if address.teredo:
        found.extend(address.teredo)
    if any(address in network for network in _CARRYING_IPV4):
        found.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return found
