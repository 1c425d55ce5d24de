"""Limits are read where they are, and never guessed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from videojob_worker.budget import read_budget


def write(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_the_downward_api_comes_first(tmp_path: Path):
    cgroup = write(tmp_path, cpu_dot_max="100000 100000", memory_dot_max="1")
    environment = {"VIDEOJOB_CPU_LIMIT": "3", "VIDEOJOB_MEMORY_LIMIT_BYTES": "2147483648"}
    budget = read_budget(tmp_path, environment, cgroup)
    assert (budget.threads, budget.memory_bytes) == (3, 2 << 30)
    assert budget.scratch_bytes is not None
    assert budget.scratch_bytes > 0


def test_scratch_space_is_the_volumes_and_not_the_disks(tmp_path: Path):
    budget = read_budget(tmp_path, {"VIDEOJOB_SCRATCH_LIMIT_BYTES": "4096"}, tmp_path)
    assert budget.scratch_bytes == 4096
    assert budget.less_scratch(4000).scratch_bytes == 96
    assert budget.less_scratch(5000).scratch_bytes == 0
    assert budget.scratch_limit_bytes == 4096
    assert budget.less_scratch(4000).scratch_limit_bytes == 96


def test_a_limit_beyond_what_is_free_is_no_help(tmp_path: Path):
    most = str(1 << 59)
    budget = read_budget(tmp_path, {"VIDEOJOB_SCRATCH_LIMIT_BYTES": most}, tmp_path)
    assert budget.scratch_bytes is not None
    assert budget.scratch_bytes <= shutil.disk_usage(tmp_path).total
    assert budget.scratch_limit_bytes == 1 << 59
    assert read_budget(tmp_path, {}, tmp_path).scratch_limit_bytes is None


@pytest.mark.parametrize(
    ("quota", "threads"), [("150000 100000", 2), ("20000 100000", 1), ("400000 100000", 4)]
)
def test_then_the_quota_of_version_2(tmp_path: Path, quota: str, threads: int):
    cgroup = write(tmp_path, cpu_dot_max=quota + "\n", memory_dot_max="1073741824\n")
    budget = read_budget(tmp_path, {}, cgroup)
    assert (budget.threads, budget.memory_bytes) == (threads, 1 << 30)


def test_then_the_quota_of_version_1(tmp_path: Path):
    cgroup = write(
        tmp_path,
        cpu__cpu_dot_cfs_quota_us="250000",
        cpu__cpu_dot_cfs_period_us="100000",
        memory__memory_dot_limit_in_bytes="536870912",
    )
    assert read_budget(tmp_path, {}, cgroup).threads == 3
    assert read_budget(tmp_path, {}, cgroup).memory_bytes == 512 << 20


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"cpu_dot_max": "max 100000", "memory_dot_max": "max"},
        {
            "cpu__cpu_dot_cfs_quota_us": "-1",
            "cpu__cpu_dot_cfs_period_us": "100000",
            "memory__memory_dot_limit_in_bytes": "9223372036854771712",
        },
    ],
)
def test_without_limits_the_cores_we_may_run_on(tmp_path: Path, files: dict[str, str]):
    budget = read_budget(tmp_path, {"VIDEOJOB_CPU_LIMIT": "many"}, write(tmp_path, **files))
    assert budget.threads == len(os.sched_getaffinity(0))
    assert budget.memory_bytes is None
