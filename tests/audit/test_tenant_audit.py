"""Tampering with a log, without the key or with it, is found and its place is named."""

from __future__ import annotations

import msgspec
import pytest

from contracts.budget import CallSettled
from domain.views import view
from services.audit.findings import Finding, Findings
from services.audit.live import LiveCheck
from services.audit.report import ERASED, Area, Plan, report
from services.audit.snapshot import SnapshotCheck
from services.audit.tenant_audit import TenantAudit
from services.gate.writer import Waiter
from services.tenant_log.snapshots import Restored
from tests.audit.written_log import SECOND_US, WrittenLog

NOUNS = ("tenant", "policy", "price_book", "budget", "rate", "twin")


def views_of(log: WrittenLog) -> dict:
    return {noun: copied(view(noun, log.state, log.now_us)) for noun in NOUNS}


def copied(struct):
    """As it is after a journey: nothing shared with the state that it shows."""
    return msgspec.json.decode(msgspec.json.encode(struct), type=type(struct))


async def audit(log: WrittenLog, *, views=None, snapshot: Restored | None = None) -> TenantAudit:
    findings = Findings(log.tenant)
    made = TenantAudit(log.tenant, log.prefix, log, log, findings)
    if views is not None:
        made.live = LiveCheck(views, findings)
    if snapshot is not None:
        made.snapshot = SnapshotCheck(snapshot, findings)
    await made.run(len(log.stored))
    return made


async def found_in(log: WrittenLog, **more) -> list[Finding]:
    return (await audit(log, **more)).findings.listed


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.fixture
def log() -> WrittenLog:
    """Calls that are settled, released, refused, overrun, that run out, and credits."""
    log = WrittenLog(limit_nanos=40_000)
    log.calls(3, together=3)
    log.do(log.top_up(5_000))
    granted = log.do(log.authorize(), log.authorize(amount=5), log.authorize(ttl_ms=1_000))
    log.do(log.release(granted[0].reservation_id), log.settle(granted[1].reservation_id, 50))
    log.later(2 * SECOND_US)
    log.do(log.settle(granted[2].reservation_id, 10), log.authorize(amount=10_000))
    log.calls(2)
    return log


async def test_an_untouched_log_is_proved(log):
    """A check that cried wolf would be switched off; all that a gate writes must pass."""
    found = await audit(
        log, views=views_of(log), snapshot=Restored(log.state, log.writer.acked, 16)
    )

    assert found.findings.listed == []
    assert found.link == log.writer.acked
    assert found.refold.state == log.state
    kinds = {type(event).__name__ for p in range(len(log.stored)) for event in log.events(p + 1)}
    assert {"HoldsExpired", "HoldReleased", "CallRefused", "CreditsAdded"} <= kinds
    assert any(e.late for p in range(16) for e in log.events(p + 1) if type(e) is CallSettled)


# -- by somebody without the key ------------------------------------------------------


async def test_a_bit_of_a_body(log):
    """The seal notices what the chain only notices one commit later."""
    log.replace(4, state=flipped(log.stored[3].state, -20))

    first, second = await found_in(log)
    assert (first.check, first.position) == ("content", 4)
    assert "does not open" in first.what
    assert (second.check, second.position) == ("log", 5)
    assert "hash differs" in second.what


async def test_a_bit_of_the_last_body(log):
    """Nothing follows the last commit that would carry its hash."""
    last = len(log.stored)
    log.replace(last, state=flipped(log.stored[-1].state, -20))

    (only,) = await found_in(log)
    assert (only.check, only.position) == ("content", last)


async def test_a_dropped_commit(log):
    """The next one is not the next."""
    del log.stored[5]

    (only,) = await found_in(log)
    assert (only.check, only.position) == ("log", 6)
    assert "its index is 7" in only.what


async def test_two_swapped_commits(log):
    """Order is part of what is proved."""
    log.stored[4], log.stored[5] = log.stored[5], log.stored[4]

    (only,) = await found_in(log)
    assert (only.check, only.position) == ("log", 5)


async def test_a_changed_line(log):
    """The clear line is bound to the box and covered by the next hash."""
    state = log.stored[6].state
    log.replace(7, state=state.replace(b"actor=worker-test", b"actor=worker-best", 1))

    first, second = await found_in(log)
    assert (first.check, first.position) == ("content", 7)
    assert (second.check, second.position) == ("log", 8)


async def test_a_line_that_cannot_be_read(log):
    """Garbage is no commit, and says so."""
    log.replace(3, state=b"garbage")

    (only,) = await found_in(log)
    assert (only.check, only.position) == ("log", 3)
    assert "first line" in only.what


async def test_a_commit_of_another_tenant(log):
    """A box of another twin would be another twin's spending."""
    other = WrittenLog("fernandez")
    other.calls(2)
    log.replace(3, state=other.stored[2].state)

    (only,) = await found_in(log)
    assert (only.check, only.position) == ("log", 3)
    assert "a commit of fernandez" in only.what


async def test_a_commit_that_is_replayed(log):
    """Money that is spent twice in the log is spent twice on the bill."""
    again = log.stored[4]
    log.stored.insert(5, again)

    (only,) = await found_in(log)
    assert (only.check, only.position) == ("log", 6)
    assert "its index is 5" in only.what


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"subject": "evt.0.fernandez.budget"}, "subject"),
        ({"subject": "evt.1.cantor.budget"}, "subject"),
        ({"subject": "evt.0.cantor.budget.more"}, "subject"),
        ({"version": 9}, "header Vito-Version"),
        ({"topic": "other/1"}, "header Vito-Topic"),
    ],
)
async def test_a_wrong_wrapping(log, changes, what):
    """What stands around the bytes is how others find them."""
    log.replace(3, **changes)

    (only,) = await found_in(log)
    assert (only.check, only.position, only.what) == ("log", 3, what)
    assert next(iter(changes.values())) == only.found or only.found == "9"


async def test_a_cut_off_end_is_noticed_by_the_gate_and_by_the_snapshot(log):
    """A chain alone cannot tell that it once was longer."""
    views, snapshot = views_of(log), Restored(log.state, log.writer.acked, len(log.stored))
    del log.stored[-2:]

    assert await found_in(log) == []
    live = await found_in(log, views=views)
    assert {(f.check, f.position) for f in live} == {("live", len(log.stored))}
    (only,) = await found_in(log, snapshot=snapshot)
    assert (only.check, only.what, only.found) == ("snapshot", "position", "16")


# -- by somebody with the key -----------------------------------------------------------


def doctored(number: int, **changes):
    def change(events):
        events[number - 1] = msgspec.structs.replace(events[number - 1], **changes)
        return events

    return change


async def test_a_doctored_standing(log):
    """An answer that was not what the state was: the gate lied, or somebody does."""
    standing = log.events(2)[1].standing
    lie = msgspec.structs.replace(standing, held_nanos=1)
    log.rewrite(2, doctored(2, standing=lie))

    (only,) = await found_in(log)
    assert (only.check, only.position, only.event) == ("fold", 2, 2)
    assert only.what == "standing.held_nanos"
    assert (only.expected, only.found) == (str(standing.held_nanos), "1")


async def test_a_doctored_cost(log):
    """Every standing after it disagrees, from the very event on."""
    cost = log.events(3)[0].cost_nanos
    log.rewrite(3, doctored(1, cost_nanos=cost - 1))

    first = (await found_in(log))[0]
    assert (first.check, first.position, first.event) == ("fold", 3, 1)
    assert first.what == "standing.committed_nanos"


async def test_a_doctored_limit_of_the_policy(log):
    """What the policy allowed is part of every standing."""
    rules = log.events(1)[1].policy
    budget = msgspec.structs.replace(rules.budget, monthly_hard_limit_nanos=10**9)
    log.rewrite(1, doctored(2, policy=msgspec.structs.replace(rules, budget=budget)))

    first = (await found_in(log))[0]
    assert (first.position, first.event, first.what) == (2, 1, "standing.limit_nanos")


async def test_another_command(log):
    """The digest names the commands that were answered."""
    log.rewrite(2, doctored(1, command_id="somebody-else"))

    (only,) = await found_in(log)
    assert (only.check, only.position, only.what) == ("fold", 2, "digest of the commands")


async def test_a_decision_that_is_left_out(log):
    """Numbers are dense, so that a closed hold is known to be closed."""
    log.rewrite(2, lambda events: events[1:], command_ids=["cantor-2", "cantor-3"])

    first = (await found_in(log))[0]
    assert (first.position, first.event, first.what) == (2, 1, "decision")
    assert (first.expected, first.found) == ("2", "3")


async def test_a_settlement_twice(log):
    """A second settlement under the same number is one too many."""
    log.rewrite(3, lambda events: [events[0], *events])

    assert (3, 2, "decision") in {(f.position, f.event, f.what) for f in await found_in(log)}


async def test_time_that_runs_backwards(log):
    """Expiry and months depend on it."""
    log.rewrite(3, doctored(2, at_us=log.events(2)[0].at_us - 1))

    found = {(f.position, f.event, f.what) for f in await found_in(log)}
    assert (3, 2, "at_us") in found


async def test_a_commit_that_was_closed_before_its_events(log):
    """Two clocks in one commit that cannot both be right."""
    log.rewrite(3, line={"at_us": log.events(3)[0].at_us - 1})

    (only,) = await found_in(log)
    assert (only.position, only.what) == (3, "at_us of the commit")


async def test_an_event_that_does_not_fit(log):
    """A month that never began: the fold ends there and claims nothing beyond."""
    log.rewrite(2, doctored(1, period="1999-01"))
    found = await audit(log, views=views_of(log))

    (only,) = found.findings.listed
    assert (only.check, only.position, only.event) == ("fold", 2, 1)
    plan = Plan(snapshot=Area("none"), postgres=Area("not_checked", "--no-postgres", wanted=False))
    summed = report(found, plan, 1.0)
    assert {name: area.state for name, area in summed.areas.items()} == {
        "log": "proved",
        "content": "differs",
        "live": "not_checked",
        "snapshot": "none",
        "postgres": "not_checked",
    }
    # What somebody asked not to check is not missing.
    assert summed.left_out == ["live: the log cannot be folded to its end"]


# -- live and snapshot ------------------------------------------------------------------


async def test_views_from_the_middle_of_a_commit(log):
    """A group of decisions is one commit, and somebody may ask between two of them."""
    log.writer.offer(waiting(log.authorize()))
    views = views_of(log)
    log.writer.offer(waiting(log.authorize()))
    log.flush()

    assert views["budget"].position == len(log.stored)
    assert views["budget"].open_holds + 1 == len(log.state.budget.holds)
    assert await found_in(log, views=views) == []


def waiting(*commands) -> Waiter:
    return Waiter(list(commands), "operator", lambda _: None)


async def test_a_gate_that_shows_something_else(log):
    """Whatever it decides by is not the log."""
    views = views_of(log)
    views["budget"] = msgspec.structs.replace(views["budget"], remaining_nanos=7)
    views["tenant"] = msgspec.structs.replace(views["tenant"], status="suspended")

    found = {f.what: (f.check, f.position, f.found) for f in await found_in(log, views=views)}
    last = len(log.stored)
    assert found["budget view, remaining_nanos"] == ("live", last, "7")
    assert found["tenant view, status"] == ("live", last, "suspended")
    assert len(found) == 2


async def test_a_gate_that_is_behind():
    """It answered from a state that lacks what was acknowledged before."""
    log = WrittenLog()
    views = views_of(log)
    log.calls(1)
    findings = Findings("cantor")
    LiveCheck(views, findings).is_not_behind(len(log.stored))

    assert {(f.check, f.position) for f in findings.listed} == {("live", 1)}
    assert findings.count == len(NOUNS)


async def test_a_doctored_snapshot(log):
    """Workers start from it without folding what is before."""
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(log.state), type=type(log.state))
    state.budget.periods[state.budget.period].committed_nanos -= 1
    snapshot = Restored(state, log.writer.acked, len(log.stored))

    (only,) = await found_in(log, snapshot=snapshot)
    assert (only.check, only.position) == ("snapshot", len(log.stored))
    assert only.what == f"budget.periods[{state.budget.period}].committed_nanos"


async def test_a_snapshot_of_another_log(log):
    """It names a commit that is not this one."""
    other = WrittenLog()
    other.calls(4)
    snapshot = Restored(other.state, other.writer.acked, len(other.stored))

    (only,) = await found_in(log, snapshot=snapshot)
    assert (only.position, only.what) == (9, "the commit that it stands on")


# -- keys ---------------------------------------------------------------------------------


async def test_an_erased_tenant(log):
    """The chain is over ciphertext, so it is proved for ever; the content is gone."""
    log.is_erased = True
    found = await audit(log)

    assert found.findings.listed == []
    assert found.erased
    assert found.link.index == len(log.stored)
    assert found.refold.events == 0
    summed = report(found, Plan(*(Area("none", ERASED),) * 3), 1.0)
    assert (summed.log.state, summed.content.state) == ("proved", "none")


async def test_an_erased_tenant_with_a_broken_chain(log):
    """Erasure must not be a way to hide that commits are missing."""
    log.is_erased = True
    del log.stored[4]

    (only,) = await found_in(log)
    assert (only.check, only.position) == ("log", 5)


async def test_a_key_that_is_missing(log):
    """Not erased, just not there: nobody decided that."""
    log.is_keyless = True
    found = await audit(log)

    (only,) = found.findings.listed
    assert (only.check, only.position) == ("content", 1)
    assert found.link.index == len(log.stored)


async def test_findings_are_bounded():
    """A log that is wrong everywhere must not fill memory, and still counts in full."""
    findings = Findings("cantor")
    for number in range(1_000):
        findings.add("postgres", "row", position=number)

    assert len(findings.listed) == 50
    assert findings.count == findings.of("postgres") == 1_000
