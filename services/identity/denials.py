"""
Denials that a door decides by itself, on their way into the log.

The door has answered by then, at once and in the same time for everybody; what is noted here is
sent to the gate behind its back. So nothing waits for the log, and nobody can tell by the clock
what is written where. Everything is bounded: what is denied again while it waits is counted with
what waits, one log has at most 32 different denials waiting, and beyond those they are only told
apart by who it was and why. What the gate does not take for a minute is in the door's own log.

Who was turned away is known here: they have shown a right key, token or session. Who guesses is
nobody; that is slowed down, and in the door's own log only, or it would let anybody write into any
log who has seen the id of a key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Final, Protocol, TypeAlias

import msgspec

from contracts.access import OPERATOR, Door, ReportDenial
from contracts.account import PLATFORM
from contracts.commands import AnyCommand
from services import logs
from services.client.errors import CannotVerify
from services.client.sender import new_id

WAITING_MAX: Final = 2_048
WAITING_PER_LOG_MAX: Final = 32
AGAIN_S: Final = 1.0
ATTEMPTS_MAX: Final = 60
LAST_WORDS_S: Final = 0.5
TIMES_MAX: Final = 1_000_000
_NO_SUCH_LOG: Final = frozenset((404, 410))

# Has the gate decide it in a twin's log, and returns the status; raises CannotVerify.
Tell: TypeAlias = Callable[[str, ReportDenial], Awaitable[int]]


class Gate(Protocol):
    """The part of a line to the gate that is used here; see services.http_door.gate_line."""

    async def command(self, tenant: str, command: AnyCommand, principal: str) -> dict[str, Any]: ...


def through(gate: Gate) -> Tell:
    """Return what has a denial decided, with the deployment's own credentials."""

    async def tell(tenant: str, command: ReportDenial) -> int:
        return int((await gate.command(tenant, command, OPERATOR))["status"])

    return tell


class Denial(msgspec.Struct, frozen=True):
    """
    That somebody was turned away. *log* is the twin, or the platform, where it is written down.

    *about* is the twin that they asked about if it is another one; see contracts.access. *id* is
    that of the report where several processes report the same; without one it is counted with
    others like it.
    """

    log: str
    principal: str
    door: Door
    noun: str
    verb: str
    code: str
    status: int
    about: str = ""
    id: str = ""

    def blurred(self) -> Denial:
        """Leave out what can be different each time."""
        return msgspec.structs.replace(self, noun="", verb="", about="", id="")


class Denials:
    """What waits to be written down. Have `run` running; then `close` it."""

    def __init__(self, door: Door, tell: Tell, *, again_s: float = AGAIN_S) -> None:
        self.door = door
        self._tell = tell
        self._again_s = again_s
        self._waiting: dict[Denial, int] = {}
        self._per_log: dict[str, int] = {}
        self._noted = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    def note(self, denial: Denial) -> None:
        """Have a denial written down soon; never waits and never raises."""
        if denial not in self._waiting and self._per_log.get(denial.log, 0) >= WAITING_PER_LOG_MAX:
            denial = denial.blurred()
        if denial not in self._waiting:
            if len(self._waiting) >= WAITING_MAX:
                _give_up(denial, 1, "too many wait")
                return
            self._waiting[denial] = 0
            self._per_log[denial.log] = self._per_log.get(denial.log, 0) + 1
        self._waiting[denial] = min(self._waiting[denial] + 1, TIMES_MAX)
        self._empty.clear()
        self._noted.set()

    async def run(self) -> None:
        """Report what is noted, until cancelled."""
        while True:
            await self._noted.wait()
            self._noted.clear()
            while self._waiting:
                await self._report(*self._take())
            self._empty.set()

    @property
    def waiting(self) -> int:
        """How many different ones are not in the log yet."""
        return len(self._waiting)

    async def written(self) -> None:
        """Wait until nothing waits."""
        await self._empty.wait()

    async def close(self, running: asyncio.Task[None]) -> None:
        """End `run`, when what waits is written or the time for it is over."""
        try:
            async with asyncio.timeout(LAST_WORDS_S):
                await self._empty.wait()
        except TimeoutError:
            while self._waiting:
                _give_up(*self._take(), "the door closes")
        running.cancel()
        await asyncio.wait((running,))

    def _take(self) -> tuple[Denial, int]:
        denial = next(iter(self._waiting))
        left = self._per_log[denial.log] - 1
        if left:
            self._per_log[denial.log] = left
        else:
            del self._per_log[denial.log]
        return denial, self._waiting.pop(denial)

    async def _report(self, denial: Denial, times: int) -> None:
        # The same id each time: what was written down and not answered is not written twice.
        command = ReportDenial(
            command_id=denial.id or new_id(),
            principal=denial.principal,
            door=denial.door,
            noun=denial.noun or None,
            verb=denial.verb or None,
            code=denial.code,
            status=denial.status,
            about=denial.about or None,
            times=times,
        )
        for _ in range(ATTEMPTS_MAX):
            try:
                status = await self._tell(denial.log, command)
            except asyncio.CancelledError:
                _give_up(denial, times, "the door closes")
                raise
            except CannotVerify:
                await asyncio.sleep(self._again_s)
                continue
            except Exception as fault:  # noqa: BLE001 - the next one is to be reported
                _give_up(denial, times, type(fault).__name__)
                return
            if status in _NO_SUCH_LOG and denial.log != PLATFORM:
                # Only who may do it to any twin comes here: a super admin, whose log that is.
                self.note(msgspec.structs.replace(denial, log=PLATFORM, about=denial.log, id=""))
            return
        _give_up(denial, times, "no answer")


def noting(door: Door, gate: Gate, stack: AsyncExitStack) -> Denials:
    """Have what a door denies written down through the gate, until *stack* ends."""
    denials = Denials(door, through(gate))
    running = asyncio.create_task(denials.run(), name="denials")
    stack.push_async_callback(denials.close, running)
    return denials


def _give_up(denial: Denial, times: int, reason: str) -> None:
    logs.get().warning(
        "denial_not_recorded", **msgspec.structs.asdict(denial), times=times, reason=reason
    )
