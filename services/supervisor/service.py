"""A service under the supervisor: a command that says when it is ready."""

import asyncio
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from services.embedded.child import Child, Command, StartFailed
from services.settings import READY_FD
from services.supervisor.readiness import ReadyPipe

READY_TIMEOUT_S = 30.0
TAIL_LINES = 20


class Unit(Protocol):
    """What the supervisor can start, watch and stop: a service or an embedded server."""

    @property
    def name(self) -> str: ...

    @property
    def log(self) -> Path: ...

    @property
    def pid(self) -> int | None: ...

    async def start(self) -> None:
        """Return once it is ready; raise StartFailed, leaving nothing running, if not."""

    async def wait(self) -> int:
        """Return its code when it has ended."""

    async def stop(self, timeout_s: float) -> None:
        """End it within about `timeout_s`, by force if need be; harmless if it is not running."""


class ServiceSpec(msgspec.Struct, frozen=True):
    """What to run under which name; it has `ready_timeout_s` to say that it is ready."""

    name: str
    argv: tuple[str, ...]
    ready_timeout_s: float = READY_TIMEOUT_S


class Service:
    """
    One service. `environment` is asked at every start, because addresses can change
    with the restart of a server.
    """

    def __init__(
        self, spec: ServiceSpec, *, log: Path, environment: Callable[[], Mapping[str, str]]
    ) -> None:
        self.spec = spec
        self.log = log
        self._environment = environment
        self._child: Child | None = None

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child and self._child.running else None

    async def start(self) -> None:
        """Start it and wait until it says that it is ready; raises StartFailed."""
        assert self.pid is None, "already running"
        try:
            with ReadyPipe() as pipe:
                self._child = self._spawn(pipe.child_end)
                pipe.release_child_end()
                async with asyncio.timeout(self.spec.ready_timeout_s):
                    ready = await pipe.wait()
        except TimeoutError:
            self._kill()
            raise StartFailed(
                self._explain(f"not ready after {self.spec.ready_timeout_s:g} s")
            ) from None
        except BaseException:
            self._kill()
            raise
        if not ready:
            self._kill()
            raise StartFailed(self._explain("it ended before it was ready"))

    async def wait(self) -> int:
        assert self._child is not None, "never started"
        return await self._child.wait()

    async def stop(self, timeout_s: float) -> None:
        if self._child is not None and self._child.running:
            await self._child.stop(signal.SIGTERM, timeout_s=timeout_s)

    def _spawn(self, ready_fd: int) -> Child:
        env = {**self._environment(), READY_FD: str(ready_fd)}
        try:
            return Child.spawn(
                Command(self.name, self.spec.argv, self.log, env=env, pass_fds=(ready_fd,))
            )
        except OSError as error:
            raise StartFailed(f"{self.name}: {self.spec.argv[0]}: {error.strerror}") from None

    def _kill(self) -> None:
        if self._child is not None:
            self._child.kill()

    def _explain(self, what: str) -> str:
        tail = self._child.log_tail(TAIL_LINES) if self._child else ""
        return f"{self.name}: {what}. The end of {self.log}:\n{tail or '(empty)'}"
