"""Inputs from URLs: whole and checked whatever the server does, and only from where they may come."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bad_inputs import make_film
from range_server import serving
from web_site import Site, web_site
from worker_pod import STILLS, Pod

from videojob_api.inputs import Input
from videojob_api.reasons import RejectReason
from videojob_api.videojob import Limits
from videojob_worker import fetch as fetching
from videojob_worker import outbound
from videojob_worker.errors import EndpointUnreachable, Interrupted, NotDoable, Rejected
from videojob_worker.fetch import Source, fetch
from videojob_worker.stop import Stop
from videojob_worker.web import MAX_ATTEMPTS, MAX_REDIRECTS, Web

BODY = os.urandom(1 << 20) * 5 + b"the end"
SHA256 = hashlib.sha256(BODY).hexdigest()
HERE = ("127.0.0.1/32",)
SECRET = "X-Amz-Signature=0123456789abcdef"


@pytest.fixture(autouse=True)
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "RANGE_BYTES", 1 << 20)
    monkeypatch.setattr(Stop, "sleep", lambda stop, _: stop.check())


@pytest.fixture
def site() -> Iterator[Site]:
    with web_site(BODY) as made:
        yield made


@pytest.fixture
def get(tmp_path: Path, stop: Stop) -> Any:
    """Fetches a URL as a worker does."""

    def fetched(
        url: str, sha256: str | None = None, allowed: tuple[str, ...] = HERE, **more: Any
    ) -> Source:
        wanted = Input(name="film", url=url, sha256=sha256)
        web = Web(allowed, stop, trusts_end=sha256 is not None)
        return fetch(wanted, Limits(**more), web, tmp_path / "source")

    return fetched


def test_a_real_server_of_files(get: Any, tmp_path: Path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site/film.mp4").write_bytes(BODY)
    os.utime(tmp_path / "site/film.mp4", (1e9, 1e9))
    with serving({"/films": tmp_path / "site"}) as url:
        source = get(f"{url}/films/film.mp4", SHA256)
        with pytest.raises(Rejected) as rejected:
            get(f"{url}/films/other.mp4")
    assert (source.path.read_bytes(), source.size_bytes) == (BODY, len(BODY))
    assert source.etag
    assert rejected.value.reason is RejectReason.NOT_FOUND


def test_ranges_are_bound_to_one_etag(site: Site, get: Any):
    assert get(f"{site.url}/film").sha256 == SHA256
    assert sorted(asked for _, asked in site.seen)[0] == "bytes=0-0"
    assert len(site.seen) == 1 + 6


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
@pytest.mark.parametrize("cuts", [0, 2])
def test_without_ranges_it_comes_whole(site: Site, get: Any, framing: str, cuts: int):
    site.in_ranges, site.framing = False, framing
    looks = 1
    site.before = lambda number: setattr(site, "cuts", cuts if number == looks + 1 else site.cuts)
    if framing == "close" and cuts:
        with pytest.raises(Rejected) as rejected:  # it alone can't be told from a shorter file
            get(f"{site.url}/film", SHA256)
        assert rejected.value.reason is RejectReason.CHECKSUM_MISMATCH
        return
    source = get(f"{site.url}/film", SHA256 if framing == "close" else None)
    assert source.path.read_bytes() == BODY
    assert len(site.seen) == looks + 1 + cuts


def test_a_file_whose_end_nobody_tells_needs_a_checksum(site: Site, get: Any):
    site.in_ranges, site.framing = False, "close"
    with pytest.raises(NotDoable, match=r"does not say how long .* give inputs\[\]\.sha256"):
        get(f"{site.url}/film")


def test_a_weak_etag_binds_no_ranges(site: Site, get: Any):
    site.weak = True
    source = get(f"{site.url}/film")
    assert (source.sha256, source.etag) == (SHA256, "")
    assert [asked for _, asked in site.seen] == ["bytes=0-0", ""]


def test_a_broken_range_is_taken_up_where_it_broke(site: Site, get: Any):
    site.cuts = 4
    assert get(f"{site.url}/film").path.read_bytes() == BODY
    assert site.bytes_asked < 2 * len(BODY)


@pytest.mark.parametrize("in_ranges", [True, False])
def test_what_never_gets_whole_is_an_error(site: Site, get: Any, in_ranges: bool):
    site.in_ranges, site.cuts = in_ranges, 10_000
    if in_ranges:  # not even a byte of a range
        site.before = lambda number: site.answers.append(
            (206, {"Content-Range": "bytes 0-0/9", "ETag": site.etag})
        )
    with pytest.raises(EndpointUnreachable, match=f"tried {MAX_ATTEMPTS} times"):
        get(f"{site.url}/film")


def test_a_file_that_is_replaced_meanwhile_is_read_anew(site: Site, get: Any):
    new = BODY[::-1] + b"longer"
    site.before = lambda number: setattr(site, "body", new) if number == 4 else None
    source = get(f"{site.url}/film")
    assert source.path.read_bytes() == new


def test_a_server_that_ignores_if_range_is_found_out(site: Site, get: Any, tmp_path: Path):
    """As aiohttp's does, which knows dates only."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "film").write_bytes(BODY)
    new = BODY[::-1]
    real = Web._range

    def replace_first(self: Web, *arguments: Any) -> Any:
        if (folder / "film").read_bytes() != new:
            (folder / "film").write_bytes(new)
        return real(self, *arguments)

    with serving({"/": folder}) as url, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Web, "_range", replace_first)
        assert get(f"{url}/film").path.read_bytes() == new


def test_a_file_that_goes_away_meanwhile_is_not_found(site: Site, get: Any):
    site.before = lambda number: site.answers.append((404, {})) if number > 2 else None
    with pytest.raises(Rejected) as rejected:
        get(f"{site.url}/film")
    assert rejected.value.reason is RejectReason.NOT_FOUND


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (404, RejectReason.NOT_FOUND),
        (410, RejectReason.NOT_FOUND),
        (401, RejectReason.ACCESS_DENIED),
        (403, RejectReason.ACCESS_DENIED),
        (451, RejectReason.ACCESS_DENIED),
        (501, RejectReason.ACCESS_DENIED),
    ],
)
def test_a_refusal_is_final_and_says_why(site: Site, get: Any, status: int, reason: RejectReason):
    site.answers.append((status, {}))
    with pytest.raises(Rejected, match=f"/film.*{status}") as rejected:
        get(f"{site.url}/film?{SECRET}")
    assert rejected.value.reason is reason
    assert SECRET not in str(rejected.value)
    assert len(site.seen) == 1


def test_what_may_pass_is_tried_again(site: Site, get: Any):
    site.answers += [(522, {}), (429, {"Retry-After": "1"}), (503, {})]
    assert get(f"{site.url}/film").sha256 == SHA256
    site.answers += [(502, {})] * MAX_ATTEMPTS
    with pytest.raises(EndpointUnreachable, match="HTTP 502"):
        get(f"{site.url}/film")


def test_nobody_there_and_no_such_name(site: Site, get: Any):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(EndpointUnreachable, match="refused") as failed:
            get(f"http://127.0.0.1:{free.getsockname()[1]}/film?{SECRET}")
    assert SECRET not in str(failed.value)
    with pytest.raises(EndpointUnreachable, match="can't be resolved"):
        get("http://no-such-name.invalid/film")


@pytest.mark.parametrize(
    ("framing", "in_ranges", "limit"),
    [("length", True, "1Mi"), ("length", False, "1Mi"), ("chunked", False, "3Mi")],
)
def test_too_large_is_told_before_all_of_it_is_here(
    site: Site, get: Any, tmp_path: Path, framing: str, in_ranges: bool, limit: str
):
    site.framing, site.in_ranges = framing, in_ranges
    with pytest.raises(Rejected, match=r"raise limits\.maxBytes") as rejected:
        get(f"{site.url}/film", maxBytes=limit)
    assert rejected.value.reason is RejectReason.TOO_LARGE
    target = tmp_path / "source"
    assert not target.exists() or target.stat().st_size < len(BODY)


@pytest.mark.parametrize("in_ranges", [True, False])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_an_empty_file_is_rejected(site: Site, get: Any, in_ranges: bool, framing: str):
    site.body, site.in_ranges, site.framing = b"", in_ranges, framing
    with pytest.raises(Rejected) as rejected:
        get(f"{site.url}/film")
    assert rejected.value.reason is RejectReason.EMPTY


def test_another_checksum_is_rejected(site: Site, get: Any):
    with pytest.raises(Rejected) as rejected:
        get(f"{site.url}/film", "0" * 64)
    assert rejected.value.reason is RejectReason.CHECKSUM_MISMATCH


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "0",
        "2130706433",
        "0x7f.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "169.254.169.254",
        "10.0.0.1",
        "[fe80::1]",
        "[64:ff9b::7f00:1]",
    ],
)
def test_an_address_that_is_not_public_is_refused(get: Any, site: Site, host: str):
    port = site.url.rpartition(":")[2]
    with pytest.raises(Rejected, match=r"not a public address.*worker\.allowCidrs") as rejected:
        get(f"http://{host}:{port}/film", allowed=())
    assert rejected.value.reason is RejectReason.ADDRESS_REFUSED
    assert site.seen == []


def test_redirects_are_followed_one_by_one(site: Site, get: Any):
    with web_site(BODY, "127.0.0.2") as other:
        site.redirects |= {"/old": "/new", "/new": f"{other.url}/film?a=b#t=3"}
        source = get(f"{site.url}/old", allowed=(*HERE, "127.0.0.2/32"))
    assert source.sha256 == SHA256
    assert [path for path, _ in site.seen] == ["/old", "/new"]
    assert {path for path, _ in other.seen} == {"/film?a=b"}


@pytest.mark.parametrize(
    ("location", "reason", "why"),
    [
        ("http://127.0.0.2:{port}/film", RejectReason.ADDRESS_REFUSED, "127.0.0.2, which is not"),
        ("http://169.254.169.254/latest", RejectReason.ADDRESS_REFUSED, "169.254.169.254"),
        ("//127.0.0.2:{port}/film", RejectReason.ADDRESS_REFUSED, "127.0.0.2, which is not"),
        ("file:///etc/passwd", RejectReason.ADDRESS_REFUSED, "no http or https URL"),
        ("http://me:word@127.0.0.1/film", RejectReason.ADDRESS_REFUSED, "a user or a password"),
        ("http://[::1", RejectReason.ADDRESS_REFUSED, "no http or https URL"),
        ("", RejectReason.ADDRESS_REFUSED, "no http or https URL"),
        ("/start", RejectReason.NOT_FOUND, f"more than {MAX_REDIRECTS} times"),
    ],
)
def test_a_redirect_that_leads_where_it_may_not(
    site: Site, get: Any, location: str, reason: RejectReason, why: str
):
    with web_site(BODY, "127.0.0.2") as inside:
        port = inside.url.rpartition(":")[2]
        site.redirects["/start"] = location.format(port=port)
        with pytest.raises(Rejected, match=why) as rejected:
            get(f"{site.url}/start")
    assert rejected.value.reason is reason
    assert "word" not in str(rejected.value).replace("password", "")
    assert inside.seen == []


def test_a_link_behind_a_redirect_that_expires_is_asked_for_again(site: Site, get: Any):
    site.redirects["/start"] = "/link?1"

    def expire(number: int) -> None:
        if number == 4:  # after the redirect, the look, and one range
            site.redirects["/start"] = "/link?2"
            site.answers.append((403, {}))

    site.before = expire
    assert get(f"{site.url}/start").sha256 == SHA256
    assert [path for path, _ in site.seen].count("/start") >= 2


def test_a_name_that_changes_its_mind_gains_nothing(
    site: Site, get: Any, monkeypatch: pytest.MonkeyPatch
):
    """First an address that is allowed, then one that is not: what was looked at is connected to."""
    with web_site(BODY, "127.0.0.2") as outside:
        port = int(outside.url.rpartition(":")[2])
        answers = iter(["127.0.0.2", *["127.0.0.1"] * 100])
        asked = []

        def resolve(host: str, *_: Any, **__: Any) -> Any:
            asked.append(host)
            found = (next(answers), port)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", found)]

        with monkeypatch.context() as patch:
            patch.setattr(
                outbound, "socket", type("S", (), {"getaddrinfo": resolve, "SOCK_STREAM": 1})
            )
            url, allowed = f"http://rebinding.test:{port}/film", ("127.0.0.2/32",)
            assert get(url, allowed=allowed).sha256 == SHA256
            assert asked == ["rebinding.test"], "asked once for all of the transfer"
            with pytest.raises(Rejected, match=r"127\.0\.0\.1, which is not a public"):
                get(url, allowed=allowed)
    assert site.seen == []


def test_a_proxy_of_the_environment_is_not_used(
    site: Site, get: Any, monkeypatch: pytest.MonkeyPatch
):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert get(f"{site.url}/film").sha256 == SHA256


@pytest.mark.parametrize("in_ranges", [True, False])
def test_a_stop_ends_it(site: Site, get: Any, stop: Stop, in_ranges: bool):
    site.in_ranges = in_ranges
    site.before = lambda number: stop.request() if number == 2 else None
    with pytest.raises(Interrupted):
        get(f"{site.url}/film")


@pytest.mark.ffmpeg
def test_a_whole_worker_tells_nobody_the_query_and_skips_what_is_done(tmp_path: Path):
    (tmp_path / "store").mkdir()
    make_film(tmp_path / "film.mp4", seconds=1, size="256x144")
    with web_site((tmp_path / "film.mp4").read_bytes()) as site:
        source = {"index": 0, "name": "in-0", "url": f"{site.url}/film.mp4?{SECRET}"}
        order = {"inputs": [source], "allowedNetworks": list(HERE), "steps": [STILLS]}
        pod = Pod(tmp_path, order={**order, "ifExists": "Skip"})
        process = pod.start()
        said = "".join(process.communicate(timeout=60))
        assert process.returncode == 0, said
        first = pod.run()
        looks = len(site.seen)
        source["url"], source["sha256"] = f"{site.url}/film.mp4?other", first_sum(tmp_path)
        pod.run()
    left = [said, (tmp_path / "message").read_text()]
    left += [p.read_text(errors="replace") for p in (tmp_path / "store").rglob("*") if p.is_file()]
    assert not any(SECRET in text for text in left)
    assert f"{site.url}/film.mp4?…" in (tmp_path / "store/out/in-0/manifest.json").read_text()
    assert first.exit_code == 0
    assert len(site.seen) == looks + 1, "a look at it, and no more"


def first_sum(folder: Path) -> str:
    return hashlib.sha256((folder / "film.mp4").read_bytes()).hexdigest()
