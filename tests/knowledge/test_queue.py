"""
The queue: whatever dies and whoever looks at the same time, each source is brought once.

The database, its locks and the rules of the gate are the real ones; time is a virtual clock that
moves on when everybody waits.
"""

from __future__ import annotations

import asyncio
import heapq
from contextlib import asynccontextmanager

import psycopg
import pytest

from contracts.knowledge import BeginIngestion, ReportFailed, ReportIngested, SubmitSource
from domain.answer import answer
from services.knowledge import ingesting, queue
from services.knowledge.document import Block, Reading
from services.knowledge.fetched import Fetched
from services.knowledge.ingesting import Ingesting
from services.knowledge.problem import IngestionProblem
from services.knowledge.queue import Queue
from services.knowledge.store import NotKept, hash_of
from tests.knowledge.world import new_database, world
from tests.projector.read_side import as_role

TENANT = "cantor"
# Turns of the loop in which nobody does anything but wait for the clock.
QUIET = 40


@pytest.fixture(scope="module")
def database(postgres_dsn):
    return new_database(postgres_dsn)


class Clock:
    """Sleeps end in their order, and none while a worker is looking for what waits."""

    def __init__(self) -> None:
        self.now_s, self.slept, self._waiting, self._number = 0.0, [], [], 0
        self._looks: list[asyncio.Future] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        woken = asyncio.get_running_loop().create_future()
        self._number += 1
        heapq.heappush(self._waiting, (self.now_s + seconds, self._number, woken))
        if seconds == queue.LOOK_S:
            self._looks.append(woken)
        await woken

    def tick(self, workers: int) -> None:
        """Wake who has slept enough, if so many workers have looked and wait to look again."""
        self._looks = [one for one in self._looks if not one.done()]
        while self._waiting and len(self._looks) >= workers:
            self.now_s, _, woken = heapq.heappop(self._waiting)
            if not woken.done():
                woken.set_result(None)
                return


class Gate:
    """Decides by the real rules, and lets the tables know."""

    def __init__(self, made) -> None:
        self.made, self.told, self.one_by_one = made, [], asyncio.Lock()
        self.deciding: list[asyncio.Task] = []

    def for_tenant(self, tenant):
        return _OfTenant(self, tenant)

    def times(self, kind, source: str) -> int:
        return sum(isinstance(one, kind) and one.source == source for one in self.told)


class _OfTenant:
    def __init__(self, gate: Gate, tenant: str) -> None:
        self._gate, self._tenant = gate, tenant

    async def tell(self, command):
        # Whoever has asked may die meanwhile: it is decided all the same.
        deciding = asyncio.create_task(self._decided(command))
        self._gate.deciding.append(deciding)
        return await asyncio.shield(deciding)

    async def _decided(self, command):
        made = self._gate.made
        async with self._gate.one_by_one:
            self._gate.told.append(command)
            made.do(self._tenant, command)
            decided = made.commits[-1].events[-1]
            await made.project()
        return answer(self._tenant, decided, len(made.commits))


class Shelf:
    """The store, in memory."""

    def __init__(self) -> None:
        self.kept = {}

    async def put(self, tenant, kind, data):
        self.kept[tenant, kind, hash_of(data)] = data
        return hash_of(data)

    async def get(self, tenant, kind, content_hash):
        if (tenant, kind, content_hash) not in self.kept:
            raise NotKept("gone")
        return self.kept[tenant, kind, content_hash]


class Reader:
    """Reads anything; *gate* holds everybody back where a test wants to see them at work."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.reading: list[str] = []

    async def read(self, fetched):
        self.reading.append(fetched.location)
        await self.gate.wait()
        return Reading(
            media_type="text/plain",
            title=fetched.location,
            blocks=(Block(kind="paragraph", text=f"Lo que dice {fetched.location}."),),
        )


class Scene:
    """A world with sources that wait, and workers."""

    def __init__(self, made) -> None:
        self.made, self.clock, self.gate = made, Clock(), Gate(made)
        self.shelf, self.reader, self.fetched = Shelf(), Reader(), []
        self.tasks: list[asyncio.Task] = []
        self.problem: Exception | None = None

    async def fetch(self, source):
        self.fetched.append(source.source)
        if self.problem is not None:
            raise self.problem
        return Fetched(body=b"x", media_type="text/plain", location=source.source)

    def worker(self) -> asyncio.Task:
        """Another process, as far as anybody can tell: connections and memory of its own."""
        parts = Ingesting(
            self.gate,
            self.shelf,
            _Pool(as_role(self.made.dsn, "vito_knowledge")),
            self.made.models,
            fetch=self.fetch,
            reader=self.reader,
            sleep=self.clock.sleep,
            deadline_s=1e9,
        )
        dsn = as_role(self.made.dsn, "vito_knowledge")
        made = Queue(dsn, self.made.pool, parts, sleep=self.clock.sleep)
        self.tasks.append(asyncio.create_task(made.run()))
        return self.tasks[-1]

    async def add(self, count: int) -> list[str]:
        names = [f"page{number}" for number in range(count)]
        for name in names:
            self.made.add(TENANT, name, kind="web", location=f"https://example.com/{name}")
        await self.made.project()
        return names

    async def until(self, is_so) -> None:
        """Let time pass until it is so; each tick is one sleep of somebody."""
        async with asyncio.timeout(20):
            while not is_so():
                await asyncio.sleep(0.001)
                self.tick()

    def tick(self) -> None:
        self.clock.tick(sum(not task.done() for task in self.tasks))

    def stage(self, name: str) -> str:
        return self.made.source(TENANT, name).stage

    def stages(self, names) -> set[str]:
        return {self.stage(name) for name in names}


class _Pool:
    """A connection for each who asks."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    @asynccontextmanager
    async def connection(self):
        async with await psycopg.AsyncConnection.connect(self._dsn, autocommit=True) as found:
            yield found


@pytest.fixture
async def scene(database):
    async with world(database) as made:
        found = Scene(made)
        yield found
        for task in found.tasks:
            task.cancel()
        await asyncio.gather(*found.tasks, *found.gate.deciding, return_exceptions=True)


async def test_two_workers_bring_each_source_once(scene):
    """Both look at the same list at the same time; the lock says who takes which."""
    names = await scene.add(12)
    scene.worker(), scene.worker()

    await scene.until(lambda: scene.stages(names) == {"review"})

    assert sorted(scene.fetched) == sorted(names)
    for name in names:
        assert scene.gate.times(BeginIngestion, name) == 1
        assert scene.gate.times(ReportIngested, name) == 1


async def test_what_a_dead_worker_held_goes_to_another_where_it_was(scene):
    """Its connection ends with it, and so do its locks; what is fetched is not fetched again."""
    names = await scene.add(2)
    scene.reader.gate.clear()
    dead = scene.worker()
    await scene.until(lambda: len(scene.reader.reading) == len(names))
    alive = scene.worker()
    for _ in range(QUIET):
        await asyncio.sleep(0.001)
        scene.tick()
    assert len(scene.reader.reading) == len(names), "what somebody holds nobody else takes up"

    # As the kernel ends it: nothing of it runs any more, and the server sees a closed socket.
    dead.cancel()
    await asyncio.gather(dead, return_exceptions=True)
    scene.reader.gate.set()
    await scene.until(lambda: scene.stages(names) == {"review"})

    assert not alive.done()
    assert sorted(scene.fetched) == sorted(names)
    assert [scene.gate.times(BeginIngestion, name) for name in names] == [2, 2]
    assert [scene.gate.times(ReportIngested, name) for name in names] == [1, 1]


async def test_one_that_is_stopped_does_not_rest_first(scene, monkeypatch):
    """A driver that is cancelled may say that its connection broke; that is no reason to wait."""
    working = asyncio.Event()

    async def broken(_ingesting, _source):
        working.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise psycopg.OperationalError("the connection is closed") from None

    monkeypatch.setattr(Ingesting, "ingest", broken)
    await scene.add(1)
    stopped = scene.worker()
    await scene.until(working.is_set)
    stopped.cancel()

    done, _ = await asyncio.wait({stopped}, timeout=10)
    assert done == {stopped}


async def test_who_has_lost_its_locks_brings_nothing(scene):
    """The server ends its connection, another one takes up: what the first one says is void."""
    (name,) = await scene.add(1)
    scene.reader.gate.clear()
    scene.worker()
    await scene.until(lambda: scene.reader.reading)

    await scene.made.owner.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'vito-ingest' AND datname = current_database()"
    )
    scene.worker()
    await scene.until(lambda: len(scene.reader.reading) == 2)
    scene.reader.gate.set()
    await scene.until(lambda: scene.stage(name) == "review")

    # The gate's number, and not luck, makes one of them void.
    assert scene.gate.times(BeginIngestion, name) == 2
    assert scene.made.source(TENANT, name).ingestion > 0


@pytest.mark.parametrize("may_pass", [True, False])
async def test_an_address_that_fails_is_asked_a_few_times_and_then_given_up(scene, may_pass):
    """Later each time; what cannot pass is not asked again. The reason is what people read."""
    (name,) = await scene.add(1)
    scene.problem = IngestionProblem("unreachable", "It does not answer.", may_pass=may_pass)
    scene.worker()

    await scene.until(lambda: scene.stage(name) == "failed")

    asked = 1 + len(ingesting.BACKOFF_S) if may_pass else 1
    assert len(scene.fetched) == asked
    waited = [one for one in scene.clock.slept if one in ingesting.BACKOFF_S]
    assert waited == (list(ingesting.BACKOFF_S) if may_pass else [])
    assert scene.gate.times(ReportFailed, name) == 1


async def test_what_ends_whoever_reads_it_is_given_up_and_can_be_asked_for_again(scene):
    """So often without a step forward, and no oftener, also if each time somebody new begins it."""
    (name,) = await scene.add(1)
    scene.reader.gate.clear()
    while scene.stage(name) != "failed":
        seen, dying = len(scene.reader.reading), scene.worker()
        await scene.until(
            lambda seen=seen: len(scene.reader.reading) > seen or scene.stage(name) == "failed"
        )
        dying.cancel()
        await asyncio.gather(dying, return_exceptions=True)

    # The first beginning had come to the reading; the last one only said that it is over.
    assert len(scene.reader.reading) == 1 + ingesting.BEGINNINGS_MAX
    assert scene.gate.times(BeginIngestion, name) == 1 + ingesting.BEGINNINGS_MAX + 1
    assert [one.code for one in scene.gate.told if isinstance(one, ReportFailed)] == ["stopped"]

    await scene.gate.for_tenant(TENANT).tell(SubmitSource(command_id="again", source=name))
    scene.reader.gate.set()
    scene.worker()
    await scene.until(lambda: scene.stage(name) == "review")


async def test_what_cannot_go_on_rests_longer_each_time_and_keeps_nobody_waiting(scene):
    """More of them than there are places, and the one that can go on has its turn."""
    names = await scene.add(7)
    scene.problem = ConnectionError("the store is away")
    scene.worker()
    await scene.until(lambda: scene.fetched.count(names[0]) == 3)

    # Every one of them had its turn although more rest than may be at work.
    assert set(scene.fetched) == set(names)
    rests = [one for one in scene.clock.slept if one >= queue.PUT_OFF_S]
    assert {queue.PUT_OFF_S, 2 * queue.PUT_OFF_S} <= set(rests)
    scene.problem = None
    await scene.until(lambda: scene.stages(names) == {"review"})
