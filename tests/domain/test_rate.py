"""Rate: the leaky bucket against an independent pail with a hole, to the microsecond."""

from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contracts.policy import RatePolicy
from domain import rate
from tests.domain.world import NOON, SECOND, Twin, policy


class Pail:
    """
    The same promise, told another way: a pail with a hole, its level, and when that was true.

    Water is measured in microseconds of leaking. Each call pours in one interval; it may start
    once the level is down to what B - 1 calls fill.
    """

    def __init__(self, interval_us: int, burst: int) -> None:
        self.interval_us, self.burst = interval_us, burst
        self.level_us, self.at_us = 0, 0

    def arrive(self, now_us: int, patience_us: int) -> tuple[bool, int]:
        """Whether a call fits, and its delay (or how long until the same call fits)."""
        self.level_us = max(0, self.level_us - (now_us - self.at_us))
        self.at_us = now_us
        delay_us = max(0, self.level_us - (self.burst - 1) * self.interval_us)
        if delay_us > patience_us:
            return False, delay_us - patience_us
        self.level_us += self.interval_us
        return True, delay_us


policies = st.builds(
    RatePolicy,
    requests=st.integers(1, 5),
    period_ms=st.integers(1, 3),
    burst=st.integers(1, 4),
    overflow=st.sampled_from(["queue", "drop"]),
    queue_max_delay_ms=st.integers(0, 4),
)
# Steps of the clock in microseconds, backwards too; intervals are 200 to 3,000.
steps = st.lists(
    st.tuples(
        st.integers(-2_000, 4_000),
        st.none() | st.integers(0, 5),
    ),
    min_size=1,
    max_size=60,
)


class TestModel:
    @settings(max_examples=400)
    @given(rules=policies, arrivals=steps)
    @example(
        RatePolicy(requests=3, period_ms=1, burst=2, overflow="queue", queue_max_delay_ms=1),
        [(0, None)] * 9,
    )
    def test_agrees_with_the_pail(self, rules, arrivals):
        """
        Goal: delay, refusal and retry time are exact for any arrivals and clock steps.
        Method: bucket (when it will be empty) and pail (how full it is) are asked side by side.
        """
        bucket = rate.bucket(rules)
        state = rate.State()
        interval = -(-rules.period_ms * 1_000 // rules.requests)
        longest = 0 if rules.overflow == "drop" else rules.queue_max_delay_ms * 1_000
        pail = Pail(interval, rules.burst)
        clock = now = NOON
        for step, patience_ms in arrivals:
            clock += step
            now = max(now, clock)
            patience = longest if patience_ms is None else min(longest, patience_ms * 1_000)
            before = state.tat_us

            slot = rate.check(state, bucket, now, patience_ms)

            fits, us = pail.arrive(now, patience)
            assert slot.fits == fits
            assert (slot.delay_us if fits else slot.retry_after_us) == us
            assert state.tat_us == before, "asking changes nothing"
            if fits:
                state.tat_us = slot.tat_us
            else:
                assert slot.tat_us == before, "a refused call does not change the bucket"
                assert rate.check(state, bucket, now + us, patience_ms).fits
                assert not rate.check(state, bucket, now + us - 1, patience_ms).fits

    @settings(max_examples=300)
    @given(rules=policies, arrivals=steps, window_us=st.integers(1, 10_000))
    def test_any_window_sees_at_most_burst_and_leak(self, rules, arrivals, window_us):
        """
        Goal: the promise to the vendor: any window of W microseconds sees <= B + W/T calls start.
        Method: all starts (arrival plus delay) are collected and every window is counted.
        """
        bucket, state = rate.bucket(rules), rate.State()
        starts, clock, now = [], NOON, NOON
        for step, patience_ms in arrivals:
            clock += step
            now = max(now, clock)
            slot = rate.check(state, bucket, now, patience_ms)
            if slot.fits:
                starts.append(now + slot.delay_us)
                state.tat_us = slot.tat_us
        bound = rules.burst + Fraction(window_us, bucket.interval_us)
        for first in starts:
            inside = sum(first <= start < first + window_us for start in starts)
            assert inside <= bound
        assert starts == sorted(starts), "calls start in the order in which they came"

    @settings(max_examples=200)
    @given(rules=policies, calls=st.integers(1, 60))
    def test_whoever_obeys_retry_after_always_gets_in(self, rules, calls):
        """
        Goal: a client that waits what it is told is granted the next time, every time.
        Method: a client that does, alone, for many calls; the rate it gets is the policy's.
        """
        bucket, state, now = rate.bucket(rules), rate.State(), NOON
        for _ in range(calls):
            slot = rate.check(state, bucket, now)
            if not slot.fits:
                now += slot.retry_after_us
                slot = rate.check(state, bucket, now)
                assert slot.fits
            state.tat_us = slot.tat_us
        least = (calls - rules.burst) * bucket.interval_us - bucket.queue_us
        assert now - NOON == max(0, least)


class TestBucket:
    def test_rounds_against_the_caller(self):
        """Three in a second leave 333,334 us between them, not 333,333."""
        assert rate.bucket(RatePolicy(requests=3)).interval_us == 333_334

    def test_limit_of_50_a_second_lets_50_of_100_in(self):
        """EV-03: 100 calls spread over a second against a limit of 50."""
        twin = Twin(policy(rate=RatePolicy(requests=50)))
        outcomes = []
        for _ in range(100):
            outcomes.append(type(twin.authorize(0)).__name__)
            twin.now_us += 10_000

        assert outcomes.count("CallAuthorized") == 50

    def test_burst_of_50_lets_50_of_100_at_once_in(self):
        """EV-03, all at the same instant."""
        twin = Twin(policy(rate=RatePolicy(requests=50, burst=50)))

        outcomes = [type(twin.authorize(0)).__name__ for _ in range(100)]

        assert outcomes == ["CallAuthorized"] * 50 + ["CallRefused"] * 50


class TestClock:
    def test_stepping_back_never_grants_more(self):
        """The bucket leaks with time that really passed only."""
        twin = Twin(policy(rate=RatePolicy(requests=1, burst=2)))
        grants = 0
        for step in (0, 0, -SECOND, SECOND, -SECOND, SECOND, 0):
            twin.now_us += step
            grants += type(twin.authorize(0)).__name__ == "CallAuthorized"

        assert grants == 2

    def test_a_jump_forward_empties_the_bucket_and_no_more(self):
        """A year without calls is worth one burst."""
        twin = Twin(policy(rate=RatePolicy(requests=1, burst=3)))
        twin.authorize(0)
        twin.now_us += 365 * 86_400 * SECOND

        outcomes = [type(twin.authorize(0)).__name__ for _ in range(5)]

        assert outcomes == ["CallAuthorized"] * 3 + ["CallRefused"] * 2


class TestNewPolicy:
    def test_an_old_slow_policy_does_not_block_a_new_fast_one(self):
        """Backlog of one call an hour, 40 deep, would shut a fast bucket for two days."""
        slow = RatePolicy(requests=1, period_ms=3_600_000, burst=40)
        fast = RatePolicy(requests=10, burst=2)
        twin = Twin(policy(rate=slow))
        for _ in range(40):
            twin.authorize(0)

        twin.set_policy(policy(rate=fast))

        assert twin.authorize(0).retry_after_us == 100_000
        twin.pass_time(100_000)
        assert type(twin.authorize(0)).__name__ == "CallAuthorized"

    def test_it_begins_no_emptier_than_the_old_one_left_it(self):
        """Setting the same policy again must not be a way to get another burst."""
        rules = policy(rate=RatePolicy(requests=1, burst=2))
        twin = Twin(rules)
        twin.authorize(0)
        twin.authorize(0)

        twin.set_policy(rules)

        assert twin.authorize(0).retry_after_us == SECOND

    @pytest.mark.parametrize("overflow", ["queue", "drop"])
    def test_a_full_queue_stays_queued(self, overflow):
        """Calls that were told to wait still come; the new policy counts them."""
        rules = RatePolicy(requests=1, overflow="queue", queue_max_delay_ms=3_000)
        twin = Twin(policy(rate=rules))
        for _ in range(4):
            twin.authorize(0)

        again = RatePolicy(requests=1, overflow=overflow, queue_max_delay_ms=3_000)
        twin.set_policy(policy(rate=again))

        assert twin.authorize(0).retry_after_us == SECOND
