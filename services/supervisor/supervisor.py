"""
Starts units in order, keeps them running, stops them in reverse order.

The same for embedded servers and services: a unit is anything that can be started until
it is ready, waited for, and stopped.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import msgspec

from services.embedded.child import StartFailed
from services.supervisor.backoff import Backoff
from services.supervisor.logs import bound
from services.supervisor.service import Unit

STOP_BUDGET_S = 4.5
SHARE_MIN_S = 0.1
LOG_CHECK_S = 5.0


class Starting(msgspec.Struct, frozen=True):
    """A unit or step is being started for the first time."""

    name: str


class Ready(msgspec.Struct, frozen=True):
    """A unit is ready, after a first start or a restart; or a step is done."""

    name: str
    took_s: float
    restarted: bool = False
    said: str = ""


class Died(msgspec.Struct, frozen=True):
    """A unit ended by itself or did not become ready again; it is restarted in `delay_s`."""

    name: str
    reason: str
    delay_s: float


class Stopped(msgspec.Struct, frozen=True):
    """A unit was stopped on request."""

    name: str
    took_s: float


Event: TypeAlias = Starting | Ready | Died | Stopped
StepAction: TypeAlias = Callable[[], Awaitable[str | None]]


class Step(msgspec.Struct, frozen=True):
    """Something to be done once, in its place in the order; what it returns is shown."""

    name: str
    action: StepAction


class Supervisor:
    """
    Runs a plan: units and steps in the order of their start.

    `notify` hears what happens, `backoff` makes one series of delays per unit, `clock`
    is monotonic seconds.
    """

    def __init__(
        self,
        plan: Sequence[Unit | Step],
        *,
        notify: Callable[[Event], None],
        backoff: Callable[[], Backoff] = Backoff,
        clock: Callable[[], float] = time.monotonic,
        stop_budget_s: float = STOP_BUDGET_S,
    ) -> None:
        self._plan = plan
        self._notify = notify
        self._backoff = backoff
        self._clock = clock
        self._stop_budget_s = stop_budget_s
        self._started: list[Unit] = []

    async def run(self, stop: asyncio.Event) -> None:
        """
        Start everything, keep it running until `stop` is set, stop everything.

        A failure during the first start stops everything and is raised: StartFailed, or
        what a step raised. Later failures are met with restarts.
        """
        stopping = asyncio.create_task(stop.wait())
        keeping: list[asyncio.Task[None]] = []
        try:
            if await self._unless(stopping, self._start_all()):
                keeping = [asyncio.create_task(self._keep(unit)) for unit in self._started]
                keeping.append(asyncio.create_task(self._bound_logs()))
                await _first_of(stopping, *keeping)
        finally:
            stopping.cancel()
            for task in keeping:
                task.cancel()
            await asyncio.gather(stopping, *keeping, return_exceptions=True)
            await self._stop_all()

    async def _unless(self, stopping: asyncio.Task[bool], work: Awaitable[None]) -> bool:
        """Do the work; False if we were asked to stop meanwhile."""
        task = asyncio.ensure_future(work)
        await asyncio.wait((task, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return False
        task.result()
        return not stopping.done()

    async def _start_all(self) -> None:
        for item in self._plan:
            self._notify(Starting(item.name))
            began = self._clock()
            said: str | None = None
            if isinstance(item, Step):
                said = await item.action()
            else:
                bound(item.log)
                self._started.append(item)
                await item.start()
            self._notify(Ready(item.name, self._clock() - began, said=said or ""))

    async def _keep(self, unit: Unit) -> None:
        backoff = self._backoff()
        while True:
            since = self._clock()
            code = await unit.wait()
            reason = _describe(code)
            ran_for_s = self._clock() - since
            while reason:
                delay_s = backoff.after(ran_for_s)
                self._notify(Died(unit.name, reason, delay_s))
                await asyncio.sleep(delay_s)
                reason, ran_for_s = await self._restart(unit), 0.0

    async def _restart(self, unit: Unit) -> str:
        """Start it again; the reason if that failed, else nothing."""
        began = self._clock()
        try:
            await unit.start()
        except (StartFailed, OSError) as failure:  # OSError: too many files, disk full
            return str(failure)
        self._notify(Ready(unit.name, self._clock() - began, restarted=True))
        return ""

    async def _bound_logs(self) -> None:
        while True:
            await asyncio.sleep(LOG_CHECK_S)
            for unit in self._started:
                bound(unit.log)

    async def _stop_all(self) -> None:
        deadline = self._clock() + self._stop_budget_s
        units = self._started[::-1]
        for index, unit in enumerate(units):
            began = self._clock()
            # A fair share of what is left; who is quick leaves more to the next.
            share_s = (deadline - began) / (len(units) - index)
            await unit.stop(max(SHARE_MIN_S, share_s))
            self._notify(Stopped(unit.name, self._clock() - began))
        self._started.clear()


async def _first_of(*tasks: asyncio.Task[bool] | asyncio.Task[None]) -> None:
    """Wait for the first task to end; raise what it raised, which is a bug of ours."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


def _describe(code: int) -> str:
    return f"ended by signal {-code}" if code < 0 else f"ended with code {code}"
