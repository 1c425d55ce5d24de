"""The courier: delivers notifications beside the loop, so that a slow receiver delays no job.

Started by act, asked by observe. It remembers what the status does not say yet, and nothing else: after
a restart the status tells which letters are still to be delivered. Only a leader acts, so only a leader
delivers.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime

import structlog
from standardwebhooks import Webhook

from videojob_api.status import VideoJobStatus

from . import metrics
from .cloud_event import CONTENT_TYPE, build_cloud_event
from .cluster import Cluster
from .errors import ClusterError, Forbidden, Gone
from .observed import Deliver, Delivery, Key, Letter, Observed
from .settings import Settings
from .webhook import DeliveryError, post

log = structlog.get_logger()

AT_ONCE = 64
AT_ONCE_PER_NAMESPACE = 8
WAITING_PER_NAMESPACE = 100
"""More than this are started later; the loop asks again."""
SECRET_KEY = "secret"  # noqa: S105 (the name of a key)
_LEAST_KEY_BYTES = 16


class Courier:
    """Attempts in flight, and what came of the last ones."""

    def __init__(
        self,
        cluster: Cluster,
        settings: Settings,
        look_at: Callable[[Key], None],
        clock: Callable[[], datetime],
    ) -> None:
        self._cluster = cluster
        self._settings = settings
        self._look_at = look_at
        self._clock = clock
        self._flying: dict[str, asyncio.Task[None]] = {}
        self._told: dict[str, dict[str, Delivery]] = {}
        """VideoJob uid → letter id → how its last attempt ended. An entry stays while its VideoJob does."""
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._slots_of: dict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(AT_ONCE_PER_NAMESPACE)
        )
        self._waiting: dict[str, int] = defaultdict(int)

    def deliveries(self, uid: str, status: VideoJobStatus) -> dict[str, Delivery]:
        """What the status does not know yet; what it knows is forgotten."""
        recorded = {one.id: one.attempts for one in status.notifications}
        told = self._told.get(uid, {})
        for id_ in [i for i, delivery in told.items() if delivery.attempts <= recorded.get(i, 0)]:
            del told[id_]
        return dict(told)

    def forget(self, uid: str) -> None:
        """The VideoJob is gone. What is in flight lands, and nobody asks for it."""
        self._told.pop(uid, None)

    def start(self, observed: Observed, action: Deliver) -> None:
        """Try it, unless it is being tried already or too many of that namespace wait."""
        id_, namespace = action.letter.id, observed.key.namespace
        told = self._told.setdefault(observed.uid, {}).get(id_)
        if id_ in self._flying or (told is not None and told.attempts >= action.attempt):
            return
        if self._waiting[namespace] >= WAITING_PER_NAMESPACE:
            return
        self._waiting[namespace] += 1
        self._flying[id_] = asyncio.create_task(self._carry(observed, action), name=id_)

    async def _carry(self, observed: Observed, action: Deliver) -> None:
        namespace, letter = observed.key.namespace, action.letter
        try:
            async with self._slots_of[namespace], self._slots:
                delivery = await self._try(observed, action)
            if (told := self._told.get(observed.uid)) is not None:  # it may have gone meanwhile
                told[letter.id] = delivery
                self._look_at(observed.key)
        finally:
            del self._flying[letter.id]
            self._waiting[namespace] -= 1
            if not self._waiting[namespace]:
                del self._waiting[namespace]
                self._slots_of.pop(namespace, None)

    async def _try(self, observed: Observed, action: Deliver) -> Delivery:
        letter, started = action.letter, time.monotonic()
        problem, result, is_final = "", "delivered", False
        try:
            body = build_cloud_event(observed, letter)
            headers = await self._headers(observed.key.namespace, letter, body)
            await post(letter.url, body, headers, self._settings.notify_allow_cidrs)
        except DeliveryError as error:
            problem, result, is_final = str(error), error.result, error.is_final
        except Exception as error:  # whatever it is, the letter is tried again and the loop lives
            problem, result = f"It could not be sent: {type(error).__name__}.", "failed"
        metrics.NOTIFICATION_TIME.observe(time.monotonic() - started)
        metrics.NOTIFICATIONS.labels(result=result).inc()
        log.info(
            "notification",
            id=letter.id,
            delivery=action.attempt,
            result=result,
            problem=problem or None,
        )
        return Delivery(action.attempt, self._clock(), problem, is_final)

    async def _headers(self, namespace: str, letter: Letter, body: bytes) -> dict[str, str]:
        """Standard Webhooks' headers; the signature only where a Secret is named."""
        now = self._clock()
        headers = {
            "Content-Type": f"{CONTENT_TYPE}; charset=utf-8",
            "webhook-id": letter.id,
            "webhook-timestamp": str(int(now.timestamp())),
        }
        if letter.secret is not None:
            key = await self._read_key(namespace, letter.secret)
            headers["webhook-signature"] = Webhook(key).sign(letter.id, now, body.decode())
        return headers

    async def _read_key(self, namespace: str, name: str) -> bytes:
        try:
            data = (await self._cluster.get_secret(namespace, name)).get("data") or {}
        except Forbidden as error:
            raise DeliveryError(
                explain_grant(namespace, name, self._settings), result="unsigned"
            ) from error
        except Gone as error:
            raise DeliveryError(
                f"There is no Secret {name!r} to sign it with; make it: kubectl create secret generic "
                f"{name} --namespace {namespace} --from-literal={SECRET_KEY}=whsec_…",
                result="unsigned",
            ) from error
        except ClusterError as error:
            raise DeliveryError(f"The Secret {name!r} could not be read: {error}.") from error
        try:
            return parse_key(base64.b64decode(data[SECRET_KEY]).decode())
        except (KeyError, ValueError) as error:
            raise DeliveryError(
                f"The Secret {name!r} has no key {SECRET_KEY!r} with whsec_ and 24 to 64 bytes in base64 "
                "to sign it with.",
                result="unsigned",
            ) from error


def parse_key(text: str) -> bytes:
    """The signing key in ``whsec_…``.

    Raises:
        ValueError: if it is not base64, or too short to be one.
    """
    encoded = text.strip().removeprefix("whsec_")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
    if len(key) < _LEAST_KEY_BYTES:
        raise ValueError("too short")
    return key


def explain_grant(namespace: str, name: str, settings: Settings) -> str:
    """What a tenant has to do so that the operator may read the signing Secret."""
    role = f"videojob-notify-{name}"[:63].rstrip("-")
    account = f"{settings.namespace}:{settings.service_account}"
    return (
        f"The operator may not read the Secret {name!r} to sign it with; let it: "
        f"kubectl create role {role} --namespace {namespace} --verb=get --resource=secrets "
        f"--resource-name={name} && kubectl create rolebinding {role} --namespace {namespace} "
        f"--role={role} --serviceaccount={account}"
    )
