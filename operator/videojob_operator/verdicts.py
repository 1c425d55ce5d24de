"""Verdicts: how each input that has ended, ended; the line that decides a retry is here.

Pure. Reads the attempts' index sets, the pods' exit codes and what workers said; says for each input
whether that is final, or whether another attempt may help and why one is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from videojob_api.indexes import parse_indexes
from videojob_api.reasons import ExitCode, FailReason
from videojob_api.status import Indexes, InputState

from .attempt import Attempt, Ending
from .memory import base_memory, format_memory, more_memory
from .observed import Observed

MAX_KILLS = 5
"""How often a run is started again after kills that are nobody's fault (they do not count as tries)."""


class Again(StrEnum):
    """Why another attempt may help, outside the counted retries that the Job makes itself."""

    KILLED = "Killed"
    OUT_OF_MEMORY = "OutOfMemory"
    STORE_REFUSED = "StoreRefused"


@dataclass(frozen=True)
class Verdict:
    """How one input ended."""

    index: int
    state: InputState
    reason: str = ""
    message: str = ""
    retryable: bool = False
    """Whether the same work could succeed if applied again."""
    again: Again | None = None
    """Set while it is not final."""


@dataclass(frozen=True)
class Verdicts:
    """The verdicts by input index."""

    by_index: Mapping[int, Verdict]

    def get(self, index: int) -> Verdict | None:
        """The final verdict on an input, if there is one."""
        verdict = self.by_index.get(index)
        return verdict if verdict and not verdict.again else None

    def fail_rest(self, count: int, reason: str, message: str) -> Verdicts:
        """The same, where those of so many inputs that have not ended for good fail now."""
        rest = [index for index in range(count) if self.get(index) is None]
        failed = {i: Verdict(i, InputState.FAILED, reason, message, True) for i in rest}
        return Verdicts({**self.by_index, **failed})

    def cover(self, count: int) -> bool:
        """Whether all of so many inputs have ended for good."""
        return all(self.get(index) for index in range(count))

    def _in(self, state: InputState) -> frozenset[int]:
        return frozenset(
            i
            for i, verdict in self.by_index.items()
            if verdict.state is state and not verdict.again
        )

    @property
    def succeeded(self) -> frozenset[int]:
        """Inputs whose manifest is published."""
        return self._in(InputState.SUCCEEDED)

    @property
    def failed(self) -> frozenset[int]:
        """Inputs that failed for good."""
        return self._in(InputState.FAILED)

    @property
    def rejected(self) -> frozenset[int]:
        """Inputs that are not acceptable."""
        return self._in(InputState.REJECTED)

    @property
    def again(self) -> tuple[Verdict, ...]:
        """Inputs that another attempt may help."""
        return tuple(v for _, v in sorted(self.by_index.items()) if v.again)

    @property
    def bad(self) -> tuple[Verdict, ...]:
        """Failed and rejected ones, failed first, in order."""
        return tuple(self.by_index[i] for i in (*sorted(self.failed), *sorted(self.rejected)))


def judge(observed: Observed) -> Verdicts:
    """How every input that has ended stands: from the status before, then attempt by attempt."""
    found = {verdict.index: verdict for verdict in _recorded(observed)}
    for attempt in observed.attempts:
        newest = attempt is observed.attempt
        for index in attempt.completed:
            known = found.get(index)
            if known and known.state is InputState.SUCCEEDED:
                continue
            verdict = judge_success(index, attempt, observed)
            if newest or not verdict.again:
                found[index] = verdict
        ended_badly = attempt.failed | (attempt.open if attempt.ended_at else frozenset())
        if attempt.deleted:  # whoever stopped its workers made the others fail
            ended_badly = attempt.given_up
        for index in ended_badly:
            known = found.get(index)
            unheard = index not in observed.results and index not in observed.endings
            if known and (known.state is InputState.SUCCEEDED or (unheard and not known.again)):
                continue  # what was written stands, though its pod is gone and nobody remembers
            verdict = judge_failure(index, attempt, observed)
            if newest or not verdict.again:
                found[index] = verdict
    for index, ending in observed.endings.items():
        if ending.exit_code == ExitCode.DONE:  # though its Job may be gone
            found[index] = Verdict(index, InputState.SUCCEEDED)
    return Verdicts(found)


def _recorded(observed: Observed) -> list[Verdict]:
    """What was written before; it stands though pods and Jobs are gone."""
    indexes = observed.status.indexes or Indexes()
    told = {status.name: status for status in observed.status.inputs}
    names = [i.name for i in observed.spec.inputs] if observed.spec else []
    verdicts = []
    for state, text in (
        (InputState.SUCCEEDED, indexes.succeeded),
        (InputState.FAILED, indexes.failed),
        (InputState.REJECTED, indexes.rejected),
    ):
        for index in parse_indexes(text):
            status = told.get(names[index]) if index < len(names) else None
            verdicts.append(
                Verdict(
                    index,
                    state,
                    reason=(status.reason if status else None) or "",
                    message=(status.message if status else None) or "",
                )
            )
    return verdicts


def judge_success(index: int, attempt: Attempt, observed: Observed) -> Verdict:
    """Whether it is known what was published: a pod that is deleted as it ends may go unheard.

    Another attempt finds all of it done, and says what it is.
    """
    result, ending = observed.results.get(index), observed.endings.get(index)
    heard = result is not None and result.state is InputState.SUCCEEDED
    heard |= ending is not None and ending.exit_code == ExitCode.DONE
    if heard or attempt.kills >= MAX_KILLS:
        return Verdict(index, InputState.SUCCEEDED)
    message = "its worker was removed before it could say what it has published"
    return Verdict(
        index, InputState.FAILED, FailReason.WORKER_CRASHED, message, True, again=Again.KILLED
    )


def judge_failure(index: int, attempt: Attempt, observed: Observed) -> Verdict:
    """What the end of an input's last pod means."""
    result, ending = observed.results.get(index), observed.endings.get(index)
    if ending is None:
        # A worker that had published all, and was killed before it ended, has not told of that end.
        told = result is not None and result.state is not InputState.SUCCEEDED
        ending = Ending(result.exit_code if result and told else None)
    said = (result.message if result else None) or ""
    reason = (result.reason if result else None) or ""
    code = ending.exit_code
    failed = InputState.FAILED

    if code == ExitCode.REJECTED:
        message = said or ending.last_words
        return Verdict(index, InputState.REJECTED, reason or "Rejected", message)
    if code == ExitCode.NOT_DOABLE:
        message = said or ending.last_words
        return Verdict(index, failed, reason or FailReason.NOT_DOABLE, message)
    if code == ExitCode.STORAGE_REFUSED:
        return Verdict(
            index, failed, FailReason.STORAGE_REFUSED, said, True, again=Again.STORE_REFUSED
        )
    if ending.outgrew_scratch:
        return _scratch_full(index, said)
    if index in attempt.given_up:
        full = "ephemeral" in ending.message
        reason = FailReason.NODE_DISK_FULL if full else FailReason.EVICTED
        message = f"nodes evicted its worker {MAX_KILLS + 1} times: {ending.message}"
        return Verdict(index, failed, reason, message, True)
    if code == ExitCode.OUT_OF_MEMORY or ending.reason == "OOMKilled":
        return _out_of_memory(index, attempt, observed, said)
    if reason == FailReason.NODE_DISK_FULL:  # another node may have more room
        again = Again.KILLED if attempt.kills < MAX_KILLS else None
        return Verdict(index, failed, reason, said, True, again=again)
    if code == ExitCode.SCRATCH_FULL:
        return _scratch_full(index, said)
    if code in (ExitCode.OOM_KILLED, None):
        again = Again.KILLED if attempt.kills < MAX_KILLS else None
        message = f"its worker was killed from outside {attempt.kills + 1} times"
        if code is None and ending.message:
            message += f", at last with {ending.reason}: {ending.message}"
        return Verdict(index, failed, FailReason.WORKER_CRASHED, message, True, again=again)
    tries = (observed.spec.retry.limit if observed.spec else 0) + 1
    message = said or ending.last_words
    return Verdict(
        index,
        failed,
        reason or FailReason.WORKER_CRASHED,
        f"{message} (after {tries} tries)" if tries > 1 else message,
        True,
    )


def _scratch_full(index: int, said: str) -> Verdict:
    hint = "raise limits.maxBytes (it follows that) or make fewer renditions at once"
    message = said or f"scratch space full; {hint}"
    return Verdict(index, InputState.FAILED, FailReason.SCRATCH_FULL, message, True)


def _out_of_memory(index: int, attempt: Attempt, observed: Observed, said: str) -> Verdict:
    """Tried again with more memory as long as more is allowed."""
    reason, spec = FailReason.OUT_OF_MEMORY, observed.spec
    if spec is None:
        return Verdict(index, InputState.FAILED, reason, said, True)
    had = attempt.memory_bytes or base_memory(spec)
    if more_memory(spec, had) is not None:
        message = f"ran out of memory with {format_memory(had)}"
        return Verdict(index, InputState.FAILED, reason, message, True, again=Again.OUT_OF_MEMORY)
    hint = "raise resources.limits.memory (and retry.outOfMemory.max, where trying with more ends)"
    message = f"out of memory with {format_memory(had)}; {hint}, or ask for smaller renditions"
    return Verdict(index, InputState.FAILED, reason, message, True)
