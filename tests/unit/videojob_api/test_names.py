"""Names that both sides must agree on."""

from __future__ import annotations

import random
import re
import string

import pytest

from videojob_api import names
from videojob_api.status import Phase

UID = "0f8fad5b-d9cb-469f-a165-70867728950e"
_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


def some_names() -> list[str]:
    chance = random.Random(3)  # noqa: S311 (a seeded test)
    letters = string.ascii_lowercase + string.digits
    made = [
        "a",
        "keynote",
        "a.b.c",
        "a" * 253,
        "a" * 45 + "-b",
        "a" * 45 + ".b",
        "1" + "-" * 60 + "1",
    ]
    for _ in range(200):
        middle = "".join(chance.choices(letters + "-.", k=chance.randrange(0, 250)))
        made.append(chance.choice(letters) + middle + chance.choice(letters))
    return made


@pytest.mark.parametrize("attempt", [1, 12, 2001])
def test_child_names_leave_room_for_an_index_and_are_dns_labels(attempt: int) -> None:
    for name in some_names():
        child = names.child_name(name, UID, run=1, attempt=attempt)
        assert len(child) <= 46 + 1 + 8
        assert (
            len(f"{child}-499-abcde") <= 63 + 2
        )  # the API server cuts the stem of the random part
        assert _DNS_LABEL.fullmatch(child), child


def test_child_names_are_the_same_every_time() -> None:
    assert names.child_name("keynote", UID, 1, 1) == names.child_name("keynote", UID, 1, 1)
    assert names.child_name("keynote", UID, 1, 1) == "keynote-a107964d"


def test_child_names_differ_by_uid_run_and_attempt() -> None:
    made = {
        names.child_name("keynote", uid, run, attempt)
        for uid in (UID, UID.replace("0", "1"))
        for run in (1, 2)
        for attempt in range(1, 20)
    }
    assert len(made) == 2 * 2 * 19


def test_names_that_are_cut_to_the_same_stem_still_differ_by_their_uid() -> None:
    long = "x" * 60
    assert names.child_name(long + "a", "uid-a", 1, 1) != names.child_name(
        long + "b", "uid-b", 1, 1
    )


def test_every_phase_is_either_an_end_or_selected_as_unfinished() -> None:
    left_out = {part.partition("!=")[2] for part in names.UNFINISHED.split(",")}
    assert left_out == {str(phase) for phase in Phase if phase.is_terminal}


def test_each_videojob_has_its_own_audience() -> None:
    assert names.reports_audience(UID) == f"videojob.dev/{UID}"


def test_the_manifest_of_an_input_is_at_a_predictable_key() -> None:
    assert names.input_folder("results/", "in") == "results/in/"
    assert names.manifest_key("results/", "in") == "results/in/manifest.json"
