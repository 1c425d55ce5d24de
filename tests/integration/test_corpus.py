"""Three hundred bad files, each worked on by a worker that is watched: see ``corpus``.

``make test`` runs those that no other one is like, ``make test-full`` all of them, and ``make fuzz``
goes on from there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from pathlib import Path

import pytest
from assets import Clips
from corpus.bases import TS
from corpus.fuzz import work_through
from corpus.hostile import hostile, pointing_elsewhere
from corpus.lab import Lab
from corpus.specimens import Specimen, mutant, mutants
from unconfined import unconfine

from videojob_worker.errors import WorkerError
from videojob_worker.ffmpeg import Tools

pytestmark = pytest.mark.ffmpeg

COUNT = 300
SEED = 2026
SAMPLED_MUTANTS = 40
TAUGHT_MUTANTS = (54, 111)
"""Those of which something wrong was said once: sound without time, a track without packets."""
UNCONFINED = (str(Path(__file__).parents[1] / "unconfined.py"),)


def corpus() -> tuple[Specimen, ...]:
    """All three hundred: the hand-made ones, and mutants."""
    made = hostile()
    return (*made, *islice(mutants(SEED), COUNT - len(made)))


def look_at(
    specimens: Iterable[Specimen], clips: Clips, folder: Path, program: tuple[str, ...] = ()
) -> Counter[str]:
    """Fail if anything happened that should not; how often what was said."""
    found, said = {}, Counter[str]()
    for looked in work_through(specimens, clips, folder, at_once=2, program=program):
        said[looked.outcome.said] += 1
        if looked.outcome.findings:
            found[looked.specimen.name] = (*looked.outcome.findings, looked.outcome.message)
    assert found == {}
    return said


def test_it_is_large_enough_and_no_name_is_there_twice():
    names = [specimen.name for specimen in corpus()]
    assert len(names) == len(set(names)) == COUNT


def test_a_mutant_is_the_same_each_time(clips: Clips, tmp_path: Path):
    from corpus.specimens import Kit

    kit = Kit(clips, tmp_path, 1)
    for number in (0, 7, 40):
        assert mutant(9, number).make(kit) == mutant(9, number).make(kit)
        assert mutant(9, number).make(kit) != mutant(10, number).make(kit)


def test_a_part_of_the_corpus(clips: Clips, tmp_path: Path):
    pointing = {specimen.name for specimen in pointing_elsewhere()}
    others = [specimen for specimen in hostile() if specimen.name not in pointing]
    sampled = (*islice(mutants(SEED), SAMPLED_MUTANTS), *(mutant(SEED, n) for n in TAUGHT_MUTANTS))
    said = look_at((*others, *sampled), clips, tmp_path)
    assert said["Succeeded"] > 30
    assert said.total() - said["Succeeded"] > 50


def test_whitelists_alone_keep_ffmpeg_from_what_a_file_points_to(clips: Clips, tmp_path: Path):
    """Without Landlock and with sockets: there are kernels that have no Landlock."""
    said = look_at(pointing_elsewhere(), clips, tmp_path, UNCONFINED)
    assert said["UnsupportedFormat"] > 30


@pytest.mark.long
def test_all_of_the_corpus(clips: Clips, tmp_path: Path):
    assert look_at(corpus(), clips, tmp_path).total() == COUNT


def test_the_lures_do_tell(
    clips: Clips, tmp_path: Path, tools: Tools, monkeypatch: pytest.MonkeyPatch
):
    """What is watched for is seen when it happens, and unconfined is what it says."""
    from videojob_worker import sandbox

    for name in ("landlock_abi", "DENIED"):
        monkeypatch.setattr(sandbox, name, getattr(sandbox, name))
    lab = Lab(tmp_path)
    try:
        lab.place_canaries(clips.path(TS).read_bytes())
        canary = str(lab.canaries / "canary.ts")
        url = f"http://127.0.0.1:{lab.port}/canary.ts"

        def ask_for(what: str) -> list[str]:
            with suppress(WorkerError):
                tools.run(["ffprobe", "-rw_timeout", "100000", what], timeout_seconds=20)
            return lab.disturbed()

        assert ask_for(url) == []
        unconfine()
        assert ask_for(canary) == ["another file was opened"]
        assert ask_for(url) == ["the network was reached"]
    finally:
        lab.close()
