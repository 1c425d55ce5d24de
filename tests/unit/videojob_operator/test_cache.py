"""The newest copy of everything, whatever the order in which copies arrive."""

from __future__ import annotations

from typing import Any

import pytest
from builders import KEY, UID, a_job_body, a_pod_body, a_videojob_body, an_ended_pod

from videojob_operator.cache import Cache
from videojob_operator.observed import Key


def a_videojob_at(version: int, uid: str = UID) -> dict[str, Any]:
    return a_videojob_body(version=version, uid=uid)


def a_job_at(version: int, uid: str = "job-1") -> dict[str, Any]:
    body = a_job_body(uid=uid)
    body["metadata"]["resourceVersion"] = str(version)
    return body


def version_of(body: dict[str, Any] | None) -> str | None:
    return body["metadata"]["resourceVersion"] if body else None


def test_a_newer_copy_replaces_an_older_one() -> None:
    cache = Cache()
    assert cache.put_videojob(a_videojob_at(9)) == KEY
    cache.put_videojob(a_videojob_at(10))
    assert version_of(cache.videojob(KEY)) == "10"


def test_an_event_that_comes_late_does_not_replace_what_we_wrote_ourselves() -> None:
    cache = Cache()
    cache.put_videojob(a_videojob_at(10))
    cache.put_videojob(a_videojob_at(9))
    assert version_of(cache.videojob(KEY)) == "10"


def test_versions_are_compared_as_numbers() -> None:
    cache = Cache()
    cache.put_videojob(a_videojob_at(99))
    cache.put_videojob(a_videojob_at(100))
    assert version_of(cache.videojob(KEY)) == "100"


def test_an_object_made_anew_under_the_same_name_is_another_one() -> None:
    cache = Cache()
    cache.put_videojob(a_videojob_at(5, "old"))
    cache.put_videojob(a_videojob_at(10, "new"))
    found = cache.videojob(KEY)
    assert found is not None
    assert found["metadata"]["uid"] == "new"


def test_an_object_that_was_replaced_does_not_come_back_with_a_late_event() -> None:
    cache = Cache()
    cache.put_videojob(a_videojob_at(10, "new"))
    assert cache.put_videojob(a_videojob_at(9, "old")) == KEY
    found = cache.videojob(KEY)
    assert found is not None
    assert found["metadata"]["uid"] == "new"


def test_the_end_of_the_old_one_does_not_take_the_new_one_along() -> None:
    cache = Cache()
    cache.put_videojob(a_videojob_at(10, "new"))
    assert cache.drop_videojob(a_videojob_at(9, "old")) is None
    assert cache.videojob(KEY) is not None
    assert cache.drop_videojob(a_videojob_at(10, "new")) == KEY
    assert cache.videojob(KEY) is None


def test_dropping_what_is_not_there_is_no_error() -> None:
    cache = Cache()
    assert cache.drop_videojob(a_videojob_at(1)) == KEY
    assert cache.drop_job(a_job_at(1)) == KEY
    assert cache.drop_pod(a_pod_body()) is None


def test_jobs_are_found_by_their_videojob() -> None:
    cache = Cache()
    assert cache.put_job(a_job_at(1)) == KEY
    cache.put_job(a_job_body(number=2, uid="job-2"))
    assert {job["metadata"]["uid"] for job in cache.jobs_of(UID)} == {"job-1", "job-2"}
    assert cache.jobs_of("another") == ()
    assert {job["metadata"]["uid"] for job in cache.jobs()} == {"job-1", "job-2"}


def test_a_forged_job_of_another_namespace_does_not_take_the_place_of_ours() -> None:
    cache = Cache()
    ours, forged = a_job_at(1), a_job_at(99999, "forged")
    forged["metadata"]["namespace"] = "intruder"
    cache.put_job(ours)
    cache.put_job(forged)
    assert ours in cache.jobs_of(UID)
    cache.drop_job(forged)
    assert cache.jobs_of(UID) == (ours,)


def test_an_older_copy_of_a_job_is_passed_over() -> None:
    cache = Cache()
    cache.put_job(a_job_at(5))
    cache.put_job(a_job_at(4))
    assert [version_of(job) for job in cache.jobs_of(UID)] == ["5"]


def test_a_job_is_dropped_by_its_uid() -> None:
    cache = Cache()
    cache.put_job(a_job_at(5, "second"))
    cache.drop_job(a_job_at(6, "first"))
    assert len(cache.jobs_of(UID)) == 1
    assert cache.drop_job(a_job_at(6, "second")) == KEY
    assert cache.jobs_of(UID) == ()
    assert cache.jobs() == []


def test_a_waiting_pod_leads_to_its_videojob_through_its_job() -> None:
    cache = Cache()
    pod = a_pod_body()
    assert cache.put_pod(pod) is None  # its Job is not known yet
    cache.put_job(a_job_at(1))
    assert cache.put_pod(pod) == KEY
    assert cache.pods_of(UID) == (pod,)
    assert cache.drop_pod(pod) == KEY
    assert cache.pods_of(UID) == ()


def test_a_pod_that_ended_by_itself_stays_for_what_it_says_until_it_is_forgotten() -> None:
    cache = Cache()
    cache.put_videojob(a_videojob_at(1))
    cache.put_job(a_job_at(1))
    cache.put_pod(a_pod_body(phase="Running"))
    assert cache.pods() == list(cache.pods_of(UID))
    ended = an_ended_pod(0, "words")
    ended["metadata"]["resourceVersion"] = "21"
    assert cache.drop_pod(ended) == KEY
    assert cache.pods_of(UID) == (ended,)
    cache.forget_pods(UID)
    cache.forget_pods("another")
    assert cache.pods_of(UID) == ()


def test_a_pod_that_ended_goes_with_its_job_and_another_jobs_stays() -> None:
    """Where a store refuses there is one Job after the other, for as long as a day."""
    cache = Cache()
    cache.put_videojob(a_videojob_at(1))
    for number in (1, 2):
        cache.put_job(a_job_body(number=number, uid=f"job-{number}"))
        cache.drop_pod(an_ended_pod(44, name=f"pod-{number}", job_uid=f"job-{number}"))
    assert len(cache.pods()) == 2
    cache.drop_job(a_job_body(number=1, uid="job-1"))
    assert [pod["metadata"]["name"] for pod in cache.pods()] == ["pod-2"]


@pytest.mark.parametrize("uid", [None, "a successor of that name"])
def test_a_pod_that_ended_does_not_outlive_its_videojob(uid: str | None) -> None:
    cache = Cache()
    if uid:
        cache.put_videojob(a_videojob_at(1, uid))
    cache.put_job(a_job_at(1))
    cache.put_pod(a_pod_body(phase="Running"))
    assert cache.drop_pod(an_ended_pod(0, "words")) == KEY
    assert cache.pods_of(UID) == ()


def test_a_pod_of_another_job_leads_nowhere() -> None:
    cache = Cache()
    cache.put_job(a_job_at(1))
    assert cache.put_pod(a_pod_body(job_uid="another")) is None


def test_jobs_that_name_each_other_as_owner_lead_nowhere() -> None:
    cache = Cache()
    for one, other in (("a", "b"), ("b", "a")):
        job = a_job_at(1, one)
        job["metadata"]["name"] = one
        job["metadata"]["ownerReferences"] = [{"kind": "Job", "uid": other, "controller": True}]
        assert cache.put_job(job) is None


def test_what_carries_no_label_of_ours_is_left_out() -> None:
    cache = Cache()
    job = a_job_at(1)
    del job["metadata"]["labels"]
    assert cache.put_job(job) is None
    assert cache.drop_job(job) is None
    assert cache.jobs() == []


def test_a_job_that_is_owned_by_another_than_its_label_says_leads_nowhere() -> None:
    job = a_job_at(1)
    job["metadata"]["ownerReferences"][0]["uid"] = "another"
    assert Cache().put_job(job) is None


def test_managed_fields_take_no_memory() -> None:
    cache = Cache()
    body = a_videojob_at(1)
    body["metadata"]["managedFields"] = [{"big": "x" * 1000}]
    cache.put_videojob(body)
    assert "managedFields" not in dict(cache.videojobs())[Key(*KEY)].body["metadata"]
    job = a_job_at(1)
    job["metadata"]["managedFields"] = [{}]
    cache.put_job(job)
    assert "managedFields" not in cache.jobs_of(UID)[0]["metadata"]
