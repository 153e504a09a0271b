"""Folding a log: from the beginning, or from a snapshot on, comes to the same."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import gate
from domain.state import State
from services.sealing.wrapped_keys import KeyErased, KeyMissing
from services.tenant_log import snapshots
from services.tenant_log.codec import BrokenLog, Link, hash_of
from services.tenant_log.replay import commits, fold
from services.tenant_log.snapshots import PURPOSE, encode, encode_state, seal
from tests.audit.written_log import SECOND_US, WrittenLog


class OneSnapshot:
    """A store that has one sealed snapshot, and counts how often it is asked."""

    def __init__(self, log: WrittenLog, frozen: bytes, *, key_version: int = 1) -> None:
        context = (log.tenant.encode(), str(key_version).encode())
        self.found = (seal(log.key, PURPOSE, context, frozen), key_version)
        self.asked = 0

    async def find(self, tenant: str):
        self.asked += 1
        return self.found


class Counting:
    """A reader that counts the commits that were folded, not those that were looked at."""

    def __init__(self, log: WrittenLog) -> None:
        self._log = log
        self.after: list[int] = []

    def read(self, originator_id: str, *, after_seq: int = 0):
        self.after.append(after_seq)
        return self._log.read(originator_id, after_seq=after_seq)


@pytest.fixture(scope="module")
def log() -> WrittenLog:
    """A log with everything in it that a state can remember."""
    log = WrittenLog(limit_nanos=60_000)
    log.calls(4, together=3)
    log.do(log.top_up(5_000))
    granted = log.do(
        log.authorize(session_id="s1"),
        log.authorize(ttl_ms=1_000, session_id="s2"),
        log.authorize("video", 900),
    )
    log.later(2 * SECOND_US)
    log.do(log.settle(granted[1].reservation_id, 10), log.authorize(amount=1_000_000))
    log.calls(2)
    return log


def state_at(log: WrittenLog, position: int) -> State:
    state = State(log.tenant)
    for index in range(1, position + 1):
        state.position = index
        for event in log.events(index):
            gate.evolve(state, event)
    return state


def snapshot_at(log: WrittenLog, position: int) -> OneSnapshot:
    frozen = encode_state(state_at(log, position))
    link = Link(position, hash_of(log.stored[position - 1].state))
    return OneSnapshot(log, encode(frozen, link, log.stored[position - 1].seq))


async def test_a_fold_is_the_state_of_the_writer(log):
    """What a worker would build anew is what the one before it had."""
    folded = await fold(log.tenant, log, log)

    assert folded.state == log.state
    assert folded.link == log.writer.acked
    assert (folded.last_seq, folded.commits) == (len(log.stored), len(log.stored))


@given(data=st.data())
@settings(max_examples=25, deadline=None)
async def test_a_snapshot_anywhere_changes_nothing_but_the_work(log, data):
    """Restored and folded on, the state is the same to the last field."""
    position = data.draw(st.integers(1, len(log.stored)))
    reader = Counting(log)
    folded = await fold(log.tenant, reader, log, snapshot_at(log, position))

    assert folded.state == log.state
    assert encode_state(folded.state) == encode_state(log.state)
    assert folded.link == log.writer.acked
    assert folded.commits == len(log.stored) - position
    assert folded.events == sum(
        len(log.events(p)) for p in range(position + 1, len(log.stored) + 1)
    )
    assert reader.after[-1] == position


async def test_a_decision_goes_on_from_a_snapshot_as_without(log):
    """A restored state is not only equal, it decides and folds on the same."""
    position = len(log.stored)
    folded = await fold(log.tenant, log, log, snapshot_at(log, position))
    later_us = log.now_us + 86_400 * SECOND_US

    assert gate.due(folded.state, later_us) == gate.due(log.state, later_us) != []


async def refused(log: WrittenLog, store: OneSnapshot) -> bool:
    """Whether the snapshot was ignored and everything was folded, to the same end."""
    folded = await fold(log.tenant, log, log, store)
    assert folded.state == log.state
    assert store.asked == 1
    return folded.commits == len(log.stored)


async def test_a_snapshot_that_was_altered(log):
    """It is sealed, so a flipped bit makes it useless and nothing else."""
    store = snapshot_at(log, 5)
    box, version = store.found
    store.found = (box[:200] + bytes([box[200] ^ 1]) + box[201:], version)

    assert await refused(log, store)


async def test_a_snapshot_of_another_tenant(log):
    """Sealed with another key for another name."""
    other = WrittenLog("fernandez")
    other.calls(3)

    assert await refused(log, snapshot_at(other, 5))


async def test_a_snapshot_under_another_key_version(log):
    """The version is bound to the box; one that was never made is no reason to fail."""
    store = snapshot_at(log, 5)
    store.found = (store.found[0], 2)

    assert await refused(log, store)


async def test_a_snapshot_of_another_history(log):
    """A log that was restored from a backup: same names, other commits."""
    other = WrittenLog(log.tenant, limit_nanos=50_000)
    other.calls(5)

    assert await refused(log, snapshot_at(other, 5))


async def test_a_snapshot_from_beyond_the_end(log):
    """It knows more than the log: then the log is what counts."""
    longer = WrittenLog(log.tenant, limit_nanos=60_000)
    longer.calls(40)

    assert await refused(log, snapshot_at(longer, len(log.stored) + 3))


async def test_a_snapshot_of_another_layout_of_the_state(log, monkeypatch):
    """A decoder would fill a field that it does not know with a default, and be wrong."""
    store = snapshot_at(log, 5)
    monkeypatch.setattr(snapshots, "layout", lambda: 1)

    assert await refused(log, store)


async def test_a_fold_that_ends_early(log):
    """Time travel uses no snapshot: it would be of a later time."""
    store = snapshot_at(log, len(log.stored))
    folded = await fold(log.tenant, log, log, store, until=lambda line: line.index > 4)

    assert folded.link.index == folded.state.position == 4
    assert store.asked == 0


async def test_a_broken_chain_is_never_folded_over(log):
    """A state of half a log would grant money that is spent."""
    broken = WrittenLog(log.tenant)
    broken.calls(4)
    del broken.stored[3]

    with pytest.raises(BrokenLog) as raised:
        await fold(broken.tenant, broken, broken)
    assert raised.value.index == 4


@pytest.mark.parametrize(
    ("missing", "problem"), [("is_erased", KeyErased), ("is_keyless", KeyMissing)]
)
async def test_without_its_key_a_log_is_not_folded(missing, problem):
    """Neither an erased tenant nor one whose key is lost begins again from nothing."""
    log = WrittenLog()
    setattr(log, missing, True)

    with pytest.raises(problem):
        await fold(log.tenant, log, log)


async def test_commits_can_be_read_from_the_middle(log):
    """From a link on, the chain is checked as from the beginning."""
    link = Link(3, hash_of(log.stored[2].state))
    found = [c async for c in commits(log.tenant, log, log, link=link, after_seq=3)]

    assert [commit.line.index for commit in found] == list(range(4, len(log.stored) + 1))
    assert found[-1].link == log.writer.acked
