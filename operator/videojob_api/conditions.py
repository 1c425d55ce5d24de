"""Conditions: one table from phase to what kstatus, Argo CD and Flux understand.

Pure. ``Ready``, ``Reconciling`` and ``Stalled`` follow cli-utils' kstatus; the others are ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

from .status import Condition, Phase


class ConditionType(StrEnum):
    """The conditions a VideoJob carries."""

    ACCEPTED = "Accepted"
    SCHEDULED = "Scheduled"
    COMPLETE = "Complete"
    FAILED = "Failed"
    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"


_MOST_NAMED = 5
_LONGEST_NAME = 100

_KSTATUS: dict[Phase, tuple[str, str, str]] = {
    #                 Ready    Reconciling Stalled
    Phase.PENDING: ("False", "True", "False"),
    Phase.QUEUED: ("False", "True", "False"),
    Phase.RUNNING: ("False", "True", "False"),
    Phase.SUSPENDED: ("False", "False", "False"),  # at rest as was asked, and not done
    Phase.CANCELLING: ("False", "True", "False"),
    Phase.SUCCEEDED: ("True", "False", "False"),
    Phase.FAILED: ("False", "False", "True"),
    Phase.REJECTED: ("False", "False", "True"),
    Phase.CANCELLED: ("False", "False", "True"),  # who waits for its results waits in vain
}


def build_conditions(
    phase: Phase,
    reason: str,
    message: str,
    *,
    scheduled: bool | None,
    stalled: bool,
    accepted: bool = True,
    unknown: Sequence[str] = (),
) -> dict[ConditionType, tuple[str, str, str]]:
    """What every condition should say: type → (status, reason, message).

    Args:
        phase: where the job is.
        reason: CamelCase word for it.
        message: one sentence for it.
        scheduled: whether workers have been placed on nodes; None when nobody can tell yet.
        stalled: it waits for something that only a person can mend (kstatus: not progressing).
        accepted: whether the manifest was understood.
        unknown: fields of it that were passed over.
    """
    ready, reconciling, is_stalled = _KSTATUS[phase]
    if stalled and not phase.is_terminal:
        reconciling, is_stalled = "False", "True"
    passed_over = (
        f"This version of the operator does not know {name_fields(unknown)}; passed over."
        if unknown
        else ""
    )
    conditions = {
        ConditionType.ACCEPTED: ("True", "Accepted", passed_over)
        if accepted
        else ("False", reason, message),
        ConditionType.READY: (ready, reason, message),
        ConditionType.RECONCILING: (reconciling, reason, message if reconciling == "True" else ""),
        ConditionType.STALLED: (is_stalled, reason, message if is_stalled == "True" else ""),
    }
    if scheduled is not None:
        conditions[ConditionType.SCHEDULED] = (
            ("True", "Scheduled", "") if scheduled else ("False", reason, message)
        )
    if phase.is_terminal:
        done, failed = phase is Phase.SUCCEEDED, phase in (Phase.FAILED, Phase.REJECTED)
        conditions[ConditionType.COMPLETE] = (str(done), reason, message if done else "")
        conditions[ConditionType.FAILED] = (str(failed), reason, message if failed else "")
    return conditions


def name_fields(fields: Sequence[str]) -> str:
    """The first few by name, and how many more there are."""
    more = f" and {len(fields) - _MOST_NAMED} more" if len(fields) > _MOST_NAMED else ""
    return ", ".join(field[:_LONGEST_NAME] for field in fields[:_MOST_NAMED]) + more


def merge_conditions(
    before: Iterable[Condition],
    wanted: dict[ConditionType, tuple[str, str, str]],
    *,
    generation: int,
    now: str,
) -> list[Condition]:
    """New conditions, keeping the transition time of each whose status did not change."""
    previous = {condition.type: condition for condition in before}
    merged = []
    for type_, (status, reason, message) in wanted.items():
        old = previous.get(type_)
        since = old.last_transition_time if old is not None and old.status == status else now
        merged.append(
            Condition(
                type=type_,
                status=status,
                reason=reason,
                message=message,
                last_transition_time=since,
                observed_generation=generation,
            )
        )
    return merged
