"""What a server's headers are good for, and where its redirects may lead."""

from __future__ import annotations

import pytest

from videojob_worker.errors import Rejected
from videojob_worker.stop import Stop
from videojob_worker.web import Web, choose_validator, follow

LATE, EARLY = "Mon, 01 Jan 2024 00:00:09 GMT", "Mon, 01 Jan 2024 00:00:08 GMT"


@pytest.mark.parametrize(
    ("headers", "validator"),
    [
        ({"ETag": '"a"'}, '"a"'),
        ({"ETag": 'W/"a"', "Last-Modified": EARLY, "Date": LATE}, ""),
        ({"Last-Modified": EARLY, "Date": LATE}, EARLY),
        ({"Last-Modified": LATE, "Date": LATE}, ""),
        ({"Last-Modified": EARLY}, ""),
        ({"Last-Modified": "yesterday", "Date": LATE}, ""),
        ({}, ""),
    ],
)
def test_ranges_are_bound_to_what_changes_with_the_bytes(headers: dict[str, str], validator: str):
    assert choose_validator(headers) == validator


@pytest.mark.parametrize(
    ("url", "location", "to"),
    [
        ("https://a.example/b/c?d", "e?f", "https://a.example/b/e?f"),
        ("https://a.example/b/c", "//z.example/", "https://z.example/"),
        ("http://a.example/", "https://z.example/x#y", "https://z.example/x"),
        ("https://a.example/", "/bücher films".encode().decode("latin-1"), "/b%C3%BCcher%20films"),
        ("https://a.example/", "/a%2Fb?sig=a%3D", "https://a.example/a%2Fb?sig=a%3D"),
    ],
)
def test_a_redirect_leads_somewhere(url: str, location: str, to: str):
    assert follow(url, location).endswith(to)


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("http://a.example/", "from https to http"),
        ("ftp://a.example/", "no http or https URL"),
        ("https://user@a.example/", "a user or a password"),
        ("https://a.example:0/", "no http or https URL"),
        ("https://a.example:99999/", "no http or https URL"),
    ],
)
def test_or_nowhere(location: str, why: str):
    with pytest.raises(Rejected, match=why) as rejected:
        follow("https://a.example/film?token=secret", location)
    assert "secret" not in str(rejected.value)


def test_what_only_looks_like_a_url_is_rejected_and_not_tried_again():
    with pytest.raises(Rejected, match=r"http://\[1:2:3\]/film is no URL"):
        Web((), Stop()).stat("http://[1:2:3]/film")
