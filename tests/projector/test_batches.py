"""Between the log and Postgres stand two batches at most, and each commit is in one of them."""

import asyncio
from types import SimpleNamespace

import pytest

from services.projector import batches
from services.projector.batches import Batches
from services.projector.chain import Chain
from services.projector.opening import Opened
from services.projector.source import SourceUnavailable, Stored
from tests.projections.twin_story import TwinStory
from tests.projector.memory_log import MemoryLog


class Seen:
    """A projection that notes what it is given."""

    def __init__(self) -> None:
        self.seqs: list[int] = []

    def add(self, commit) -> None:
        self.seqs.append(commit.stream_seq)

    def writes(self) -> list:
        return []


WANTED = tuple(SimpleNamespace(NAME=name, Fold=Seen) for name in ("ahead", "behind"))


@pytest.fixture
def commits():
    story = TwinStory()
    for _ in range(9):
        story.do(story.authorize("data", 1))
    return story.opened()


def opened(commits, fault=None) -> Opened:
    events = sum(len(commit.events) for commit in commits)
    return Opened(list(commits), events=events, fault=fault)


def seen(batch) -> dict[str, list[int]]:
    return {name: fold.seqs for name, fold in batch.folds.items()}


async def test_a_batch_is_all_that_has_come_meanwhile(commits):
    """One transaction for many commits is what keeps up with load."""
    waiting = Batches(WANTED, {"ahead": 0, "behind": 0})
    await waiting.put(opened(commits[:1]))
    await waiting.put(opened(commits[1:4]))

    batch = await waiting.take()

    assert (seen(batch)["behind"], batch.last_seq) == ([1, 2, 3, 4], 4)


async def test_each_projection_gets_what_it_does_not_have(commits):
    """After a rebuild one projection may be further than the others."""
    waiting = Batches(WANTED, {"ahead": 3, "behind": 1})
    await waiting.put(opened(commits[:5]))

    assert seen(await waiting.take()) == {"ahead": [4, 5], "behind": [2, 3, 4, 5]}


async def test_what_comes_again_is_in_no_batch_again(commits):
    """Neither in the same batch nor in a later one: its amounts would count twice."""
    waiting = Batches(WANTED, {"ahead": 0, "behind": 0})
    await waiting.put(opened(commits[:3]))
    await waiting.put(opened(commits[1:4]))
    first = await waiting.take()
    await waiting.put(opened(commits[2:6]))
    second = await waiting.take()

    assert (seen(first)["behind"], seen(second)["behind"]) == ([1, 2, 3, 4], [5, 6])


async def test_reading_waits_while_postgres_is_slower(commits, monkeypatch):
    """A projector that is far behind must not read the whole log into memory."""
    monkeypatch.setattr(batches, "EVENTS_PER_BATCH_MAX", 2)
    waiting = Batches(WANTED, {"ahead": 0, "behind": 0})
    reading = asyncio.create_task(put_all(waiting, commits))
    taken = []
    while not reading.done() or len(taken) < 2:
        batch = await waiting.take()
        taken.append(seen(batch)["behind"])
        # The provisioning commit alone has more events than fit.
        assert len(batch.folds["behind"].seqs) <= 2
        if batch.last_seq == commits[-1].stream_seq:
            break
    await reading

    assert [seq for batch in taken for seq in batch] == list(range(1, 11))


async def put_all(waiting, commits) -> None:
    for commit in commits:
        await waiting.put(opened([commit]))


async def test_a_fault_comes_after_everything_before_it():
    """What can be shown is shown; what cannot ends it."""
    log, story = MemoryLog(), TwinStory()
    log.append(story.tenant, story.commits[0])
    log.put("cantor", b"not a commit")
    log.streams[0].append(Stored(3, "cantor", b""))
    waiting = Batches(WANTED, {"ahead": 0, "behind": 0})

    await waiting.fill(log, log, Chain(), shard=0, after_seq=0)
    batch = await waiting.take()

    assert (batch.last_seq, batch.fault is not None) == (1, True)


async def test_a_source_that_fails_ends_the_batch():
    """The one who applies decides when to try again."""
    log = MemoryLog()
    log.down = True
    waiting = Batches(WANTED, {"ahead": 0, "behind": 0})

    await waiting.fill(log, log, Chain(), shard=0, after_seq=0)
    batch = await waiting.take()

    assert (batch.last_seq, type(batch.fault)) == (0, SourceUnavailable)
