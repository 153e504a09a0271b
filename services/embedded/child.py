"""
A child process that cannot outlive us.

It gets its own session, so that Ctrl-C in the terminal reaches only us and we decide
the order of the stop. On Linux the kernel sends it a signal when we die, however we
die. `spawn` must be called on the main thread: the kernel's rule is about the thread
that forked, not about the process.
"""

import asyncio
import ctypes
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

PR_SET_PDEATHSIG = 1
POLL_S = 0.02
TAIL_BYTES_MAX = 64 * 1024
LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class StartFailed(RuntimeError):
    """A process did not become ready; the message holds the end of its log."""


class Command(msgspec.Struct, frozen=True):
    """
    What to run.

    `log` gets both output streams, appended. `user` is a system user to become (None:
    stay who we are). `death_signal` is what the kernel sends when our process dies.
    """

    name: str
    argv: Sequence[str]
    log: Path
    env: Mapping[str, str] | None = None
    cwd: Path | None = None
    user: str | None = None
    death_signal: int = signal.SIGKILL
    pass_fds: tuple[int, ...] = ()


class Child:
    """One run of one command, from `spawn` until it is reaped."""

    def __init__(self, command: Command, process: subprocess.Popen[bytes]) -> None:
        self.command = command
        self._process = process

    @classmethod
    def spawn(cls, command: Command) -> "Child":
        """Start the process; raises OSError if the program cannot be executed."""
        command.log.parent.mkdir(parents=True, exist_ok=True)
        # O_APPEND, so that the log can be truncated while the child writes to it.
        log = os.open(command.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            process = subprocess.Popen(  # noqa: S603 - our own argv, no shell
                list(command.argv),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(os.environ if command.env is None else command.env),
                cwd=command.cwd,
                user=command.user,
                group=None if command.user is None else primary_group(command.user),
                extra_groups=None if command.user is None else (),
                start_new_session=True,
                pass_fds=command.pass_fds,
                # Runs after setuid, which would clear the death signal.
                preexec_fn=_die_with_parent(command.death_signal),  # noqa: PLW1509
            )
        finally:
            os.close(log)
        return cls(command, process)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._process.poll()

    @property
    def running(self) -> bool:
        return self.returncode is None

    async def wait(self) -> int:
        """Wait until the process has ended and return its code."""
        ended = _watch_exit(self.pid) if self.running else None
        try:
            while (code := self.returncode) is None:
                if ended is None:
                    await asyncio.sleep(POLL_S)
                else:
                    await ended.wait()
        finally:
            if ended is not None:
                ended.close()
        return code

    async def stop(self, sig: int = signal.SIGTERM, *, timeout_s: float = 5.0) -> int:
        """Ask it to end, kill its whole session after `timeout_s`, and reap it."""
        self.signal(sig)
        try:
            return await asyncio.wait_for(self.wait(), timeout_s)
        except TimeoutError:
            return self.kill()

    def signal(self, sig: int) -> None:
        """Send a signal, if it still runs."""
        # Popen polls first and so never signals a process id that was reused.
        self._process.send_signal(sig)

    def kill(self) -> int:
        """SIGKILL the process and what it started in its session, and reap it."""
        if self.running:
            # Not reaped yet, so the process id, and the group's, is still ours.
            os.killpg(self.pid, signal.SIGKILL)
        return self._process.wait()

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of its log."""
        return log_tail(self.command.log, lines)


def primary_group(user: str) -> int:
    """The group of a system user, which need not have its name."""
    return pwd.getpwnam(user).pw_gid


def log_tail(path: Path, lines: int = 20) -> str:
    """The last lines of a log file; empty if there is none."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL_BYTES_MAX))
        text = file.read().decode(errors="replace")
    return "\n".join(text.splitlines()[-lines:])


class _ExitWatch:
    """Wakes up when a process ends: a pidfd becomes readable then."""

    def __init__(self, pidfd: int) -> None:
        self._pidfd = pidfd
        self._event = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(pidfd, self._event.set)

    async def wait(self) -> None:
        await self._event.wait()

    def close(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)


def _watch_exit(pid: int) -> _ExitWatch | None:
    """None where the kernel has no pidfd; then the caller polls."""
    if sys.platform != "linux":
        return None
    try:
        return _ExitWatch(os.pidfd_open(pid))
    except OSError:
        return None


def _die_with_parent(sig: int) -> Callable[[], None]:
    parent = os.getpid()

    def in_child() -> None:
        if LIBC is None:
            return
        if LIBC.prctl(PR_SET_PDEATHSIG, sig, 0, 0, 0) != 0:
            os._exit(127)
        if os.getppid() != parent:  # the parent died between fork and prctl
            os._exit(127)

    return in_child
