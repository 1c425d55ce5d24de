"""The sandbox of ffmpeg and ffprobe: what a child that parses untrusted media may do.

``ffmpeg.Tools`` wraps every command in it. This module says what is allowed, as plain data;
``sandbox_exec.py``, a process of its own between us and the child, enforces it. It must not start
anything itself.

The filter of system calls is assembled here by hand instead of by libseccomp: it is a page of
code, it works on a machine without that library, and it takes part of a millisecond.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import marshal
import os
import platform
import resource
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .syscalls import ARCHITECTURES, DENIED, Architecture

_HELPER = Path(__file__).with_name("sandbox_exec.py")
_MAX_OPEN_FILES = 1024
_PR_SET_DUMPABLE = 4

# Landlock's rights on files, in the order of their bits.
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_DIR, _REMOVE_FILE = (1 << i for i in range(6))
_MAKE_DIR, _MAKE_REGULAR, _REFER, _TRUNCATE = 1 << 7, 1 << 8, 1 << 13, 1 << 14
_READ = _READ_FILE | _READ_DIR
_WRITE = _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REGULAR | _REFER | _TRUNCATE
_RIGHTS_OF_ABI = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""ABI version → how many rights on files it knows."""

_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache")
_LOADERS = ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1")
_GPU_READ = ("/proc", "/sys", "/usr/share/nvidia", "/etc/OpenCL")

# The classic BPF of seccomp.
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO, _KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
_CLONE_THREAD = 0x10000
_SETS_OWNER = (8, 10, 15)
"""``fcntl``: F_SETOWN, F_SETSIG, F_SETOWN_EX."""
Instruction = tuple[int, int, int, int | str]


@dataclass(frozen=True)
class Sandbox:
    """What children may use beyond the CPU."""

    writable: Path
    """The one folder that they may read, write and make files in."""
    readable: tuple[Path, ...] = ()
    """What they may read besides the system's libraries; the sandbox's own tests run Python in it."""
    threads: int = 1
    """Scales the CPU time that a wall-clock limit allows."""
    memory_bytes: int | None = None
    """Memory of the container; a child's address space is bounded a little above it."""
    file_bytes: int | None = None
    """Largest file that they may write."""
    gpu: bool = False
    """Whether they may reach the NVIDIA devices; lifts the bound on address space."""

    def wrap(
        self,
        path: Path,
        argv: Sequence[str],
        *,
        timeout_seconds: float,
        data_bytes: int | None = None,
    ) -> list[str]:
        """The command that runs a program inside the sandbox.

        Args:
            path: the program.
            argv: its arguments, its name first.
            timeout_seconds: wall-clock limit, from which the limit on CPU time follows.
            data_bytes: most memory that it may write to; the kernel gives it no more.

        Raises:
            OSError: on a processor that the sandbox doesn't know.
        """
        abi = landlock_abi()
        policy = {
            "parent": os.getpid(),
            "limits": self._limits(timeout_seconds, data_bytes),
            "landlock": _build_ruleset(abi),
            "rules": [(str(p), rights & _rights(abi)) for p, rights in self._rules(path)],
            "filter": build_filter(_architecture()),
        }
        helper = [sys.executable, "-I", "-S", str(_HELPER)]
        return [*helper, marshal.dumps(policy).hex(), str(path), *argv]

    def _limits(self, timeout_seconds: float, data_bytes: int | None) -> list[tuple[int, int, int]]:
        cpu_seconds = int(timeout_seconds * self.threads) + 10
        limits = [
            (resource.RLIMIT_CORE, 0, 0),
            (resource.RLIMIT_CPU, cpu_seconds, cpu_seconds + 5),
            (resource.RLIMIT_NOFILE, _MAX_OPEN_FILES, _MAX_OPEN_FILES),
        ]
        if data_bytes is not None:
            limits.append((resource.RLIMIT_DATA, data_bytes, data_bytes))
        if self.file_bytes is not None:
            limits.append((resource.RLIMIT_FSIZE, self.file_bytes, self.file_bytes))
        if self.memory_bytes is not None and not self.gpu:
            # Address space that is reserved but never touched: libraries, stacks and arenas.
            room = self.memory_bytes + (1 << 30) + self.threads * (192 << 20)
            limits.append((resource.RLIMIT_AS, room, room))
        return limits

    def _rules(self, program: Path) -> list[tuple[Path | str, int]]:
        devices = [("/dev/null", _READ | _WRITE), ("/dev/zero", _READ), ("/dev/urandom", _READ)]
        rules: list[tuple[Path | str, int]] = [
            (self.writable, _READ | _WRITE),
            (program.resolve(), _READ | _EXECUTE),
            *((path, _READ) for path in _LIBRARIES),
            *((path, _READ | _EXECUTE) for path in _LOADERS),
            *devices,
            *((path, _READ) for path in self.readable),
        ]
        if self.gpu:
            rules += [(path, _READ) for path in _GPU_READ]
            rules += [(p, _READ | _WRITE | 1 << 15) for p in Path("/dev").glob("nvidia*")]
        return rules


def hide_from_children() -> None:
    """Make this process undumpable: no other of its user can read its memory or environment."""
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def describe() -> dict[str, str]:
    """What protects us on this machine, for the log: nothing is missing silently."""
    abi = landlock_abi()
    return {"seccomp": "on", "landlock": f"ABI {abi}" if abi else "unavailable"}


@functools.cache
def landlock_abi() -> int:
    """Version of the kernel's Landlock, 0 where there is none."""
    return max(0, int(ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1)))


def _rights(abi: int) -> int:
    return (1 << _RIGHTS_OF_ABI.get(abi, 16)) - 1


def _build_ruleset(abi: int) -> bytes:
    """The kernel's ``landlock_ruleset_attr``: all that the ABI can deny is denied."""
    if abi == 0:
        return b""
    files, network, scopes = _rights(abi), 0b11, 0b11
    if abi < 4:
        return struct.pack("=Q", files)
    if abi < 6:
        return struct.pack("=QQ", files, network)
    return struct.pack("=QQQ", files, network, scopes)


def _architecture() -> Architecture:
    machine = platform.machine()
    if machine not in ARCHITECTURES:
        known = " and ".join(ARCHITECTURES)
        raise OSError(f"the sandbox knows {known}, not {machine}")
    return ARCHITECTURES[machine]


def build_filter(arch: Architecture) -> list[Instruction]:
    """The seccomp program: everything is allowed but what no parser of media needs.

    - No sockets of any family, no new processes (threads are fine; ``clone3``, whose flags can't
      be looked at, is said not to exist, so that glibc falls back to ``clone``).
    - ``execve`` only of the path at the one random address where the helper put it. The program
      has another address space by then; a wrong guess kills it.
    - Signals only to itself, and none by files that become ready; limits can be read but not set; the
      tie to its parent stays.
    - No links, since we follow paths in the scratch folder afterwards; no modes, owners, attributes
      and times of files, which Landlock leaves alone.
    """
    numbers = arch.numbers
    program: list[Instruction] = [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 1, 0, arch.audit),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD, 0, 0, 0),
    ]
    if arch.foreign_from is not None:
        program += [(_AT_LEAST, 0, 1, arch.foreign_from), (_RETURN, 0, 0, _KILL_PROCESS)]

    def rule(name: str, *block: Instruction) -> None:
        program.extend([(_EQUAL, 0, len(block), numbers[name]), *block])

    def refuse(error: int) -> Instruction:
        return (_RETURN, 0, 0, _ERRNO | error)

    allow: Instruction = (_RETURN, 0, 0, _ALLOW)
    rule("clone3", refuse(errno.ENOSYS))
    rule("clone", (_LOAD, 0, 0, 16), (_ANY_BIT, 0, 1, _CLONE_THREAD), allow, refuse(errno.EPERM))
    rule(
        "execve",
        (_LOAD, 0, 0, 16),
        (_EQUAL, 0, 3, "address_low"),
        (_LOAD, 0, 0, 20),
        (_EQUAL, 0, 1, "address_high"),
        allow,
        (_RETURN, 0, 0, _KILL_PROCESS),
    )
    rule("tgkill", (_LOAD, 0, 0, 16), (_EQUAL, 0, 1, "pid"), allow, refuse(errno.EPERM))
    rule(
        "prlimit64",
        (_LOAD, 0, 0, 32),
        (_EQUAL, 0, 3, 0),
        (_LOAD, 0, 0, 36),
        (_EQUAL, 0, 1, 0),
        allow,
        refuse(errno.EPERM),
    )
    # A file can be told to send any signal to any process of the user when it is ready.
    sets_owner = [(_EQUAL, 0, 1, command) for command in _SETS_OWNER]
    rule(
        "fcntl",
        (_LOAD, 0, 0, 24),
        *(step for check in sets_owner for step in (check, refuse(errno.EPERM))),
        allow,
    )
    rule("prctl", (_LOAD, 0, 0, 16), (_EQUAL, 0, 1, 1), refuse(errno.EPERM), allow)
    for name in DENIED:
        if name in numbers:
            rule(name, refuse(errno.EACCES if name == "socket" else errno.EPERM))
    return [*program, allow]
