"""Real servers, killed and paused during appends: no acknowledged one is lost or doubled."""

import asyncio
import os
import signal

import pytest

from services.eventstore import Append, OutcomeUnknown
from tests.eventstore.conftest import TEST_USER, Site

WRITERS = 6
WAIT_S = 30.0


class Load:
    """Writers that append one commit after another, alone or three tenants at once."""

    def __init__(self, store):
        self.store = store
        self.acked = {}
        self.count = 0
        self.doubts = 0
        self._changed = asyncio.Condition()
        self._over = False
        self._watch_doubts()

    def _watch_doubts(self):
        for name in ("publish", "publish_batch"):
            setattr(self.store.connection, name, self._doubting(name))

    def _doubting(self, name):
        attempt = getattr(self.store.connection, name)

        async def doubting(*arguments, **options):
            try:
                return await attempt(*arguments, **options)
            except OutcomeUnknown:
                self.doubts += 1
                await self._tell()
                raise

        return doubting

    async def _tell(self):
        async with self._changed:
            self._changed.notify_all()

    async def write(self, writer):
        tenants = [f"w{writer}-{n}" for n in range(1 if writer % 2 else 3)]
        heads = dict.fromkeys(tenants, 0)
        version = 0
        while not self._over:
            version += 1
            commits = [
                Append(tenant, version, "t", "n", f"{tenant} {version}".encode(), heads[tenant])
                for tenant in tenants
            ]
            for tenant, seq in zip(tenants, await self.store.append(commits), strict=True):
                self.acked[tenant, version] = heads[tenant] = seq
            self.count += 1
            await self._tell()

    async def until(self, condition):
        async with asyncio.timeout(WAIT_S), self._changed:
            await self._changed.wait_for(condition)

    async def more(self, count):
        """Wait until so many further appends are acknowledged."""
        wanted = self.count + count
        await self.until(lambda: self.count >= wanted)

    async def run(self, disturb):
        async with asyncio.TaskGroup() as group:
            for writer in range(WRITERS):
                group.create_task(self.write(writer))
            await self.more(30)
            await disturb(self)
            await self.more(30)
            self._over = True


async def check_nothing_is_lost_or_doubled(load, reader):
    stored = {}
    async for batch in reader.read_stream():
        for event in batch:
            key = (event.originator_id, event.version)
            assert key not in stored, f"{key} is stored twice"
            assert event.state == f"{key[0]} {key[1]}".encode()
            stored[key] = event.seq
    assert stored == load.acked


@pytest.fixture
async def own_site(own_nats):
    """A server of the test's own, to be killed."""
    return Site([own_nats.url_for(TEST_USER)], 1)


async def test_a_killed_server_loses_and_doubles_nothing(own_site, own_nats, open_log):
    """kill -9 in the middle of single commits and of batches, three times."""
    log = await open_log(own_site)
    load = Load(await log.open(ack_timeout_s=1.0))

    async def kill_thrice(load):
        for _ in range(3):
            own_nats.kill()
            await own_nats.start()
            await load.more(30)

    await load.run(kill_thrice)
    assert load.doubts > 0, "nothing was in flight when the server died"
    await check_nothing_is_lost_or_doubled(load, log.store)


async def test_a_paused_server_doubles_nothing(own_site, own_nats, open_log):
    """A pause longer than our patience: what we sent twice is then answered twice."""
    log = await open_log(own_site)
    load = Load(await log.open(ack_timeout_s=0.2))

    async def pause(load):
        os.kill(own_nats.pid, signal.SIGSTOP)
        try:
            await load.until(lambda: load.doubts >= 3 * WRITERS)
        finally:
            os.kill(own_nats.pid, signal.SIGCONT)

    await load.run(pause)
    await check_nothing_is_lost_or_doubled(load, log.store)


async def test_a_killed_leader_of_three_loses_and_doubles_nothing(nats_cluster, open_log):
    """The two that are left elect a new leader, which may answer before it has caught up."""
    log = await open_log(Site(nats_cluster.urls_for(TEST_USER), 3))
    load = Load(await log.open(ack_timeout_s=1.0))

    async def kill_leader(load):
        info = await log.connection.api(f"STREAM.INFO.{log.settings.stream}")
        leader = nats_cluster.node_named(info["cluster"]["leader"])
        leader.kill()
        try:
            await load.more(60)
        finally:
            await leader.start()
            await nats_cluster.ready()

    await load.run(kill_leader)
    await check_nothing_is_lost_or_doubled(load, log.store)


async def test_a_tail_survives_its_server(own_site, own_nats, open_log):
    """A consumer in memory is gone with its server; a reader must not miss or repeat anything."""
    log = await open_log(own_site)
    load = Load(await log.open(ack_timeout_s=1.0))
    seen = []

    async def follow():
        async with (await log.open()).tail() as tail:
            async for batch in tail:
                seen.extend(event.seq for event in batch)
                await load._tell()

    following = asyncio.create_task(follow())

    async def kill_and_pause(load):
        own_nats.kill()
        await own_nats.start()
        await load.more(30)

    await load.run(kill_and_pause)
    await load.until(lambda: len(seen) >= len(load.acked))
    following.cancel()
    assert seen == sorted(load.acked.values())
