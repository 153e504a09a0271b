"""How long to wait before the next start of something that died."""

FIRST_S = 0.1
FACTOR = 2.0
MAX_S = 10.0
STABLE_AFTER_S = 30.0


class Backoff:
    """
    Doubling delays up to a bound; a run that was stable starts the series again.

    The first restart comes quickly, because one crash is usually alone.
    """

    def __init__(
        self,
        *,
        first_s: float = FIRST_S,
        max_s: float = MAX_S,
        stable_after_s: float = STABLE_AFTER_S,
    ) -> None:
        assert 0 < first_s <= max_s
        self._first_s = first_s
        self._max_s = max_s
        self._stable_after_s = stable_after_s
        self._next_s = first_s

    def after(self, ran_for_s: float) -> float:
        """The delay in seconds after a run of this length."""
        if ran_for_s >= self._stable_after_s:
            self._next_s = self._first_s
        delay_s = self._next_s
        self._next_s = min(delay_s * FACTOR, self._max_s)
        return delay_s
