"""Mail: who is told how a VideoJob ended, what has become of that, and when it is tried again.

Pure. Goes beside whatever policy spoke, since a new run does not wait until all are told of the one
before. A letter that the status does not know is due at once, so that nothing is lost between the end and
the first attempt; one that was tried and is not delivered within a day is given up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from videojob_api import names
from videojob_api.status import MAX_MESSAGE, NotificationState, NotificationStatus

from ..clock import format_time, parse_time
from ..observed import (
    Decision,
    DeleteVideoJob,
    Deliver,
    Delivery,
    EmitEvent,
    Letter,
    Observed,
)

_FIRST_WAIT_SECONDS = 5
_LONGEST_WAIT_SECONDS = 3600
_DAY = timedelta(days=1)
MAX_KEPT = 8
"""Of runs before; the status has room for as many again."""
_LOOK_AGAIN = timedelta(seconds=60)
"""The courier may be full; else it says itself when it is done."""


@dataclass(frozen=True)
class Mail:
    """What to do about notifications now."""

    statuses: tuple[NotificationStatus, ...] = ()
    actions: tuple[Deliver | EmitEvent, ...] = ()
    next_at: datetime | None = None
    """When to look again; None once all are delivered or given up."""
    known: frozenset[str] = frozenset()
    """Ids of those that the status has."""

    @property
    def is_open(self) -> bool:
        """Whether somebody is still to be told."""
        return any(one.state is NotificationState.PENDING for one in self.statuses)

    @property
    def told(self) -> list[NotificationStatus]:
        """Those that the status has to remember: the others are due in any case."""
        return [
            one
            for one in self.statuses
            if one.attempts or one.state is NotificationState.FAILED or one.id in self.known
        ]


def write_letters(observed: Observed) -> tuple[Letter, ...]:
    """Those that the end of this run asks for; two to the same URL are one."""
    status = observed.status
    if not status.phase.is_terminal:
        return ()
    return _letters(observed, str(status.phase), observed.run_id, status.finished_at)


def _letters(
    observed: Observed, event: str, run_id: str, ended_at: str | None
) -> tuple[Letter, ...]:
    letters = {}
    for notify in observed.spec.notify if observed.spec else ():
        if event in notify.events:
            id_ = names.notification_id(observed.uid, run_id, event, notify.url)
            secret = notify.secret_ref.name if notify.secret_ref else None
            letters[id_] = Letter(id_, event, notify.url, run_id, ended_at, secret)
    return tuple(letters.values())


def undelivered(observed: Observed, now: datetime) -> list[NotificationStatus]:
    """What the next run has to remember of this one's letters, and of those before."""
    return [
        one for one in decide_mail(observed, now).statuses if one.state is NotificationState.PENDING
    ][-MAX_KEPT:]


def decide_mail(observed: Observed, now: datetime) -> Mail:
    """Take down how attempts ended, start those that are due."""
    known = {one.id: one for one in observed.status.notifications}
    statuses: list[NotificationStatus] = []
    actions: list[Deliver | EmitEvent] = []
    moments: list[datetime] = []
    for letter in (*_of_runs_before(observed), *write_letters(observed)):
        before = known.get(letter.id) or NotificationStatus(
            id=letter.id,
            event=letter.event,
            run_id=letter.run_id,
            ended_at=letter.ended_at,
            receiver=_receiver(letter.url),
        )
        ended = parse_time(letter.ended_at) or now
        after = _after(before, observed.deliveries.get(letter.id), ended, now)
        statuses.append(after)
        actions += _tell(before, after)
        if after.state is NotificationState.PENDING:
            due = parse_time(after.next_attempt_at) or ended
            if now >= due:
                actions.append(Deliver(letter, after.attempts + 1))
            moments.append(max(due, now + _LOOK_AGAIN) if now >= due else due)
    return Mail(tuple(statuses), tuple(actions), min(moments, default=None), frozenset(known))


def deliver(observed: Observed, decision: Decision, now: datetime) -> Decision:
    """The same decision, with the letters that are due beside it, and looking again for the rest."""
    if observed.deleting or observed.spec is None or observed.is_due_to_rerun:
        return decision
    if any(isinstance(action, DeleteVideoJob) for action in decision.actions):
        return decision
    mail = decide_mail(observed, now)
    status = decision.status
    if mail.told != observed.status.notifications:
        status = (status or observed.status).model_copy(update={"notifications": mail.told})
    told = replace(decision, actions=(*decision.actions, *mail.actions), status=status)
    return told.look_again_in((mail.next_at - now).total_seconds()) if mail.next_at else told


def _of_runs_before(observed: Observed) -> list[Letter]:
    """As the status remembers them. Whoever is named no more in the manifest is told no more."""
    found = []
    for one in observed.status.notifications:
        if one.run_id and one.run_id != observed.run_id:
            letters = _letters(observed, one.event, one.run_id, one.ended_at)
            found += [letter for letter in letters if letter.id == one.id]
    return found


def _after(
    before: NotificationStatus, delivery: Delivery | None, ended: datetime, now: datetime
) -> NotificationStatus:
    """The letter's status, with what the last attempt has shown."""
    if before.state is not NotificationState.PENDING:
        return before
    if delivery is None or delivery.attempts <= before.attempts:
        late = before.attempts > 0 and now >= ended + _DAY  # each is tried at least once
        return _given_up(before, before.message or "") if late else before
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
    try:
        return (urlsplit(url).netloc or "?")[:128]
    except ValueError:  # one that an earlier version let pass: who delivers says what is wrong
        return "?"
