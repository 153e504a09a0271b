"""A preview decides recorded calls anew: under the same policy the same, else as it must."""

import msgspec
import pytest

from contracts.budget import CallAuthorized, CallRefused
from contracts.policy import BudgetPolicy, Quotas, RatePolicy
from domain.fold import evolve
from domain.preview import Preview
from domain.state import State
from tests.domain.history import History
from tests.domain.world import SECOND, Twin, option, policy
from tests.golden import logs

SEEDS = range(10)


def replayed(log, proposed=None, *, before=0):
    """The preview of a log after its first events, which are folded as they are."""
    preview = Preview(_fold(log[:before]), proposed)
    for event in log[before:]:
        preview.feed(event)
    return preview


def _fold(log):
    state = State("cantor")
    for event in log:
        evolve(state, event)
    return state


def changed(preview):
    """Calls that would be answered otherwise."""
    return [
        one
        for one in preview.answers
        if (one.recorded, one.recorded_code) != (one.proposed, one.proposed_code)
    ]


def money_of(state):
    """What the gate would go on with."""
    return msgspec.msgpack.encode([state.budget, state.rate, state.decisions])


@pytest.mark.parametrize("seed", SEEDS)
def test_under_the_policies_that_were_in_force_everything_is_as_recorded(seed):
    """Every verdict, every cost, and the money and the bucket at the end, from any moment on."""
    history = History(seed, 250)
    log = history.twin.log
    for before in (0, len(log) // 2):
        preview = replayed(log, before=before)
        assert changed(preview) == []
        assert preview.cost_nanos == preview.proposed_cost_nanos
        assert (preview.cut_calls, preview.assumed_calls) == (0, 0)
        assert preview.first_refused_at_us is None
        if history.twin.state.tenant.status != "erased":
            assert money_of(preview.state) == money_of(history.twin.state)
    calls = [e for e in log if isinstance(e, CallAuthorized) or _is_refused_call(e)]
    assert replayed(log).calls == len(calls) > 40


def _is_refused_call(event):
    return isinstance(event, CallRefused) and event.verb == "authorize"


@pytest.mark.parametrize("name", [one for one in logs.names() if logs.tenant_of(one) == "cantor"])
def test_logs_of_earlier_versions_are_replayed_as_far_as_they_tell(name):
    """What a log does not hold is left out and said to be; nothing of it is answered otherwise."""
    log = [event for _, events in logs.read(name) for event in events]
    preview = replayed(log)

    assert changed(preview) == []
    untold = [e for e in log if _is_refused_call(e) and e.asked is None]
    assert preview.left_out >= len(untold)
    assert preview.cost_nanos == preview.proposed_cost_nanos


def settled_day(limit, calls, *, cost=10):
    """A twin that made so many calls, one a minute, each held and settled at *cost* nanos."""
    twin = Twin(policy(limit))
    for _ in range(calls):
        twin.pass_time(60 * SECOND)
        grant = twin.authorize(cost)
        if isinstance(grant, CallAuthorized):
            twin.settle(grant, cost)
    return twin


def counts(preview):
    """Calls by how they were and would be answered."""
    return {(one.recorded, one.proposed, one.proposed_code): one.calls for one in preview.answers}


def test_the_policy_in_force_proposed_anew_changes_nothing():
    """The control: a preview that always finds something would be of no use."""
    twin = settled_day(100, 14)
    preview = replayed(twin.log, policy(100))
    assert counts(preview) == {
        ("PASS", "PASS", "granted"): 10,
        ("DENY", "DENY", "monthly_hard_limit_reached"): 4,
    }
    assert money_of(preview.state) == money_of(twin.state)


def test_a_lower_limit_denies_exactly_what_no_longer_fits():
    """30 nanos pay for three calls of ten; the money is what those three cost."""
    twin = settled_day(100, 10)
    preview = replayed(twin.log, policy(30))
    assert counts(preview) == {
        ("PASS", "PASS", "granted"): 3,
        ("PASS", "DENY", "monthly_hard_limit_reached"): 7,
    }
    assert (preview.cost_nanos, preview.proposed_cost_nanos) == (100, 30)
    fourth = [e for e in twin.log if isinstance(e, CallAuthorized)][3]
    assert preview.first_refused_at_us == fourth.at_us


def test_a_higher_limit_grants_what_was_refused_at_its_whole_hold():
    """What such a call would have cost nobody knows: at most what it would have held."""
    preview = replayed(settled_day(30, 10).log, policy(55))
    assert counts(preview) == {
        ("PASS", "PASS", "granted"): 3,
        ("DENY", "PASS", "granted"): 2,
        ("DENY", "DENY", "monthly_hard_limit_reached"): 5,
    }
    assert (preview.cost_nanos, preview.proposed_cost_nanos) == (30, 50)
    assert (preview.assumed_calls, preview.assumed_nanos) == (2, 20)


def test_a_limit_counts_what_was_spent_before_the_first_call_replayed():
    """A preview of the last days begins in the middle of a month."""
    twin = settled_day(100, 10)
    grants = [n for n, e in enumerate(twin.log) if isinstance(e, CallAuthorized)]
    preview = replayed(twin.log, policy(60), before=grants[5])
    assert counts(preview) == {
        ("PASS", "PASS", "granted"): 1,
        ("PASS", "DENY", "monthly_hard_limit_reached"): 4,
    }


def test_a_soft_cap_steps_down_to_what_was_offered():
    """The fallbacks are in the log, also those of calls that did not need them."""
    twin = Twin(policy(10_000))
    for _ in range(4):
        grant = twin.authorize(1_000, "video", fallbacks=[option(200, "voice"), option(5, "text")])
        twin.settle(grant, 1_000)
    capped = BudgetPolicy(monthly_hard_limit_nanos=10_000, soft_cap_permille=200)
    preview = replayed(
        twin.log, policy(budget=capped, modalities=["video", "text"], ladder=["video", "text"])
    )
    assert counts(preview) == {
        ("PASS", "PASS", "granted"): 2,
        ("PASS", "DOWNGRADE", "soft_cap_reached"): 2,
    }
    # Two that were made as they were, and two that would have cost 5 at most.
    assert preview.proposed_cost_nanos == 2_010
    quota = replayed(twin.log, policy(10_000, quotas=Quotas(video_minute_units=0)))
    assert counts(quota) == {("PASS", "DOWNGRADE", "quota_exhausted"): 4}


def test_a_slower_rate_throttles_and_refuses():
    """The patience that a caller had counts as it did."""
    twin = Twin(policy(100))
    for patience in (None, None, None, 100):
        twin.settle(twin.authorize(1, max_delay_ms=patience), 1)
    slow = RatePolicy(requests=1, burst=1, overflow="queue", queue_max_delay_ms=5_000)
    preview = replayed(twin.log, policy(100, rate=slow))
    assert counts(preview) == {
        ("PASS", "PASS", "granted"): 1,
        ("PASS", "THROTTLE", "granted"): 2,
        ("PASS", "DENY", "rate_limited"): 1,
    }


def test_a_stream_that_may_not_go_on_ends_there():
    """It costs what it was granted until then, and its settlement finds nothing to settle."""
    twin = Twin(policy(1_000))
    grant = twin.authorize(100, "voice")
    twin.extend(grant, 100)
    twin.extend(grant, 100)
    twin.settle(grant, 280)
    preview = replayed(twin.log, policy(250))
    assert preview.cut_calls == 1
    assert (preview.cost_nanos, preview.proposed_cost_nanos) == (280, 200)
    assert preview.state.budget.holds == {}


def test_a_flood_and_what_is_not_about_policy_stay_as_they_were():
    """Refusals that were only counted cannot be asked again."""
    history = History(1, 250)
    counted = sum(
        sum(event.counts.values())
        for event in history.twin.log
        if type(event).__name__ == "RefusalsCounted"
    )
    assert replayed(history.twin.log, policy(10**9)).left_out == counted > 0
    twin = settled_day(100, 1)
    twin.authorize(1, sku="nobody-sells-this")
    assert ("DENY", "DENY", "not_priced") in counts(replayed(twin.log, policy(10**9)))


def test_what_a_visitor_may_not_do_no_policy_allows():
    """Who asked is not in a decision; what was refused for that is refused again."""
    twin = Twin(policy(100))
    twin.actor = "visitor_nobody"
    refused = twin.authorize(1)
    preview = replayed(twin.log, policy(10**9))
    assert counts(preview) == {("DENY", "DENY", refused.code): 1}
