"""The reports endpoint: workers POST how far they are; memory takes it and the key is queued.

An aiohttp application, served over TLS by ``__main__``. It writes nothing to the cluster: losing every
report costs the live percent. A worker is trusted with its own input only.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import TypeVar

import structlog
from aiohttp import web
from pydantic import ValidationError

from videojob_api.names import reports_audience
from videojob_api.report import MAX_REPORT_BYTES, Report

from . import metrics
from .errors import ClusterError, Gone
from .facts import is_owned_by, keep_own_outputs, parse_job_index
from .observed import Key
from .specs import parse_spec
from .tokens import Bearer, JWKSVerifier, ReviewVerifier, TokenRefusedError
from .world import World

log = structlog.get_logger()

GUESTS = 5_000
"""Workers that may keep their connections; others make one for each report. Each takes some 50 KiB."""
_READ_SECONDS = 10.0
_REMEMBERED_TOKENS = 10_000
_PERCENT_SECONDS = 1.0
_TOKEN_SECONDS = 300
_REFUSED_SECONDS = 60
_VERIFICATIONS = 4
"""Tokens checked at once, so that strangers can't take all connections to the API server."""
_BURST = 10
"""Reports that a pod may send at once; after that two a second."""
_PER_SECOND = 2.0


_STRANGERS_BURST = 30
"""Tokens not seen before that one address may show at once, so that it can't keep others waiting."""
_STRANGERS_PER_SECOND = 5.0


@dataclass
class _Allowance:
    """A bucket of what somebody may still do; it fills with time."""

    most: float
    per_second: float
    left: float
    since: float

    @classmethod
    def full(cls, most: float, per_second: float) -> _Allowance:
        return cls(most, per_second, most, time.monotonic())

    def take(self) -> bool:
        """Take one, if there is one."""
        now = time.monotonic()
        self.left = min(self.most, self.left + (now - self.since) * self.per_second)
        self.since = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


@dataclass
class _Sender:
    """A pod that has shown a good token: what it works on, and how much it may still send."""

    uid: str
    run_id: str
    attempt: int
    index: int
    verified_at: float
    allowance: _Allowance = field(default_factory=lambda: _Allowance.full(_BURST, _PER_SECOND))


_T = TypeVar("_T")


def _remember(memory: OrderedDict[str, _T], digest: str, value: _T) -> None:
    """Keep it, and of all the newest only."""
    memory[digest] = value
    while len(memory) > _REMEMBERED_TOKENS:
        memory.popitem(last=False)


class RefusedError(Exception):
    """A report that is not taken."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Reports:
    """Checks who reports, takes what is theirs."""

    def __init__(self, world: World) -> None:
        self._world = world
        offline = world.settings.reports_auth == "JWKS"
        verifier = JWKSVerifier if offline else ReviewVerifier
        self._verifier = verifier(world.cluster)
        self._verifying = asyncio.Semaphore(_VERIFICATIONS)
        self._senders: OrderedDict[str, _Sender] = OrderedDict()
        self._refused: OrderedDict[str, float] = OrderedDict()
        """When a token was refused, by its digest."""
        self._strangers: OrderedDict[str, _Allowance] = OrderedDict()
        """What addresses may still show of tokens that are not known."""

    def build_app(self) -> web.Application:
        """The HTTP application."""
        app = web.Application(client_max_size=MAX_REPORT_BYTES)
        app.router.add_post("/v1/namespaces/{namespace}/videojobs/{name}/reports", self._post)
        return app

    async def _post(self, request: web.Request) -> web.Response:
        key = Key(request.match_info["namespace"], request.match_info["name"])
        try:
            await self._take(key, request)
        except RefusedError as refused:
            metrics.REPORTS.labels(result=str(refused.status)).inc()
            return web.json_response({"message": str(refused)}, status=refused.status)
        except ClusterError as error:
            log.warning("report not taken", namespace=key.namespace, job=key.name, error=str(error))
            metrics.REPORTS.labels(result="503").inc()
            return web.json_response({"message": f"can't check the token now: {error}"}, status=503)
        metrics.REPORTS.labels(result="taken").inc()
        return web.Response(status=204)

    async def _take(self, key: Key, request: web.Request) -> None:
        if not self._world.leading.is_set():
            raise RefusedError(503, "this replica does not lead; connect again to reach the other")
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise RefusedError(401, "send the projected token as a bearer token")
        sender = await self._sender(key, token, request.remote or "")
        if not sender.allowance.take():
            raise RefusedError(429, "at most two reports a second")
        try:
            async with asyncio.timeout(_READ_SECONDS):
                text = await request.read()
            report = Report.model_validate_json(text)
        except TimeoutError:
            raise RefusedError(408, "the report did not come") from None
        except web.HTTPRequestEntityTooLarge:
            raise RefusedError(413, f"a report has at most {MAX_REPORT_BYTES} bytes") from None
        except ValidationError as error:
            raise RefusedError(400, f"not a report: {error.errors()[0]['msg']}") from None
        told = (report.run_id, report.attempt, report.index)
        if told != (sender.run_id, sender.attempt, sender.index):
            raise RefusedError(403, f"this pod works on input {sender.index} only")
        self._world.book.record(sender.uid, self._without_claims(key, sender.uid, report))
        if report.result is not None:
            self._world.queue.add(key)
        else:  # many workers may report at once, and percents are written every few seconds at most
            self._world.queue.add_after(key, _PERCENT_SECONDS)

    def _without_claims(self, key: Key, uid: str, report: Report) -> Report:
        """The report without outputs that are not its input's: none outdoes the worker's last word."""
        body = self._world.cache.videojob(key)
        if report.result is None or body is None:  # nearly always: a percent needs no manifest
            return report
        spec = parse_spec(body).spec
        if spec is None:
            return report
        result = keep_own_outputs(spec, report.index, report.result)
        claims = len(report.result.outputs) - len(result.outputs)
        # Of a run that another one is to follow, an older spec said where outputs go.
        if claims and spec.run_token == (body.get("status", {}).get("observedRunToken") or ""):
            self._world.book.count_claims(uid, report.run_id, report.index, claims)
        return report.model_copy(update={"result": result})

    async def _sender(self, key: Key, token: str, address: str) -> _Sender:
        body = self._world.cache.videojob(key)
        if body is None:
            raise RefusedError(401, "token refused: it is for no VideoJob of that name")
        uid: str = body["metadata"]["uid"]
        if not token.isascii():
            raise RefusedError(401, "token refused: it is none of Kubernetes'")
        digest = hashlib.sha256(f"{uid}/{token}".encode()).hexdigest()
        known = self._senders.get(digest)
        if known is not None and time.monotonic() - known.verified_at < _TOKEN_SECONDS:
            return known
        if known is None:
            self._admit(address)
        bearer = await self._verify(token, uid, digest)
        if bearer.namespace != key.namespace:
            raise RefusedError(403, "the token is from another namespace")
        try:
            pod = await self._world.cluster.get_pod(bearer.namespace, bearer.pod_name)
        except Gone:
            raise RefusedError(403, "that pod is gone") from None
        if pod["metadata"]["uid"] != bearer.pod_uid:
            raise RefusedError(403, "that pod is gone")
        sender = self._identify(key, uid, pod)
        if known is not None:
            sender = replace(sender, allowance=known.allowance)
        _remember(self._senders, digest, sender)
        return sender

    def _admit(self, address: str) -> None:
        """Let an address show a token that is not known yet, unless it has shown too many."""
        allowance = self._strangers.get(address)
        if allowance is None:
            allowance = _Allowance.full(_STRANGERS_BURST, _STRANGERS_PER_SECOND)
            _remember(self._strangers, address, allowance)
        if not allowance.take():
            raise RefusedError(429, "too many tokens that are not known from this address")

    async def _verify(self, token: str, uid: str, digest: str) -> Bearer:
        """Whose token it is. Few at once, and a bad one once a minute: it costs the API server."""
        if time.monotonic() - self._refused.get(digest, -_REFUSED_SECONDS) < _REFUSED_SECONDS:
            raise RefusedError(401, "token refused, as before")
        try:
            async with self._verifying:
                return await self._verifier.verify(token, reports_audience(uid))
        except TokenRefusedError as error:
            _remember(self._refused, digest, time.monotonic())
            raise RefusedError(401, f"token refused: {error}") from None

    def _identify(self, key: Key, uid: str, pod: dict[str, object]) -> _Sender:
        """Which input the pod works on; it must belong to a Job of this VideoJob."""
        for job in self._world.cache.own_jobs_of(key, uid):
            if is_owned_by(pod, job["metadata"]["uid"]):
                attempt = self._world.attempt_of(job)
                index = attempt.input_of(parse_job_index(pod)) if attempt is not None else None
                if attempt is not None and index is not None:
                    return _Sender(uid, attempt.run_id, attempt.number, index, time.monotonic())
        raise RefusedError(403, "that pod does not work for this VideoJob")
