"""Tries to break out of the sandbox, from the inside: a child that does as an attacker would."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from videojob_worker import sandbox
from videojob_worker.ffmpeg import Tools
from videojob_worker.sandbox import Sandbox, landlock_abi
from videojob_worker.scratch import Scratch
from videojob_worker.syscalls import ARCHITECTURES, DENIED

pytestmark = pytest.mark.ffmpeg
PYTHON = Path(sys.executable).resolve()
needs_landlock = pytest.mark.skipif(
    landlock_abi() == 0, reason="this kernel has no Landlock: files are not confined here"
)

PRELUDE = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    result = libc.syscall(number, *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
"""
X86 = os.uname().machine == "x86_64"


def attempt(scratch: Scratch, code: str, *arguments: str, **settings: object) -> str:
    """Run Python code as a child; what it printed, or the exception or signal that ended it."""
    box = Sandbox(scratch.root, readable=(Path(sys.base_prefix),), **settings)  # type: ignore[arg-type]
    script = PRELUDE + textwrap.dedent(code)
    command = box.wrap(
        PYTHON, [str(PYTHON), "-I", "-S", "-c", script, *arguments], timeout_seconds=20
    )
    done = subprocess.run(
        command, capture_output=True, text=True, env={}, cwd=scratch.root, timeout=60
    )
    if done.returncode < 0:
        return signal.Signals(-done.returncode).name
    if done.returncode > 0:
        return done.stderr.strip().splitlines()[-1]
    return done.stdout.strip()


def test_an_honest_child_works(scratch: Scratch):
    code = """
    import threading
    with open("out/made", "w") as file: file.write("hello")
    os.rename("out/made", "out/renamed")
    box = []
    worker = threading.Thread(target=lambda: box.append(open("out/renamed").read()))
    worker.start(); worker.join()
    print(box[0])
    """
    assert attempt(scratch, code) == "hello"
    assert (scratch.out / "renamed").read_text() == "hello"


def test_the_environment_is_empty_and_no_descriptor_is_left(scratch: Scratch):
    read_end, write_end = os.pipe()
    os.set_inheritable(write_end, True)
    try:
        code = """
        alive = []
        for number in range(3, 200):
            try: os.fstat(number); alive.append(number)
            except OSError: pass
        print({k for k in os.environ if k != "LC_CTYPE"}, alive)
        """
        assert attempt(scratch, code) == "set() []"
    finally:
        os.close(read_end)
        os.close(write_end)


@pytest.mark.parametrize(
    "family", ["AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK", "AF_PACKET", "AF_VSOCK", "AF_ALG"]
)
def test_no_socket_of_any_family(scratch: Scratch, family: str):
    import socket

    number = int(getattr(socket, family))
    code = (
        f"libc.socket({number}, 1, 0) < 0 or sys.exit('made a socket'); print(ctypes.get_errno())"
    )
    assert attempt(scratch, code) == "13"


FORBIDDEN = {
    "fork": "os.fork()",
    "vfork": f"call({58 if X86 else 0xFFFF})",
    "clone": f"call({56 if X86 else 220}, 17, 0, 0, 0, 0)",
    "clone3": f"call({435}, ctypes.create_string_buffer(88), 88)",
    "execveat": f"call({322 if X86 else 281}, -100, b'/bin/true', 0, 0, 0)",
    "io_uring": "call(425, 8, ctypes.create_string_buffer(120))",
    "ptrace": f"call({101 if X86 else 117}, 16, os.getppid(), 0, 0)",
    "process_vm_readv": f"call({310 if X86 else 270}, os.getppid(), 0, 0, 0, 0, 0)",
    "pidfd_open": "call(434, os.getppid(), 0)",
    "kill the worker": "os.kill(os.getppid(), 9)",
    "tgkill the worker": f"call({234 if X86 else 131}, os.getppid(), os.getppid(), 9)",
    "mount": f"call({165 if X86 else 40}, b'none', b'/tmp', b'tmpfs', 0, 0)",
    "unshare": f"call({272 if X86 else 97}, 0x10000000)",
    "keyctl": f"call({250 if X86 else 219}, 0, -3, 1)",
    "bpf": f"call({321 if X86 else 280}, 0, 0, 0)",
    "userfaultfd": f"call({323 if X86 else 282}, 0)",
    "perf_event_open": f"call({298 if X86 else 241}, 0, 0, -1, -1, 0)",
    "raise a limit": "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (1 << 16,) * 2)",
    "outlive the worker": "print(libc.prctl(1, 0, 0, 0, 0)); raise OSError(ctypes.get_errno(), '')",
    "symbolic link": "os.symlink('/etc/passwd', 'out/innocent.mp4')",
    "hard link": "os.link('source', 'out/innocent.mp4')",
}


FORBIDDEN |= {
    # what the standard library itself can do
    "signal the worker by a file": "import fcntl; fcntl.fcntl(1, fcntl.F_SETOWN, os.getppid())",
    "choose the signal": "import fcntl; fcntl.fcntl(1, 10, 9)",
    "another's limit": "import resource; resource.prlimit(os.getppid(), 7, (0, 0))",
    "change a mode": "os.chmod('source', 0o4755)",
    "change an owner": "os.chown('source', 12345, 12345)",
    "change a time": "os.utime('source', (0, 0))",
    "set an attribute": "os.setxattr('source', 'user.x', b'x')",
    "become another": "os.setuid(12345)",
    "a device": "os.mknod('out/null', 0o20666, os.makedev(1, 3))",
    "a new root": "os.chroot('out')",
}
REFUSALS = (
    "PermissionError",
    "OSError: [Errno 38]",
    "OSError: [Errno 1]",
    "ValueError: not allowed to raise maximum limit",
)


@pytest.mark.parametrize("name", FORBIDDEN)
def test_forbidden_calls_fail(scratch: Scratch, name: str):
    scratch.source.write_bytes(b"film")
    ended = attempt(scratch, FORBIDDEN[name])
    assert ended.startswith(REFUSALS), ended


def test_every_call_on_the_list_fails(scratch: Scratch):
    """All of them on the real kernel, as its own numbers; what it does not have at all is no danger."""
    numbers = ARCHITECTURES[os.uname().machine].numbers
    asked = {name: numbers[name] for name in DENIED if name in numbers}
    code = f"""
    passed = []
    for name, number in {asked!r}.items():
        ctypes.set_errno(0)
        if libc.syscall(number, 0, 0, 0, 0, 0, 0) >= 0 or ctypes.get_errno() not in (1, 13):
            passed.append(name)
    print(len(passed), passed)
    """
    assert attempt(scratch, code) == "0 []"


@pytest.mark.parametrize("program", ["/bin/true", str(PYTHON)])
def test_another_program_is_never_started(scratch: Scratch, program: str):
    assert attempt(scratch, f"os.execv({program!r}, [{program!r}])") == "SIGSYS"


@pytest.mark.skipif(not X86, reason="x32 is a thing of x86-64")
def test_the_other_calling_convention_is_closed(scratch: Scratch):
    assert attempt(scratch, "call(0x40000000 + 41, 2, 1, 0)") == "SIGSYS"


@needs_landlock
@pytest.mark.parametrize(
    "path",
    [
        *("/dev", "/dev/tty", "/dev/ptmx", "/dev/mem", "/dev/kmsg", "/dev/shm", "/dev/fuse"),
        *("/proc", "/proc/1/environ", "/proc/self/mem", "/sys", "/sys/fs/cgroup", "/run", "/var"),
    ],
)
def test_no_device_and_nothing_of_the_kernel_can_be_opened(scratch: Scratch, path: str):
    if not Path(path).exists():
        pytest.skip(f"there is no {path} here")
    assert attempt(scratch, "os.open(sys.argv[1], os.O_RDONLY)", path).startswith("PermissionError")


@needs_landlock
def test_nothing_is_carried_out_of_the_scratch_folder(scratch: Scratch, tmp_path: Path):
    scratch.source.write_bytes(b"film")
    outside = str(tmp_path / "outside")
    for code in (
        "os.rename('source', sys.argv[1])",
        "os.mkdir(sys.argv[1])",
        "open(sys.argv[1], 'w')",
        "open('/dev/shm/left', 'w')",
    ):
        assert attempt(scratch, code, outside).startswith("PermissionError"), code
    assert sorted(tmp_path.iterdir()) == [scratch.root]


@needs_landlock
@pytest.mark.parametrize("path", ["/etc/passwd", "/proc/self/environ", "/root", "/tmp", "/usr/bin"])
def test_nothing_outside_can_be_read(scratch: Scratch, path: str):
    assert attempt(scratch, "os.open(sys.argv[1], os.O_RDONLY)", path).startswith("PermissionError")


@needs_landlock
def test_another_runs_scratch_can_neither_be_read_nor_written(scratch: Scratch, tmp_path: Path):
    neighbour = tmp_path / "neighbour"
    neighbour.write_text("secret")
    for flags in ("os.O_RDONLY", "os.O_WRONLY", "os.O_WRONLY | os.O_TRUNC"):
        ended = attempt(scratch, f"os.open(sys.argv[1], {flags})", str(neighbour))
        assert ended.startswith("PermissionError")
    assert attempt(scratch, "os.unlink(sys.argv[1])", str(neighbour)).startswith("PermissionError")
    assert neighbour.read_text() == "secret"


SECRETIVE = """
import os, subprocess, sys
from videojob_worker.sandbox import hide_from_children
hide_from_children()
code, path, writable = sys.argv[1:]
from pathlib import Path
from videojob_worker.sandbox import Sandbox
box = Sandbox(Path(writable), readable=(Path(sys.base_prefix), Path("/proc")))
python = str(Path(sys.executable).resolve())
command = box.wrap(Path(python), [python, "-I", "-S", "-c", code, path], timeout_seconds=20)
done = subprocess.run(command, capture_output=True, text=True, env={}, cwd=writable)
print(done.stdout, done.stderr)
"""


@pytest.mark.parametrize("file", ["environ", "mem", "maps", "fd/0"])
def test_the_worker_keeps_its_secrets_even_without_landlock(scratch: Scratch, file: str):
    """Here /proc is allowed on purpose: what protects is that the worker is undumpable."""
    code = "import os, sys; f = f'/proc/{os.getppid()}/' + sys.argv[1]; "
    code += "print(os.readlink(f) if 'fd' in f else open(f, 'rb').read(10))"
    done = subprocess.run(
        [sys.executable, "-c", SECRETIVE, code, file, str(scratch.root)],
        capture_output=True,
        text=True,
        env={**os.environ, "AWS_SECRET_ACCESS_KEY": "hush"},
        timeout=60,
    )
    assert "PermissionError" in done.stdout, done


def test_without_landlock_all_else_still_holds_and_it_is_said(
    scratch: Scratch, tools: Tools, monkeypatch: pytest.MonkeyPatch
):
    """A kernel may have none: then the manifest says so, and nothing else is given up."""
    monkeypatch.setattr(sandbox, "landlock_abi", lambda: 0)
    assert tools.versions()["landlock"] == "unavailable"
    assert tools.versions()["seccomp"] == "on"
    assert attempt(scratch, "print(open('/etc/passwd').read(4))") == "root"
    assert attempt(scratch, "os.fork()").startswith("PermissionError")
    assert attempt(scratch, "libc.socket(2, 1, 0) < 0 or print('a socket')") == ""


def test_memory_for_one_command_can_be_bounded(scratch: Scratch):
    box = Sandbox(scratch.root, readable=(Path(sys.base_prefix),), memory_bytes=4 << 30)
    argv = [str(PYTHON), "-I", "-S", "-c", "bytes(512 << 20)"]
    for most, ended in ((256 << 20, 1), (None, 0)):
        command = box.wrap(PYTHON, argv, timeout_seconds=20, data_bytes=most)
        assert subprocess.run(command, env={}, cwd=scratch.root, timeout=60).returncode == ended


def test_a_file_has_a_largest_size(scratch: Scratch):
    code = "f = open('out/big', 'wb'); [f.write(bytes(1 << 20)) for _ in range(20)]"
    assert attempt(scratch, code, file_bytes=4 << 20) in (
        "SIGXFSZ",
        "OSError: [Errno 27] File too large",
    )
    assert (scratch.out / "big").stat().st_size <= 4 << 20


def test_memory_has_an_end(scratch: Scratch):
    assert attempt(scratch, "bytes(8 << 30)", memory_bytes=1 << 28) == "MemoryError"


def test_cpu_time_has_an_end(scratch: Scratch):
    box = Sandbox(scratch.root, readable=(Path(sys.base_prefix),))
    command = box.wrap(PYTHON, ["python", "-I", "-S", "-c", "while 1: pass"], timeout_seconds=-8)
    done = subprocess.run(command, env={}, timeout=60)
    assert -done.returncode in (signal.SIGXCPU, signal.SIGKILL)


def test_a_child_dies_with_its_worker(scratch: Scratch):
    code = "import time, os; open('out/pid', 'w').write(str(os.getpid())); time.sleep(60)"
    parent = subprocess.Popen(
        [sys.executable, "-c", SECRETIVE, code, "x", str(scratch.root)], stdout=subprocess.DEVNULL
    )
    note, deadline = scratch.out / "pid", time.monotonic() + 20
    while not (note.exists() and note.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    child = int(note.read_text())
    parent.kill()
    parent.wait()
    while time.monotonic() < deadline and Path(f"/proc/{child}/stat").exists():
        if Path(f"/proc/{child}/stat").read_text().split()[2] == "Z":
            break
        time.sleep(0.02)
    else:
        assert not Path(f"/proc/{child}").exists()


def test_the_helper_refuses_to_go_on_without_its_parent(scratch: Scratch):
    command = Sandbox(scratch.root).wrap(Path("/bin/true"), ["true"], timeout_seconds=5)
    as_grandchild = ["/bin/sh", "-c", '"$@"; exit $?', "sh", *command]
    done = subprocess.run(as_grandchild, capture_output=True, text=True)
    assert done.returncode == 125
    assert "the worker is gone" in done.stderr
