"""
The numbers that a page shows are the numbers that the gate enforces.

Goal: for any history, every meter equals the gate's own figure, and all tables are the same however
the commits were batched. Method: random commands in a small world (three dozen calls, a limit that
is reached, months that end, holds that expire), decided by the real gate; its state is compared
with what the tables say.
"""

from __future__ import annotations

from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.policy import SetPolicy
from domain.state import State
from domain.units import Counters
from tests.projections.twin_story import DAY_US, MODALITIES, SECOND_US, TwinStory, policy, replaced
from tests.projector.read_side import connected, dump, prepared, project, rows, wipe

# The database of a test is prepared once, not for each of its examples.
PREPARED: dict[str, str] = {}
AMOUNT = st.integers(1, 400)
WHICH = st.integers(0, 11)
STEP = st.one_of(
    st.tuples(st.just("authorize"), st.sampled_from(MODALITIES), AMOUNT),
    st.tuples(st.just("settle"), WHICH, AMOUNT),
    st.tuples(st.just("extend"), WHICH, AMOUNT),
    st.tuples(st.just("release"), WHICH, AMOUNT),
    st.tuples(st.just("top_up"), WHICH, AMOUNT),
    st.tuples(st.just("policy"), WHICH, AMOUNT),
    st.tuples(st.just("later"), st.sampled_from([1, 60, 130]), st.just(SECOND_US)),
    st.tuples(st.just("later"), st.sampled_from([12, 33]), st.just(DAY_US)),
)
HISTORY = st.lists(st.lists(STEP, min_size=1, max_size=4), min_size=1, max_size=12)


def tell(history) -> TwinStory:
    """Let the gate decide a history; what it refuses is a part of it."""
    story = TwinStory(rules=policy(limit_nanos=4_000))
    for group in history:
        commands = []
        for kind, first, second in group:
            if kind == "later":
                story.later(first * second)
            else:
                commands += command(story, kind, first, second)
        if commands:
            story.do(*commands)
    return story


def command(story: TwinStory, kind: str, first, second: int) -> list:
    if kind == "authorize":
        return [story.authorize(first, second)]
    if kind == "top_up":
        return [story.top_up(second * 10)]
    if kind == "policy":
        return [SetPolicy(command_id=story.command_id(), policy=policy(limit_nanos=second * 20))]
    if not story.reservations:
        return []
    reservation_id = story.reservations[first % len(story.reservations)]
    number = int(reservation_id.rpartition(".")[2])
    holds = story.state.budget.holds | story.state.budget.expired
    modality = holds[number].modality if number in holds else "text"
    if kind == "release":
        return [story.release(reservation_id)]
    return [getattr(story, kind)(reservation_id, modality, second)]


def expected(state: State) -> dict[tuple[str, str], tuple]:
    """Committed, held and limit of every meter, as the gate has them."""
    money = state.budget
    meters: dict[tuple[str, str], tuple] = {
        ("all", "credits"): (
            money.credits_spent_nanos,
            money.credits_held_nanos,
            money.credits_added_nanos,
        )
    }
    for period, totals in money.periods.items():
        meters[period, "money"] = (totals.committed_nanos, totals.held_nanos)
        counters = totals.units.values()
        meters[period, "token_unit"] = added(map(tokens, counters))
        meters[period, "minute_unit"] = added(map(stream, counters))
        meters[period, "interaction_unit"] = added(
            (c.committed_turns_milli, c.held_turns_milli) for c in counters
        )
        meters[period, "video_minute_unit"] = stream(totals.units["video"])
        meters[period, "voice_minute_unit"] = stream(totals.units["voice"])
        meters[period, "text_token_unit"] = tokens(totals.units["text"])
        data = totals.units["data"]
        meters[period, "data_request"] = (
            data.committed_requests_milli,
            data.held_requests_milli,
        )
    return meters


def tokens(c: Counters) -> tuple[int, int]:
    return c.committed_tokens_milli, c.held_tokens_milli


def stream(c: Counters) -> tuple[int, int]:
    return c.committed_stream_ms_milli, c.held_stream_ms_milli


def added(pairs) -> tuple[int, int]:
    committed, held = zip(*pairs, strict=True)
    return sum(committed), sum(held)


async def meters(connection) -> dict[tuple[str, str], tuple]:
    found = await rows(
        connection, "SELECT period, unit, committed, held, limit_value FROM billing_meters"
    )
    return {
        (period, unit): (committed, held, limit) if period == "all" else (committed, held)
        for period, unit, committed, held, limit in found
    }


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(history=HISTORY, cuts=st.lists(st.integers(1, 5), min_size=1, max_size=5))
async def test_meters_equal_the_gate_however_commits_are_batched(database, history, cuts):
    """See the module."""
    story = tell(history)
    commits = story.opened()
    batches, at = [], 0
    while at < len(commits):
        size = cuts[len(batches) % len(cuts)]
        batches.append(commits[at : at + size])
        at += size
    if database not in PREPARED:
        PREPARED[database] = await prepared(database)
    async with connected(PREPARED[database]) as projector, connected(database) as owner:
        await wipe(owner)
        await project(projector, [[commit] for commit in commits])
        one_by_one = await dump(owner)
        assert await meters(owner) == expected(story.state)

        await wipe(owner)
        await project(projector, batches)
        assert await dump(owner) == one_by_one


async def test_limits_are_those_of_the_policy_in_force(database):
    """The limit on a page must be the one that refuses."""
    story = TwinStory(rules=policy(limit_nanos=4_000))
    story.do(SetPolicy(command_id="p", policy=policy(limit_nanos=9_000)), story.top_up(70))
    async with connected(await prepared(database)) as projector, connected(database) as owner:
        await project(projector, [story.opened()])
        found = dict(await rows(owner, "SELECT unit, limit_value FROM billing_meters"))

    assert {unit: limit for unit, limit in found.items() if limit is not None} == {
        "money": 9_000,
        "credits": 70,
        "video_minute_unit": 50 * 60_000_000,
        "data_request": 1_000_000_000,
    }


async def test_sums_may_pass_64_bits(database):
    """One tenant's absurd amounts must not stop the shard that others share."""
    story = TwinStory()
    story.do(story.authorize("data", 1))
    story.do(story.settle(story.reservations[0], "data", 1))
    (settled,) = story.commits[-1]
    for number in range(10, 14):
        story.write(replaced(settled, decision=number, cost_nanos=2**62, held_nanos=0))
    async with connected(await prepared(database)) as projector, connected(database) as owner:
        await project(projector, [story.opened()])
        found = await rows(owner, "SELECT committed FROM billing_meters WHERE unit = 'money'")

    assert found == [(Decimal(4 * 2**62 + 1_000),)]
