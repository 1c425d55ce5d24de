"""The filter of system calls, interpreted as the kernel would, for both processors."""

from __future__ import annotations

import pytest

from videojob_worker.sandbox import build_filter
from videojob_worker.syscalls import ARCHITECTURES, DENIED, Architecture

ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050000, 0x80000000
KNOWN = {"pid": 42, "address_low": 0x1234, "address_high": 0x20}


def judge(arch: Architecture, number: int, *arguments: int, audit: int | None = None) -> int:
    """What the filter says to one call."""
    wide = [*arguments, *[0] * (6 - len(arguments))]
    data = {0: number, 4: arch.audit if audit is None else audit}
    data |= {16 + 8 * i: value & 0xFFFFFFFF for i, value in enumerate(wide)}
    data |= {20 + 8 * i: value >> 32 for i, value in enumerate(wide)}
    program, at, value = build_filter(arch), 0, 0
    while True:
        code, yes, no, operand = program[at]
        k = KNOWN[operand] if isinstance(operand, str) else operand
        at += 1
        if code == 0x20:
            value = data[k]
        elif code == 0x06:
            return k
        else:
            true = {0x15: value == k, 0x35: value >= k, 0x45: bool(value & k)}[code]
            at += yes if true else no


@pytest.fixture(params=ARCHITECTURES)
def arch(request: pytest.FixtureRequest) -> Architecture:
    return ARCHITECTURES[request.param]


def test_what_parsers_do_is_allowed(arch: Architecture):
    for number in (0, 1, 3, 9, 12, 63, 64, 202, 257, 439):
        if number not in arch.numbers.values():
            assert judge(arch, number) == ALLOW


def test_everything_on_the_list_fails(arch: Architecture):
    for name in DENIED:
        if name in arch.numbers:
            expected = ERRNO | (13 if name == "socket" else 1)
            assert judge(arch, arch.numbers[name]) == expected, name
    assert {"socket", "ptrace", "mount", "bpf", "io_uring_setup"} <= set(arch.numbers)


def test_threads_but_no_processes(arch: Architecture):
    clone = arch.numbers["clone"]
    assert judge(arch, clone, 0x3D0F00) == ALLOW
    assert judge(arch, clone, 17) == ERRNO | 1
    assert judge(arch, arch.numbers["clone3"]) == ERRNO | 38


def test_one_program_only(arch: Architecture):
    execve = arch.numbers["execve"]
    assert judge(arch, execve, 0x20_00001234) == ALLOW
    assert judge(arch, execve, 0x21_00001234) == KILL
    assert judge(arch, execve, 0x20_00001235) == KILL


def test_signals_and_limits_of_its_own_only(arch: Architecture):
    assert judge(arch, arch.numbers["tgkill"], 42, 43, 6) == ALLOW
    assert judge(arch, arch.numbers["tgkill"], 1, 1, 9) == ERRNO | 1
    assert judge(arch, arch.numbers["prlimit64"], 0, 7, 0, 0x7FFF_0000_0000) == ALLOW
    assert judge(arch, arch.numbers["prlimit64"], 0, 7, 0x7FFF_0000_0000) == ERRNO | 1
    assert judge(arch, arch.numbers["prctl"], 15) == ALLOW
    assert judge(arch, arch.numbers["prctl"], 1) == ERRNO | 1


def test_no_file_is_set_to_send_signals(arch: Architecture):
    fcntl = arch.numbers["fcntl"]
    for command in (0, 1, 2, 3, 4, 1030):  # duplicating, flags, as everybody does
        assert judge(arch, fcntl, 1, command) == ALLOW
    for command in (8, 10, 15):
        assert judge(arch, fcntl, 1, command, 1) == ERRNO | 1


def test_another_calling_convention_is_deadly(arch: Architecture):
    assert judge(arch, 0, audit=0x40000003) == KILL
    if arch.foreign_from is not None:
        assert judge(arch, arch.foreign_from + 1) == KILL
