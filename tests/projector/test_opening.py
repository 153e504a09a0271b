"""Bytes of the log become commits only if each follows the one before it and opens."""

import pytest

from services.projector.chain import Chain
from services.projector.opening import open_commits
from services.projector.source import SourceUnavailable, Stored
from services.sealing.wrapped_keys import KeyMissing
from tests.projections.twin_story import TwinStory
from tests.projector.memory_log import MemoryLog


@pytest.fixture
def log():
    log = MemoryLog()
    for tenant in ("cantor", "fernandez"):
        story = TwinStory(tenant)
        for _ in range(3):
            story.do(story.authorize("data", 1))
        for events in story.commits:
            log.append(tenant, events)
    return log


async def opened(log, stored, chain=None):
    return await open_commits(0, stored, chain or Chain(), log)


async def test_commits_come_with_their_place_and_events(log):
    """A row names its place in the log, so that an auditor can go and look."""
    found = await opened(log, log.streams[0])

    assert [(c.tenant, c.position, c.stream_seq) for c in found.commits] == [
        *(("cantor", n, n) for n in range(1, 5)),
        *(("fernandez", n, n + 4) for n in range(1, 5)),
    ]
    assert (found.last_seq, found.fault) == (8, None)
    assert found.events == sum(len(c.events) for c in found.commits)


async def test_a_tenants_chain_goes_on_from_its_stored_head(log):
    """A restart checks the next commit against the last one of before."""
    first = await opened(log, log.streams[0][:6])
    again = await opened(log, log.streams[0][6:], Chain(first.heads.values()))

    assert (again.fault, [c.position for c in again.commits]) == (None, [3, 4])


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda s: [*s[:2], *s[3:]], id="a commit is missing"),
        pytest.param(lambda s: [*s[:2], s[3], s[2], *s[4:]], id="two commits are swapped"),
        pytest.param(lambda s: [*s[:2], s[1], *s[2:]], id="a commit comes twice"),
        pytest.param(lambda s: [*s[:2], altered(s[2], -1), *s[3:]], id="the box is altered"),
        pytest.param(lambda s: [*s[:2], altered(s[2], 60), *s[3:]], id="the line is altered"),
        pytest.param(lambda s: [*s[:2], Stored(3, "cantor", b""), *s[3:]], id="it is empty"),
        pytest.param(lambda s: [*s[:2], Stored(3, "other", s[2].payload)], id="it was moved"),
    ],
)
async def test_nothing_is_taken_from_a_damaged_log_after_the_damage(log, damage):
    """Skipping what does not fit would hide it; everything before it is still shown."""
    stored = damage(log.streams[0])
    numbered = [Stored(n, s.tenant, s.payload) for n, s in enumerate(stored, 1)]

    found = await opened(log, numbered)

    assert [c.position for c in found.commits] == [1, 2]
    assert found.last_seq == 2
    assert found.fault is not None


def altered(stored: Stored, at: int) -> Stored:
    payload = bytearray(stored.payload)
    payload[at] ^= 1
    return Stored(stored.seq, stored.tenant, bytes(payload))


async def test_commits_of_an_erased_tenant_are_counted_and_passed(log):
    """One tenant's right to be forgotten must not stop the others of its shard."""
    log.erased.add("cantor")

    found = await opened(log, log.streams[0])

    assert (found.fault, found.erased, found.last_seq) == (None, 4, 8)
    assert [(c.erased, len(c.events)) for c in found.commits[:4]] == [(True, 0)] * 4
    assert found.events == sum(len(c.events) for c in found.commits[4:])


async def test_the_chain_of_an_erased_tenant_is_still_checked(log):
    """The hash is over the sealed bytes, so a forgotten tenant's log can still be proved."""
    log.erased.add("cantor")
    stored = [log.streams[0][0], altered(log.streams[0][1], -1), *log.streams[0][2:]]

    found = await opened(log, stored)

    assert (len(found.commits), found.fault is not None) == (2, True)


@pytest.mark.parametrize("error", [KeyMissing, SourceUnavailable])
async def test_a_missing_key_is_no_erased_key(log, error):
    """Only a destroyed key may be passed over; any other trouble with keys must be seen."""

    class NoKey:
        async def get(self, tenant, version):
            raise error

    found = await open_commits(0, log.streams[0], Chain(), NoKey())

    assert (found.commits, type(found.fault)) == ([], error)


async def test_what_was_checked_before_is_opened_again_without_a_new_head(log):
    """A projection that is behind reads old commits again; the heads must not move back."""
    first = await opened(log, log.streams[0])

    again = await opened(log, log.streams[0], Chain(first.heads.values()))

    assert (again.heads, again.fault, len(again.commits)) == ({}, None, 8)
