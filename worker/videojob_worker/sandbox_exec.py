"""The exec helper: puts itself into the sandbox, then becomes the program it was asked to run.

Started by ``sandbox.Sandbox.wrap`` as a script in a bare interpreter, between the worker and
ffmpeg; it is never imported. It must stay free of imports that cost time, and it must not go on
when a protection that the kernel offers can't be set.

Its first argument is the policy (marshal, as hex), the second the path of the program, the others
the program's argv.
"""

import _signal  # type: ignore[import-not-found]
import ctypes
import marshal
import mmap
import os
import resource
import struct
import sys

SETUP_FAILED = 125
_LIBC = ctypes.CDLL(None, use_errno=True)
_LANDLOCK_CREATE_RULESET, _LANDLOCK_ADD_RULE, _LANDLOCK_RESTRICT_SELF = 444, 445, 446
_LANDLOCK_RULE_PATH_BENEATH = 1
_LANDLOCK_FILE_ACCESS = 0b1100_0000_0000_0111
"""Execute, write, read, truncate, ioctl: the rights that a rule about a plain file may name."""
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_SECCOMP_MODE_FILTER = 2
_CAPABILITY_VERSION_3 = 0x20080522
_MAP_FIXED_NOREPLACE = 0x100000


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def _call(what: str, result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")
    return result


def _prctl(what: str, option: int, *arguments: object) -> None:
    wide = [ctypes.c_ulong(a) if isinstance(a, int) else a for a in arguments]
    wide += [ctypes.c_ulong(0)] * (4 - len(wide))
    _call(what, _LIBC.prctl(option, *wide))


def _die_with_parent(parent: int) -> None:
    _prctl("parent death signal", _PR_SET_PDEATHSIG, int(_signal.SIGKILL))
    if os.getppid() != parent:
        raise OSError("the worker is gone")


def _limit(limits: list[tuple[int, int, int]]) -> None:
    for kind, soft, hard in limits:
        _, most = resource.getrlimit(kind)
        if most != resource.RLIM_INFINITY:
            hard = min(hard, most) if hard != resource.RLIM_INFINITY else most
        soft = hard if soft == resource.RLIM_INFINITY else min(soft, hard)
        if hard == resource.RLIM_INFINITY:
            soft = hard
        resource.setrlimit(kind, (soft, hard))


def _drop_capabilities() -> None:
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    _call("capset", _LIBC.capset(ctypes.create_string_buffer(header), b"\0" * 24))


def _restrict_files(attributes: bytes, rules: list[tuple[str, int]]) -> None:
    ruleset = _call(
        "landlock", _LIBC.syscall(_LANDLOCK_CREATE_RULESET, attributes, len(attributes), 0)
    )
    for path, access in rules:
        try:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        if os.stat(descriptor).st_mode & 0o170000 != 0o040000:
            access &= _LANDLOCK_FILE_ACCESS
        rule = struct.pack("=Qi", access, descriptor)
        _call(
            f"landlock rule for {path}",
            _LIBC.syscall(_LANDLOCK_ADD_RULE, ruleset, _LANDLOCK_RULE_PATH_BENEATH, rule, 0),
        )
        os.close(descriptor)
    _call("landlock restrict", _LIBC.syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0))


def _hide(path: str) -> int:
    """Put the program's path at an address that nothing can guess: see ``sandbox.build_filter``."""
    _LIBC.mmap.restype = ctypes.c_void_p
    page = int.from_bytes(os.urandom(4), "little") >> 6 << 12 | 1 << 37
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_FIXED_NOREPLACE
    protection = mmap.PROT_READ | mmap.PROT_WRITE
    got = _LIBC.mmap(
        ctypes.c_void_p(page), ctypes.c_size_t(8192), protection, flags, -1, ctypes.c_long(0)
    )
    if got != page:
        raise OSError("no room for the path of the program")
    raw = os.fsencode(path) + b"\0"
    address = page + int.from_bytes(os.urandom(2), "little") % (8192 - len(raw))
    ctypes.memmove(address, raw, len(raw))
    return address


def _filter_calls(program: list[tuple[int, int, int, int | str]], address: int) -> None:
    known = {
        "pid": os.getpid(),
        "address_low": address & 0xFFFFFFFF,
        "address_high": address >> 32,
    }
    raw = b"".join(
        struct.pack("=HBBI", code, yes, no, known[k] if isinstance(k, str) else k)
        for code, yes, no, k in program
    )
    descriptor = _FilterProgram(len(program), raw)
    _prctl("seccomp", _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(descriptor))


def main() -> None:
    """Enter the sandbox and become the program."""
    policy = marshal.loads(bytes.fromhex(sys.argv[1]))  # noqa: S302 (from our own parent)
    path, arguments = sys.argv[2], sys.argv[3:]
    os.closerange(3, 1 << 20)
    _die_with_parent(policy["parent"])
    for number in (_signal.SIGPIPE, _signal.SIGXFSZ, _signal.SIGINT):
        _signal.signal(number, _signal.SIG_DFL)
    _limit(policy["limits"])
    _prctl("no_new_privs", _PR_SET_NO_NEW_PRIVS, 1)
    _drop_capabilities()
    if policy["landlock"]:
        _restrict_files(policy["landlock"], policy["rules"])
    argv = (ctypes.c_char_p * (len(arguments) + 1))(*map(os.fsencode, arguments), None)
    environment = (ctypes.c_char_p * 1)(None)
    address = _hide(path)
    _filter_calls(policy["filter"], address)
    _LIBC.execve(ctypes.c_void_p(address), argv, environment)
    raise OSError(ctypes.get_errno(), f"{path}: {os.strerror(ctypes.get_errno())}")


try:
    main()
except Exception as problem:
    os.write(2, f"videojob-sandbox: {problem}\n".encode())
    os._exit(SETUP_FAILED)
