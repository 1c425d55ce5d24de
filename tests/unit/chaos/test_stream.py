"""The stream follows from the seed, and the API would take every job of it."""

from __future__ import annotations

from collections import Counter

import pytest
from chaos.stream import SHARES, Film, Sort, build_stream

from videojob_api.status import Phase
from videojob_api.videojob import VideoJobSpec


def test_a_seed_gives_the_same_stream_again_and_another_seed_another() -> None:
    assert build_stream(7, 50, 60) == build_stream(7, 50, 60)
    assert build_stream(7, 50, 60) != build_stream(8, 50, 60)


def test_of_two_hundred_jobs_most_are_plain_and_every_sort_has_its_share() -> None:
    sorts = Counter(job.sort for job in build_stream(7, 200, 300))
    assert {sort: sorts[sort] for sort in SHARES} == {s: 2 * n for s, n in SHARES.items()}
    assert sorts[Sort.PLAIN] > 100


@pytest.mark.parametrize("jobs", [1, 5, 10, 20, 199])
def test_there_are_as_many_as_asked_for_spread_over_the_time(jobs: int) -> None:
    stream = build_stream(3, jobs, 60)
    assert len({job.name for job in stream}) == len(stream) == jobs
    moments = [job.at_seconds for job in stream]
    assert moments == sorted(moments)
    assert 0 <= moments[0] <= moments[-1] <= 60


@pytest.mark.parametrize("job", build_stream(7, 20, 60), ids=lambda job: job.sort.name)
def test_every_job_is_one_that_the_api_takes_and_writes_to_a_folder_of_its_own(job) -> None:  # type: ignore[no-untyped-def]
    spec = VideoJobSpec.model_validate(job.spec)
    assert [one.key for one in spec.inputs] == list(job.films)
    assert spec.output.prefix == f"results/{job.name}/"
    assert all(phase.is_terminal for phase in job.phases)
    bad = {Film.NO_FILM, Film.MISSING} & set(job.films)
    assert bool(spec.steps) != bool(spec.template_ref)
    assert bool(bad) == (Phase.SUCCEEDED not in job.phases or job.sort is Sort.TOLERANT)
