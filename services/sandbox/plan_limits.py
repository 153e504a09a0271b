"""How many requests a vendor lets one key make in a second, a minute and a day (UTC)."""

from __future__ import annotations

from collections import OrderedDict

import msgspec

KEYS_MAX = 1_000
WINDOWS_US = {"second": 1_000_000, "minute": 60_000_000, "day": 86_400_000_000}


class Plan(msgspec.Struct, frozen=True):
    """The limits of a plan; None: there is none."""

    second: int | None = None
    minute: int | None = None
    day: int | None = None


class PlanLimits:
    """Counts the requests of each key in the windows of its *plan*."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._counted: OrderedDict[tuple[str, str], tuple[int, int]] = OrderedDict()

    def take(self, key: str, now_us: int) -> str:
        """Count a request; returns the name of the window that has no room for it, or nothing."""
        for window in WINDOWS_US:
            left = self.left(key, window, now_us)
            if left is not None and left <= 0:
                return window
        for window, length_us in WINDOWS_US.items():
            number, count = now_us // length_us, self._count(key, window, now_us)
            self._counted[key, window] = (number, count + 1)
            self._counted.move_to_end((key, window))
        while len(self._counted) > KEYS_MAX * len(WINDOWS_US):
            self._counted.popitem(last=False)
        return ""

    def left(self, key: str, window: str, now_us: int) -> int | None:
        """What is left in the running window; None if the plan does not limit it."""
        most: int | None = getattr(self.plan, window)
        return None if most is None else max(0, most - self._count(key, window, now_us))

    def _count(self, key: str, window: str, now_us: int) -> int:
        number, count = self._counted.get((key, window), (0, 0))
        return count if number == now_us // WINDOWS_US[window] else 0
