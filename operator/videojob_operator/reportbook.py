"""The report book: what workers said lately, in memory. Losing it loses the live percent only.

Written by the reports endpoint and by observe (from pods that ended), read by observe.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from videojob_api.reasons import ExitCode
from videojob_api.report import ProgressReport, Report, Result
from videojob_api.status import InputState, Usage

from . import metrics
from .attempt import Attempt, Ending
from .totals import add_usage, without_usage

_SEVERAL_PODS = ""


@dataclass
class _AttemptPages:
    progress: dict[int, ProgressReport] = field(default_factory=dict)
    results: dict[int, Result] = field(default_factory=dict)
    endings: dict[int, Ending] = field(default_factory=dict)
    costs: dict[str, Usage] = field(default_factory=dict)
    """By pod."""
    read: set[str] = field(default_factory=set)
    """Uids of ended pods whose last words have been taken down."""
    looked: set[int] = field(default_factory=set)
    """Ended inputs whose pods were looked at, found or not."""
    ignored: dict[int, int] = field(default_factory=dict)
    """How many failures of an input the Job had passed over when its pods were last looked at."""
    given_up: set[int] = field(default_factory=set)


def _fold(earlier: _AttemptPages, later: _AttemptPages) -> _AttemptPages:
    """What two attempts have told, the later one first; none of their pods will say more."""
    heard = {i: r for i, r in earlier.results.items() if i not in later.endings}
    cost = add_usage([*earlier.costs.values(), *later.costs.values()])
    return _AttemptPages(
        results=heard | later.results,
        endings=earlier.endings | later.endings,
        costs={_SEVERAL_PODS: cost} if cost else {},
    )


class ReportBook:
    """Pages by VideoJob uid, run and attempt."""

    def __init__(self) -> None:
        self._pages: dict[str, dict[tuple[str, int], _AttemptPages]] = {}
        self._heard: dict[str, float] = {}
        """VideoJob uid → when a worker of it last reported or was first at work, in monotonic seconds."""
        self._before: dict[str, tuple[str, Usage | None]] = {}
        """VideoJob uid → run, and what an operator before has counted of its pods that are gone."""
        self._claimed: dict[str, set[tuple[str, int]]] = {}
        """VideoJob uid → runs and inputs whose workers have claimed outputs that are not theirs."""

    def _page(self, uid: str, run_id: str, attempt: int) -> _AttemptPages:
        return self._pages.setdefault(uid, {}).setdefault((run_id, attempt), _AttemptPages())

    def record(self, uid: str, report: Report) -> None:
        """Take a worker's report; a percent never goes backwards within an attempt."""
        self._heard[uid] = time.monotonic()
        page = self._page(uid, report.run_id, report.attempt)
        if report.progress is not None:
            old = page.progress.get(report.index)
            least = old.percent if old else 0.0
            page.progress[report.index] = report.progress.model_copy(
                update={"percent": max(least, report.progress.percent)}
            )
        if report.result is not None and report.index not in page.endings:  # its pod has spoken
            page.results[report.index] = report.result

    def record_ending(
        self, uid: str, attempt: Attempt, index: int, ending: Ending, result: Result | None
    ) -> None:
        """Take what a pod's end says; its own words replace what was reported, unless they say less."""
        page = self._page(uid, attempt.run_id, attempt.number)
        page.endings[index] = ending
        if result is None:
            page.results.pop(index, None)
            return
        told = page.results.get(index)
        if (
            told is None
            or told.state is not result.state
            or len(told.outputs) < len(result.outputs)
        ):
            page.results[index] = result

    def has_read(self, uid: str, attempt: Attempt, pod: Mapping[str, Any]) -> bool:
        """Whether all that a pod says last has been taken down."""
        page = self._page(uid, attempt.run_id, attempt.number)
        return pod["metadata"]["uid"] in page.read

    def mark_read(self, uid: str, attempt: Attempt, pods: Iterable[Mapping[str, Any]]) -> None:
        """These have said all that they will."""
        page = self._page(uid, attempt.run_id, attempt.number)
        page.read.update(pod["metadata"]["uid"] for pod in pods)

    def done(self, uid: str, attempt: Attempt) -> frozenset[int]:
        """Inputs of an attempt whose pods have ended well."""
        endings = self._page(uid, attempt.run_id, attempt.number).endings
        return frozenset(i for i, ending in endings.items() if ending.exit_code == ExitCode.DONE)

    def record_costs(self, uid: str, attempt: Attempt, costs: Mapping[str, Usage]) -> None:
        """Take what pods that ended have cost; each counts once, however it ended."""
        if costs:
            self._page(uid, attempt.run_id, attempt.number).costs.update(costs)

    def usage(self, uid: str, run_id: str) -> Usage | None:
        """What all pods of a run have cost, as far as they were seen or an operator before has told."""
        run, before = self._before.get(uid, ("", None))
        costs = self._costs(uid, run_id)
        return add_usage([before, *costs] if before and run == run_id else costs)

    def has_taken_over(self, uid: str, run_id: str) -> bool:
        """Whether it is known what an operator before has counted."""
        return uid in self._before and self._before[uid][0] == run_id

    def take_over(
        self, uid: str, run_id: str, told: Usage | None, counted: Iterable[Usage] = ()
    ) -> None:
        """Take what the status tells of a run that is new here.

        Args:
            uid: of the VideoJob.
            run_id: of its run.
            told: what the status tells.
            counted: the part of that which is of pods that are still there, so that each counts once.
        """
        self._before[uid] = run_id, without_usage(told, add_usage(counted)) if told else None

    def _costs(self, uid: str, run_id: str) -> list[Usage]:
        pages = (page for (run, _), page in self._pages.get(uid, {}).items() if run == run_id)
        return [cost for page in pages for cost in page.costs.values()]

    def unread(self, uid: str, attempt: Attempt) -> frozenset[int]:
        """Inputs of an attempt that have ended and whose pods must be looked at."""
        page = self._page(uid, attempt.run_id, attempt.number)
        told = {i for i, r in page.results.items() if r.state is InputState.SUCCEEDED}
        ended = attempt.failed | (attempt.open if attempt.ended_at else frozenset())
        return frozenset((attempt.completed - told) | ended) - page.looked

    def mark_looked(self, uid: str, attempt: Attempt, indexes: Iterable[int]) -> None:
        """These have been looked at; there is no more to be had."""
        self._page(uid, attempt.run_id, attempt.number).looked.update(indexes)

    def is_disruption_news(self, uid: str, attempt: Attempt, ignored: Mapping[int, int]) -> bool:
        """Whether the Job has passed over more failures than when they were last looked at."""
        if not ignored:
            return False
        known = self._page(uid, attempt.run_id, attempt.number).ignored
        return any(known.get(index) != count for index, count in ignored.items())

    def mark_ignored(self, uid: str, attempt: Attempt, ignored: Mapping[int, int]) -> None:
        """These failures have been looked at."""
        self._page(uid, attempt.run_id, attempt.number).ignored |= ignored

    def give_up(self, uid: str, attempt: Attempt, index: int, ending: Ending) -> None:
        """The Job would go on with an input for ever, and we do not."""
        self.record_ending(uid, attempt, index, ending, None)
        self._page(uid, attempt.run_id, attempt.number).given_up.add(index)

    def given_up(self, uid: str, attempt: Attempt) -> frozenset[int]:
        """The inputs of which that was said."""
        page = self._pages.get(uid, {}).get((attempt.run_id, attempt.number))
        return frozenset(page.given_up) if page else frozenset()

    def progress(self, uid: str, attempt: Attempt | None) -> Mapping[int, ProgressReport]:
        """Live progress of the inputs that an attempt has not ended."""
        if attempt is None:
            return {}
        page = self._page(uid, attempt.run_id, attempt.number)
        return {i: p for i, p in page.progress.items() if i in attempt.open}

    def results(self, uid: str, run_id: str) -> tuple[dict[int, Result], dict[int, Ending]]:
        """What is known of each input's end in a run, from the newest attempt that says something."""
        results: dict[int, Result] = {}
        endings: dict[int, Ending] = {}
        of_run = {at: page for (run, at), page in self._pages.get(uid, {}).items() if run == run_id}
        for _, page in sorted(of_run.items()):
            for index in page.endings:
                results.pop(index, None)  # what an earlier attempt said is about another pod
            results |= page.results
            endings |= page.endings
        return results, endings

    def fold(self, uid: str, run_id: str, attempts: Iterable[Attempt]) -> None:
        """Keep what is known of Jobs that are gone on one page: where a store refuses there are hundreds.

        Args:
            uid: of the VideoJob.
            run_id: of its run.
            attempts: those of it whose Jobs are there.
        """
        there = {attempt.number for attempt in attempts}
        newest, pages = max(there, default=0), self._pages.get(uid, {})
        known = sorted(key for key in pages if key[0] == run_id and key[1] <= newest)
        for earlier, later in pairwise(known):
            if not any(earlier[1] <= number <= later[1] for number in there):
                pages[later] = _fold(pages.pop(earlier), pages[later])

    def count_claims(self, uid: str, run_id: str, index: int, claims: int) -> None:
        """A worker claims so many outputs that are not its input's: counted when it is first seen."""
        known = self._claimed.setdefault(uid, set())
        if (run_id, index) not in known:
            known.add((run_id, index))
            metrics.CLAIMS_DROPPED.inc(claims)

    def forget(self, uid: str) -> None:
        """Drop all pages of a VideoJob that has ended or gone."""
        self._pages.pop(uid, None)
        self._heard.pop(uid, None)
        self._before.pop(uid, None)
        self._claimed.pop(uid, None)

    def expect(self, uid: str) -> None:
        """Workers of a VideoJob are at work: from now on they should be heard."""
        self._heard.setdefault(uid, time.monotonic())

    def expect_nothing(self, uid: str) -> None:
        """None of them is at work: they may wait for a node."""
        self._heard.pop(uid, None)

    def heard_at(self, uid: str) -> float | None:
        """When a worker of a VideoJob last reported or was first at work (monotonic seconds)."""
        return self._heard.get(uid)
