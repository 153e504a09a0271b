"""How attempts are spaced and when they end, on a clock that only the test moves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.errors import ConnectionClosedError, NoRespondersError
from nats.errors import TimeoutError as NoReply

from services.client import CannotVerify
from services.client.attempts import Attempts
from services.client.patience import LONGEST_WAIT_US, Patience, Timing, wait_us
from services.client.wire import Wire

SECOND_US = 1_000_000


class Script:
    """A bus that raises what the script says, and a clock that waiting moves."""

    def __init__(self, outcome, lasts_us=0):
        self.us = 0
        self.outcome = outcome
        self.lasts_us = lasts_us
        self.timeouts_s = []
        self.sent = []

    async def request(self, subject, payload=b"", timeout=0.5, old_style=False, headers=None):  # noqa: ASYNC109
        self.sent.append((subject, payload))
        self.timeouts_s.append(timeout)
        self.us += int(min(timeout * SECOND_US, self.lasts_us))
        raise self.outcome

    async def sleep(self, seconds):
        self.us += int(seconds * SECOND_US)

    def attempts(self, **patience):
        timing = Timing(monotonic_us=lambda: self.us, sleep=self.sleep, chance=lambda: 0.5)
        return Attempts(
            self, Wire("json"), timing, Patience(**patience), subject="cmd.x", command_id="id"
        )


async def exhaust(attempts):
    while True:
        assert await attempts.send(b"same bytes", dict) is None
        await attempts.pause()


class TestDeadline:
    @pytest.mark.parametrize(
        ("outcome", "lasts_us"), [(NoRespondersError(), 500), (NoReply(), 10**9)]
    )
    async def test_nothing_is_waited_for_beyond_it(self, outcome, lasts_us):
        """The deadline is absolute: attempts and waits together stay within it."""
        script = Script(outcome, lasts_us)
        with pytest.raises(CannotVerify) as caught:
            await exhaust(script.attempts(deadline_s=3.0, attempt_s=1.0))

        assert script.us <= 3 * SECOND_US
        assert caught.value.attempts == len(script.sent) > 1
        assert {("cmd.x", b"same bytes")} == set(script.sent)
        assert max(script.timeouts_s) <= 1.0

    async def test_the_last_attempt_gets_what_is_left(self):
        """An attempt that outlives the deadline would make the caller wait too long."""
        script = Script(NoReply(), 10**9)
        with pytest.raises(CannotVerify):
            await exhaust(script.attempts(deadline_s=1.5, attempt_s=1.0))

        assert script.timeouts_s[-1] < 0.5

    async def test_a_closed_connection_ends_it_at_once(self):
        """It never comes back; waiting would only cost the caller its deadline."""
        script = Script(ConnectionClosedError())
        with pytest.raises(CannotVerify):
            await exhaust(script.attempts())

        assert len(script.sent) == 1

    async def test_a_retry_after_beyond_the_deadline_ends_it_at_once(self):
        """The gate said when to come back; coming earlier would add to its load."""
        attempts = Script(NoReply()).attempts(deadline_s=1.0)
        with pytest.raises(CannotVerify, match="overloaded"):
            await attempts.pause("overloaded", retry_after_ms=2_000)


class TestWait:
    @given(st.integers(1, 1_000), st.floats(0, 1, exclude_max=True))
    def test_it_is_bounded_and_never_nothing(self, attempt, chance):
        """Goal: no busy loop and no long silence. Method: any attempt, any chance."""
        assert 10_000 <= wait_us(attempt, chance, None) <= LONGEST_WAIT_US

    @given(st.integers(0, 60_000), st.floats(0, 1, exclude_max=True))
    def test_the_gates_own_figure_is_the_least(self, retry_after_ms, chance):
        """Goal: never ask before the gate said. Method: any figure, any chance."""
        least_us = retry_after_ms * 1_000

        assert least_us <= wait_us(1, chance, retry_after_ms) <= least_us * 3 // 2
