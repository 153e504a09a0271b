"""
What a process that reads other people's documents may not do any more, whatever they make it do.

    limits      memory, processor time, no file grows, no core, no child (setrlimit); an alarm ends
                it when nobody is left to
    audit hook  Python code opens nothing but its own modules, and changes no file, starts no
                program, signals nobody and has no network. It cannot be taken off. It sees nothing
                of what native code does.
    seccomp     the kernel refuses sockets, programs, processes, other processes' memory and
                changes of the file system, to native code as well. Linux on x86-64 and ARM64 only;
                needs no right.

What does not hold: without seccomp a parser that is taken over in C could open a socket; with it,
it could still read what the same user may read, and hand it over as text that a person reviews.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct
import sys
import sysconfig
from pathlib import Path
from typing import Any, Final

from services.knowledge.reading.limits import Limits

OPEN_FILES_MAX: Final = 64
# Beyond the wall clock of whoever started us.
ALARM_AFTER_S: Final = 5
_ROOT: Final = Path(__file__).parents[3]
_READABLE: Final = tuple(
    f"{path}{os.sep}"
    for path in (
        *{sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")},
        _ROOT / "services",
        _ROOT / "contracts",
    )
)
_WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_FORBIDDEN: Final = (
    "socket.",
    "subprocess.",
    "ctypes.",
    "shutil.",
    "tempfile.",
    "pty.",
    "os.system",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.spawn",
    "os.kill",
    "os.putenv",
    "os.remove",
    "os.rename",
    "os.mkdir",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.chmod",
    "os.chown",
    "os.truncate",
    "os.utime",
    "os.setxattr",
    "os.removexattr",
    "signal.pthread_kill",
    "sys.setprofile",
    "sys.settrace",
)

# linux/prctl.h, linux/seccomp.h, linux/filter.h, linux/audit.h
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_SECCOMP: Final = 22
_SECCOMP_MODE_FILTER: Final = 2
_ALLOW: Final = 0x7FFF0000
_EPERM: Final = 0x00050001
_LOAD: Final = 0x20
_JUMP_IF_EQUAL: Final = 0x15
_JUMP_IF_AT_LEAST: Final = 0x35
_RETURN: Final = 0x06
# Calls of the x32 way of x86-64 carry this bit; nothing of ours does.
_X32: Final = 0x40000000
# From AUDIT_ARCH and the system call tables: sockets; programs and processes; other processes;
# files made, changed or removed; name spaces, rings, and whatever loads code into the kernel.
# fmt: off
_REFUSED: Final = {
    "x86_64": (0xC000003E, (
        41, 42, 43, 44, 46, 49, 50, 53, 288, 307,
        56, 57, 58, 59, 322, 435,
        62, 101, 200, 234, 297, 310, 311, 424, 438, 434,
        76, 77, 82, 83, 84, 85, 86, 87, 88, 90, 91, 92, 93, 94, 133, 258, 259, 260, 263, 264, 265,
        266, 268, 316, 188, 189, 190,
        165, 272, 308, 321, 425, 426, 427, 437, 250, 248, 249, 298, 323, 175, 313, 246, 320,
    )),
    "aarch64": (0xC00000B7, (
        198, 199, 200, 201, 202, 203, 206, 211, 242, 269,
        220, 221, 281, 435,
        117, 129, 130, 131, 138, 240, 270, 271, 424, 438, 434,
        33, 34, 35, 36, 37, 38, 45, 46, 52, 53, 54, 55, 276, 5, 6, 7,
        40, 97, 268, 280, 425, 426, 427, 437, 217, 218, 219, 241, 282, 105, 273, 104, 294,
    )),
}
# fmt: on


class ConfinedError(PermissionError):
    """Reading a document tried to do what it may not."""


def confine(limits: Limits) -> tuple[str, ...]:
    """Give up everything that reading does not need, for good. Returns what holds from now on."""
    _limit_resources(limits)
    # Before the hook, which lets nobody load a library.
    holds = ("limits", "seccomp") if _refuse_system_calls() else ("limits",)
    sys.addaudithook(_forbid)
    return (*holds, "audit hook")


def _limit_resources(limits: Limits) -> None:
    # Conversations on the same machine come first.
    os.nice(10)
    for what, most in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, OPEN_FILES_MAX),
    ):
        resource.setrlimit(what, (most, most))
    # The soft limit sends SIGXCPU, which ends us by default; the hard one kills.
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_s, limits.cpu_s + 1))
    signal.alarm(limits.wall_s + ALARM_AFTER_S)


def _forbid(event: str, args: tuple[Any, ...]) -> None:
    if event == "open":
        path, _, flags = args
        if isinstance(path, int):
            # A descriptor that it has: of its pipes.
            return
        if isinstance(flags, int) and flags & _WRITES:
            raise ConfinedError("a reading process may not write files")
        if not _is_readable(path):
            raise ConfinedError("a reading process may open nothing but its own modules")
    elif event.startswith(_FORBIDDEN):
        raise ConfinedError(f"a reading process may not do {event}")


def _is_readable(path: Any) -> bool:
    return os.path.abspath(os.fsdecode(path)).startswith(_READABLE)  # noqa: PTH100 - Path is slower, and follows links


def _refuse_system_calls() -> bool:
    """Install a filter of system calls; False where this system has none."""
    machine = platform.machine()
    if sys.platform != "linux" or machine not in _REFUSED or sys.maxsize < 1 << 32:
        return False
    code = _filter(*_REFUSED[machine])
    buffer = ctypes.create_string_buffer(code)
    program = ctypes.create_string_buffer(
        struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
    )
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    installed: int = libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, program, 0, 0)
    return installed == 0


def _filter(architecture: int, refused: tuple[int, ...]) -> bytes:
    """Return a classic BPF program: of this architecture, and none of *refused*."""
    count = len(refused)
    lines = [
        (_LOAD, 0, 0, 4),
        # Past everything, to the refusal.
        (_JUMP_IF_EQUAL, 0, count + 3, architecture),
        (_LOAD, 0, 0, 0),
        (_JUMP_IF_AT_LEAST, count + 1, 0, _X32),
        *((_JUMP_IF_EQUAL, count - at, 0, number) for at, number in enumerate(refused)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _EPERM),
    ]
    return b"".join(struct.pack("HBBI", *line) for line in lines)
