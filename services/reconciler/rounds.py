"""
When to look: at every twin round after round, and at one soon after a hint.

A hint is looked after in a moment, so that a vendor who says the same thing five times is asked
once; at the earliest some seconds after the last look there; and once more when what was held for a
session that broke off must have run out, for only then may its cost be booked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from services.client.patience import Timing
from services.failure import Failure
from services.reconciler.figures import Figures
from services.reconciler.hint import Hint
from services.vendors.reconciling import Reconciling

# Rounds of several processes drift apart instead of falling on the same second.
JITTER: Final = 0.1
FIRST_S_MAX: Final = 5.0
GATHER_US: Final = 1_000_000
GAP_US: Final = 10_000_000
# After the hold: what is expired is expired in writing.
GRACE_S: Final = 30.0
HINTS_MAX: Final = 10_000
AT_ONCE_MAX: Final = 4
_US: Final = 1_000_000


class Rounds:
    """
    See the module. *every_s*: from round to round; *hold_s*: the longest that a hold lasts.

    *timing* owns time and chance.
    """

    def __init__(
        self,
        reconciling: Reconciling,
        figures: Figures,
        *,
        every_s: float,
        hold_s: float,
        timing: Timing | None = None,
    ) -> None:
        self._reconciling = reconciling
        self._figures = figures
        self._every_s = every_s
        self._again_us = round((hold_s + GRACE_S) * _US)
        self._timing = timing or Timing()
        # When each is to be looked at next, and once more after that.
        self._due_us: dict[Hint, int] = {}
        self._later_us: dict[Hint, int] = {}
        self._looked_us: dict[Hint, int] = {}
        self._news = asyncio.Event()

    def hint(self, hint: Hint) -> None:
        """Look there soon, and again when the hold of what broke off has run out."""
        if hint.provider_id not in self._reconciling.provider_ids:
            return
        is_taken = hint in self._later_us or len(self._later_us) < HINTS_MAX
        self._figures.hinted(is_taken=is_taken)
        if not is_taken:
            # The next round finds it.
            return
        now_us = self._timing.monotonic_us()
        soon_us = max(now_us + GATHER_US, self._looked_us.get(hint, now_us - GAP_US) + GAP_US)
        self._due_us.setdefault(hint, soon_us)
        self._later_us[hint] = now_us + self._again_us
        self._news.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Go on until *stop*; a look that is under way is finished."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._rounds(stop))
            group.create_task(self._hints(stop))

    # -- rounds -----------------------------------------------------------------------

    async def _rounds(self, stop: asyncio.Event) -> None:
        await self._unless(stop, FIRST_S_MAX * self._timing.chance())
        while not stop.is_set():
            await self._round()
            swing = JITTER * (2 * self._timing.chance() - 1)
            await self._unless(stop, self._every_s * (1 + swing))

    async def _round(self) -> None:
        began_us = self._timing.monotonic_us()
        try:
            reports = await self._reconciling.once()
        except Failure as problem:
            self._figures.round_failed(problem.message)
            return
        took_us = self._timing.monotonic_us() - began_us
        self._figures.round_made(reports, took_us=took_us, ended_us=self._timing.wall_us())

    # -- hints ------------------------------------------------------------------------

    async def _hints(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            due = self._take_due()
            if due:
                await self._look_at(due)
            else:
                self._news.clear()
                await self._unless(stop, self._left_s(), self._news.wait)

    def _take_due(self) -> list[Hint]:
        now_us = self._timing.monotonic_us()
        due = [hint for hint, at_us in self._due_us.items() if at_us <= now_us]
        late = [hint for hint, at_us in self._later_us.items() if at_us <= now_us]
        for hint in due:
            del self._due_us[hint]
        for hint in late:
            del self._later_us[hint]
        # As old as that, a look says nothing about the next.
        self._looked_us = {
            hint: at_us for hint, at_us in self._looked_us.items() if at_us > now_us - GAP_US
        }
        found = list(dict.fromkeys((*due, *late)))
        self._looked_us |= dict.fromkeys(found, now_us)
        return found

    async def _look_at(self, hints: list[Hint]) -> None:
        slots = asyncio.Semaphore(AT_ONCE_MAX)

        async def one(hint: Hint) -> None:
            async with slots:
                report = await self._reconciling.look(hint.tenant, hint.provider_id)
                self._figures.looked([report] if report is not None else [])

        await asyncio.gather(*map(one, hints))

    def _left_s(self) -> float | None:
        at_us = min((*self._due_us.values(), *self._later_us.values()), default=None)
        if at_us is None:
            return None
        return max(0, at_us - self._timing.monotonic_us()) / _US

    # -- waiting ----------------------------------------------------------------------

    async def _unless(
        self,
        stop: asyncio.Event,
        for_s: float | None,
        *others: Callable[[], Awaitable[object]],
    ) -> None:
        """Wait *for_s*, or until *stop* or one of *others*; None: for these only."""
        waits = [stop.wait(), *(other() for other in others)]
        if for_s is not None:
            waits.append(self._timing.sleep(for_s))
        tasks = [asyncio.ensure_future(wait) for wait in waits]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
