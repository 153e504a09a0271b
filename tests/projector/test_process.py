"""`vito projector` and `vito rebuild` as processes, on a real bus and a real database."""

import asyncio
import os
import subprocess
import sys

import pytest

from services.embedded.polling import until
from tests.projections.twin_story import TwinStory
from tests.projector.log_writer import writing
from tests.projector.read_side import caught_up, connected, dump, prepared, project, rows
from tests.rig.deployment import ROOT, Deployment

KILLS = int(os.environ.get("VITO_TEST_KILLS", "4"))
CALLS_PER_KILL = 30
TENANTS = ("cantor", "fernandez", "garcia")


@pytest.fixture
async def deployment(nats_factory, directory, database):
    server = nats_factory(shards=2)
    await server.start()
    address = await prepared(database)
    variables = {"VITO_POSTGRES_DSN": address, "VITO_POSTGRES_OWNER_DSN": database}
    made = Deployment(server, directory / "data", variables=variables)
    await made.set_up()
    yield made
    made.kill_all()


@pytest.fixture
async def owner(database):
    async with connected(database) as connection:
        yield connection


async def all_caught_up(owner, writer) -> None:
    for shard, seq in writer.last.items():
        await caught_up(owner, seq, shard=shard)


async def test_killed_projectors_lose_and_double_nothing(deployment, owner, postgres):
    """kill -9 in the middle of load, again and again: the tables equal the fold of the log."""
    stories = [TwinStory(tenant) for tenant in TENANTS]
    async with writing(deployment.settings) as writer:
        for kill in range(KILLS):
            process = await deployment.start("projector")
            before = (await rows(owner, "SELECT count(*) FROM audit_logs"))[0][0]
            loading = asyncio.gather(*(writer.tell(story, CALLS_PER_KILL) for story in stories))
            await more_rows_than(owner, before + 7 * kill % CALLS_PER_KILL)
            process.kill()
            await loading
        await deployment.start("projector")
        await all_caught_up(owner, writer)

    found = await dump(owner)
    assert len(found["audit_logs"]) == sum(len(story.reservations) for story in stories)
    assert amounts(found) == amounts(await folded(owner, postgres, stories))


async def more_rows_than(owner, count: int) -> None:
    async def reached() -> bool:
        return (await rows(owner, "SELECT count(*) FROM audit_logs"))[0][0] > count

    await until(reached, every_s=0.005, timeout_s=20)


async def folded(owner, postgres, stories) -> dict[str, list[tuple]]:
    """The same logs, projected without a process in between, in a database of their own."""
    name = f"{owner.info.dbname}_again"
    await owner.execute(f"CREATE DATABASE {name}")
    try:
        async with connected(await prepared(postgres.dsn(name))) as projector:
            seq = 1
            for story in stories:
                await project(projector, [story.opened(seq)])
                seq += len(story.commits)
        async with connected(postgres.dsn(name)) as again:
            return await dump(again)
    finally:
        await owner.execute(f"DROP DATABASE {name} WITH (FORCE)")


def amounts(found: dict[str, list[tuple]]) -> dict[str, list[tuple]]:
    """Rows without what depends on where in a stream, or in which shard, a commit is."""
    return {view: lines for view, lines in found.items() if view not in ("audit_logs", "tenants")}


async def test_two_processes_share_the_work_without_doubling_it(deployment, owner):
    """A standby is started like any other process, and takes over by itself."""
    stories = [TwinStory(tenant) for tenant in TENANTS]
    async with writing(deployment.settings) as writer:
        first = await deployment.start("projector")
        await deployment.start("projector")
        for story in stories:
            await writer.tell(story, 3)
        await all_caught_up(owner, writer)
        first.kill()
        for story in stories:
            await writer.tell(story, 3)
        await all_caught_up(owner, writer)

    assert await rows(owner, "SELECT count(*) FROM audit_logs") == [(18,)]


async def test_the_bus_may_restart(deployment, owner):
    """A killed nats-server is waited for; what was acknowledged before is projected after."""
    story = TwinStory("cantor")
    await deployment.start("projector")
    async with writing(deployment.settings) as writer:
        for _ in range(2):
            await writer.tell(story, 4)
            deployment.bus.kill()
            await deployment.bus.start()
        await writer.tell(story, 4)
        await all_caught_up(owner, writer)

    assert await rows(owner, "SELECT count(*) FROM audit_logs") == [(12,)]


async def test_it_ends_cleanly_when_asked(deployment, owner):
    """The supervisor sends SIGTERM and waits five seconds."""
    process = await deployment.start("projector")

    assert await process.stop(timeout_s=5) == 0
    assert '"event":"projector_stopped"' in process.said()


async def test_its_log_holds_no_password(deployment, owner):
    """Log files are read by more people than credentials."""
    process = await deployment.start("projector")
    await process.stop()

    said = process.said()
    for name, value in deployment.variables.items():
        if "PASSWORD" in name or "DSN" in name:
            assert value not in said


async def test_an_erased_tenant_does_not_stop_the_process(deployment, owner):
    """The key store's own word for "erased" is the one that is understood."""
    gone, stays = TwinStory("cantor"), TwinStory("fernandez")
    async with writing(deployment.settings) as writer:
        await writer.tell(gone, 2)
        await writer.tell(stays, 2)
        await writer.keys.delete("cantor")
        await deployment.start("projector")
        await all_caught_up(owner, writer)

    assert await rows(owner, "SELECT tenant, status FROM tenants ORDER BY 1") == [
        ("cantor", "erased"),
        ("fernandez", "active"),
    ]


async def test_rebuild_is_a_command(deployment, owner):
    """An operator rebuilds with one line, beside a running projector."""
    story = TwinStory("cantor")
    async with writing(deployment.settings) as writer:
        await writer.tell(story, 5)
        await deployment.start("projector")
        await all_caught_up(owner, writer)
        before = await dump(owner)

        done = await vito(deployment, "rebuild", "audit_log", "holds")

        assert done.returncode == 0, done.stdout
        assert "audit_log: version 2 serves instead of version 1" in done.stdout
        assert await dump(owner) == before
        await writer.tell(story, 1)
        await all_caught_up(owner, writer)
        assert await rows(owner, "SELECT count(*) FROM audit_logs") == [(6,)]


async def test_rebuild_of_what_is_stale_may_have_nothing_to_do(deployment):
    """A deployment runs it after every upgrade, whatever the upgrade changed."""
    done = await vito(deployment, "rebuild", "--stale")

    assert (done.returncode, done.stdout.strip()) == (
        0,
        "Every projection is as this program defines it.",
    )


async def test_rebuild_names_the_projections_that_there_are(deployment):
    """Who types a wrong name is told the right ones."""
    done = await vito(deployment, "rebuild", "audit_logs")

    assert done.returncode == 1
    assert "There is no projection audit_logs" in done.stdout
    assert "audit_log, decisions" in done.stdout


async def vito(deployment, *arguments: str) -> subprocess.CompletedProcess:
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "services.cli", *arguments],
        env={**os.environ, **deployment.variables},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
