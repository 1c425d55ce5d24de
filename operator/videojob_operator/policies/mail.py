"""Mail: who is told how a VideoJob ended, what has become of that, and when it is tried again.

Pure. Used by ``finished``. A letter that the status does not know is due at once, so that nothing is
lost between the end and the first attempt; one that is not delivered within a day is given up.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from videojob_api import names
from videojob_api.status import MAX_MESSAGE, NotificationState, NotificationStatus

from ..clock import format_time, parse_time
from ..observed import Deliver, Delivery, EmitEvent, Letter, Observed

_FIRST_WAIT_SECONDS = 5
_LONGEST_WAIT_SECONDS = 3600
_DAY = timedelta(days=1)
_LOOK_AGAIN = timedelta(seconds=60)
"""The courier may be full; else it says itself when it is done."""


@dataclass(frozen=True)
class Mail:
    """What to do about notifications now."""

    statuses: tuple[NotificationStatus, ...] = ()
    actions: tuple[Deliver | EmitEvent, ...] = ()
    next_at: datetime | None = None
    """When to look again; None once all are delivered or given up."""

    @property
    def is_open(self) -> bool:
        """Whether somebody is still to be told."""
        return any(one.state is NotificationState.PENDING for one in self.statuses)


def write_letters(observed: Observed) -> tuple[Letter, ...]:
    """Those that the end of this run asks for; two to the same URL are one."""
    spec, event = observed.spec, str(observed.status.phase)
    if spec is None or not observed.status.phase.is_terminal:
        return ()
    letters = {}
    for notify in spec.notify:
        if event in notify.events:
            id_ = names.notification_id(observed.uid, observed.run_id, event, notify.url)
            secret = notify.secret_ref.name if notify.secret_ref else None
            letters[id_] = Letter(id_, event, notify.url, secret)
    return tuple(letters.values())


def decide_mail(observed: Observed, now: datetime) -> Mail:
    """Take down how attempts ended, start those that are due."""
    known = {one.id: one for one in observed.status.notifications}
    ended = parse_time(observed.status.finished_at) or now
    statuses: list[NotificationStatus] = []
    actions: list[Deliver | EmitEvent] = []
    moments: list[datetime] = []
    for letter in write_letters(observed):
        before = known.get(letter.id) or NotificationStatus(
            id=letter.id, event=letter.event, receiver=_receiver(letter.url)
        )
        after = _after(before, observed.deliveries.get(letter.id), ended, now)
        statuses.append(after)
        actions += _tell(before, after)
        if after.state is NotificationState.PENDING:
            due = parse_time(after.next_attempt_at) or ended
            if now >= due:
                actions.append(Deliver(letter, after.attempts + 1))
            moments.append(max(due, now + _LOOK_AGAIN) if now >= due else due)
    return Mail(tuple(statuses), tuple(actions), min(moments, default=None))


def _after(
    before: NotificationStatus, delivery: Delivery | None, ended: datetime, now: datetime
) -> NotificationStatus:
    """The letter's status, with what the last attempt has shown."""
    if before.state is not NotificationState.PENDING:
        return before
    if delivery is None or delivery.attempts <= before.attempts:
        late = now >= ended + _DAY
        return _given_up(before, before.message or "It could not be tried.") if late else before
    tried = before.model_copy(
        update={"attempts": delivery.attempts, "next_attempt_at": None, "message": None}
    )
    if not delivery.problem:
        return tried.model_copy(update={"state": NotificationState.DELIVERED})
    due = delivery.at + _wait(before.id, delivery.attempts)
    if delivery.is_final or due >= ended + _DAY:
        return _given_up(tried, delivery.problem)
    waiting = {"next_attempt_at": format_time(due), "message": delivery.problem[:MAX_MESSAGE]}
    return tried.model_copy(update=waiting)


def _given_up(before: NotificationStatus, problem: str) -> NotificationStatus:
    told = {"state": NotificationState.FAILED, "next_attempt_at": None}
    return before.model_copy(update={**told, "message": problem[:MAX_MESSAGE]})


def _wait(id_: str, attempts: int) -> timedelta:
    """Doubled each time, up to an hour; stretched by up to a fifth, so that letters don't come in waves."""
    seconds = min(_FIRST_WAIT_SECONDS * 2 ** min(attempts - 1, 20), _LONGEST_WAIT_SECONDS)
    stretch = int(id_[-2:], 16) / 255 / 5
    return timedelta(seconds=round(seconds * (1 + stretch), 3))


def _tell(before: NotificationStatus, after: NotificationStatus) -> list[EmitEvent]:
    """An Event when the first attempt fails, and one when the letter is given up."""
    where = f"{after.receiver} was not notified"
    if after.state is NotificationState.FAILED and before.state is not after.state:
        return [EmitEvent("Warning", "NotificationGivenUp", f"{where}: {after.message}")]
    if after.message and before.attempts == 0 < after.attempts:
        return [EmitEvent("Warning", "NotificationFailed", f"{where} yet: {after.message}")]
    return []


def _receiver(url: str) -> str:
    return (urlsplit(url).netloc or "?")[:128]
