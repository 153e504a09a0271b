"""Wakes tenants when time brings something by itself: one timer each, for its next deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from services.gate.writer import Clock

_SOONEST_S = 0.001


class Timers:
    """Calls *wake* with a tenant's name at its deadline, by the wall clock, or a little later."""

    def __init__(self, clock: Clock, wake: Callable[[str], None]) -> None:
        self._clock = clock
        self._wake = wake
        self._armed: dict[str, tuple[int, asyncio.TimerHandle]] = {}

    def __len__(self) -> int:
        return len(self._armed)

    def arm(self, tenant: str, deadline_us: int) -> None:
        """See to it that the tenant is woken at *deadline_us*, or before if that was asked."""
        armed = self._armed.get(tenant)
        if armed is not None:
            if armed[0] <= deadline_us:
                return
            armed[1].cancel()
        delay_s = max(_SOONEST_S, (deadline_us - self._clock()) / 1_000_000)
        handle = asyncio.get_running_loop().call_later(delay_s, self._ring, tenant)
        self._armed[tenant] = (deadline_us, handle)

    def disarm(self, tenant: str) -> None:
        """Forget a tenant's deadline."""
        armed = self._armed.pop(tenant, None)
        if armed is not None:
            armed[1].cancel()

    def close(self) -> None:
        """Wake nobody any more."""
        for _, handle in self._armed.values():
            handle.cancel()
        self._armed.clear()

    def _ring(self, tenant: str) -> None:
        self._armed.pop(tenant, None)
        self._wake(tenant)
