"""Back up, lose everything, restore: the log is the same, and what was erased can stay so."""

import asyncio
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import nats
import pytest

from services import setup
from services.backup import archive, deployment
from services.backup.archive import BackupUnusable
from services.backup.jetstream import WINDOW_BYTES, StreamCopyFailed
from services.embedded.nats_server import NatsServer
from services.sealing.wrapped_keys import KeyErased
from services.settings import Settings, password_name
from tests.deploy.sealed_log import sealed_log

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
TWINS = {"cantor": 120, "fernandez": 7, "a": 1, "b-2": 3}


def settings_of(server: NatsServer, **other) -> Settings:
    roles = {user.role: user.password for user in server.config.users}
    return Settings(nats_urls=(server.url,), nats_passwords=roles, **other)


@pytest.fixture
async def deployed(nats_factory, directory):
    """Settings of a deployment with four twins in its log, and its KEK's file."""
    server = nats_factory()
    await server.start()
    settings = settings_of(server)
    await setup.streams(settings)
    async with sealed_log(settings, directory / "kek.json") as log:
        for twin, count in TWINS.items():
            await log.write(twin, count)
    return server, settings


@pytest.fixture
async def elsewhere(nats_factory) -> NatsServer:
    """A new server, empty, with passwords of its own."""
    server = nats_factory()
    await server.start()
    return server


def nothing(_copy) -> None:
    """Nobody watches."""


async def everything(settings: Settings, directory: Path) -> dict[str, list]:
    async with sealed_log(settings, directory / "kek.json") as log:
        return {twin: await log.read(twin) for twin in TWINS}


async def test_a_restored_log_is_the_same(deployed, elsewhere, directory):
    """A backup that was never restored is a hope: every chain verifies and every box opens."""
    server, settings = deployed
    before = await everything(settings, directory)
    assert {twin: len(log) for twin, log in before.items()} == TWINS

    await deployment.backup(settings, directory / "backup", now=NOW, tell=nothing)
    server.kill()
    server.remove()
    restored = settings_of(elsewhere)
    manifest = await deployment.restore(restored, directory / "backup", tell=nothing)
    await setup.streams(restored)  # refuses streams with other settings than it would make

    assert manifest.taken_at == "2026-11-22T10:00:00+00:00"
    assert await everything(restored, directory) == before
    async with sealed_log(restored, directory / "kek.json") as log:
        fresh = "afterwards"
        await log.write(fresh, 2)
        assert len(await log.read(fresh)) == 2


async def test_a_backup_is_restored_with_replicas(deployed, nats_cluster, directory):
    """The way from one server to three is a backup and a restore."""
    _, settings = deployed
    before = await everything(settings, directory)
    await deployment.backup(settings, directory / "backup", now=NOW, tell=nothing)

    users = {user.role: user.password for user in nats_cluster.nodes[0].config.users}
    replicated = Settings(nats_urls=tuple(nats_cluster.urls), nats_passwords=users, replicas=3)
    admin = await nats.connect(nats_cluster.urls_for("unrestricted")[0])
    jetstream = admin.jetstream()
    names = deployment.streams(settings.shards)
    for info in await jetstream.streams_info():
        if info.config.name in names:
            await jetstream.delete_stream(info.config.name)
    await deployment.restore(replicated, directory / "backup", tell=nothing)

    infos = {name: await jetstream.stream_info(name) for name in names}
    assert {info.config.num_replicas for info in infos.values()} == {3}
    assert await everything(replicated, directory) == before
    for name in names:
        await jetstream.delete_stream(name)
    await admin.close()


async def test_keys_erased_after_the_backup_stay_erased(deployed, elsewhere, directory):
    """A restore must not bring back a twin that asked to be forgotten."""
    server, settings = deployed
    await deployment.backup(settings, directory / "monday", now=NOW, tell=nothing)
    async with sealed_log(settings, directory / "kek.json") as log:
        await log.keys.delete("fernandez")
    await deployment.backup(settings, directory / "tuesday", now=NOW, tell=nothing)
    server.kill()

    restored = settings_of(elsewhere)
    await deployment.restore(
        restored, directory / "monday", keys_directory=directory / "tuesday", tell=nothing
    )

    async with sealed_log(restored, directory / "kek.json") as log:
        assert len(await log.read("cantor")) == TWINS["cantor"]
        with pytest.raises(KeyErased):
            await log.read("fernandez")


async def test_a_backup_can_be_taken_while_commits_arrive(deployed, elsewhere, directory):
    """The service does not stop for it: what is copied is a prefix of every log."""
    _, settings = deployed
    async with sealed_log(settings, directory / "kek.json") as log:
        writing = asyncio.create_task(log.write("late", 200))
        await deployment.backup(settings, directory / "backup", now=NOW, tell=nothing)
        await writing
        whole = await log.read("late")
    restored = settings_of(elsewhere)
    await deployment.restore(restored, directory / "backup", tell=nothing)

    async with sealed_log(restored, directory / "kek.json") as log:
        copied = await log.read("late")
    assert copied == whole[: len(copied)]


async def test_a_restore_replaces_nothing(deployed, directory):
    """Restoring into the wrong deployment would be worse than the loss."""
    _, settings = deployed
    await deployment.backup(settings, directory / "backup", now=NOW, tell=nothing)
    before = await everything(settings, directory)

    with pytest.raises(StreamCopyFailed, match="exists"):
        await deployment.restore(settings, directory / "backup", tell=nothing)

    assert await everything(settings, directory) == before


async def test_a_damaged_backup_is_refused_before_anything_is_restored(
    deployed, elsewhere, directory
):
    """One flipped bit in the middle of a copy; half a restore would look like a whole one."""
    _, settings = deployed
    await deployment.backup(settings, directory / "backup", now=NOW, tell=nothing)
    file = directory / "backup" / "EVT_1.snapshot"
    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    file.write_bytes(damaged)
    restored = settings_of(elsewhere)

    with pytest.raises(BackupUnusable, match="damaged"):
        await deployment.restore(restored, directory / "backup", tell=nothing)

    file.unlink()
    with pytest.raises(BackupUnusable, match="EVT_1"):
        await deployment.restore(restored, directory / "backup", tell=nothing)
    await setup.streams(restored)  # nothing is there: everything is made anew
    assert await everything(restored, directory) == {twin: [] for twin in TWINS}


async def test_a_backup_of_another_deployment_is_refused(deployed, elsewhere, directory):
    """Its keys are bound to the other name, its twins to the other number of shards."""
    _, settings = deployed
    await deployment.backup(settings, directory / "backup", now=NOW, tell=nothing)

    for wrong in ({"deployment": "other"}, {"shards": 8}):
        with pytest.raises(BackupUnusable):
            await deployment.restore(
                settings_of(elsewhere, **wrong), directory / "backup", tell=nothing
            )


async def test_a_failed_backup_has_no_name(deployed, directory):
    """Who looks for the newest backup must not find half of one; nor may one be written over."""
    server, settings = deployed
    missing_stream = msgspec.structs.replace(settings, shards=5)

    with pytest.raises(StreamCopyFailed, match="EVT_2"):
        await deployment.backup(missing_stream, directory / "backup", now=NOW, tell=nothing)
    assert not (directory / "backup").exists()
    with pytest.raises(BackupUnusable, match="failed backup"):
        await deployment.backup(settings, directory / "backup", now=NOW, tell=nothing)

    (directory / "backup.partial").rename(directory / "looked-at")
    await deployment.backup(settings, directory / "backup", now=NOW, tell=nothing)
    with pytest.raises(BackupUnusable, match="exists"):
        await deployment.backup(settings, directory / "backup", now=NOW, tell=nothing)
    server.kill()


async def test_a_backup_is_readable_by_its_owner_only(deployed, directory):
    """It names every twin, and holds the keys, if wrapped."""
    _, settings = deployed
    await deployment.backup(settings, directory / "backup", now=NOW, tell=nothing)

    for path in (directory / "backup", *(directory / "backup").iterdir()):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path
    clear = b"".join(path.read_bytes() for path in (directory / "backup").iterdir())
    for password in settings.nats_passwords.values():
        assert password.reveal().encode() not in clear


async def test_the_commands(deployed, elsewhere, directory):
    """What the runbook says is typed by somebody under stress: it must work as written."""
    server, settings = deployed

    def vito(target: NatsServer, *arguments: str) -> subprocess.CompletedProcess[str]:
        env = {
            "PATH": os.environ["PATH"],
            "VITO_NATS_URLS": target.url,
            password_name("admin"): target.password("admin"),
        }
        return subprocess.run(
            [sys.executable, "-m", "services.cli", *arguments],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    taken = vito(server, "backup", str(directory / "backup"))
    assert (taken.returncode, taken.stderr) == (0, "")
    assert "KV_KEYS: 4 messages" in taken.stdout
    again = vito(server, "backup", str(directory / "backup"))
    assert again.returncode == 1
    assert "remedy: name a new directory" in again.stderr

    put_back = vito(elsewhere, "restore", str(directory / "backup"))
    assert (put_back.returncode, put_back.stderr) == (0, "")
    assert "next: vito setup" in put_back.stdout
    names = {copy.stream for copy in archive.read_manifest(directory / "backup").copies}
    assert names == set(deployment.streams(settings.shards))
    await setup.streams(settings_of(elsewhere))
    assert len((await everything(settings_of(elsewhere), directory))["cantor"]) == 120


async def test_a_stream_larger_than_the_window(deployed, elsewhere, directory):
    """The server waits for acknowledgements after a window: a small stream would not show it."""
    server, settings = deployed
    worker = await nats.connect(server.url_for("worker"), inbox_prefix="_INBOX_worker")
    size = 1024 * 1024
    for _ in range(2 + 2 * WINDOW_BYTES // size):
        await worker.jetstream().publish("evt.0.large.tenant", os.urandom(size))
    await worker.close()

    manifest = await deployment.backup(settings, directory / "backup", now=NOW, tell=nothing)
    restored = settings_of(elsewhere)
    await deployment.restore(restored, directory / "backup", tell=nothing)

    assert manifest.copy_of("EVT_0").bytes > 2 * WINDOW_BYTES
    for one in (server, elsewhere):
        admin = await nats.connect(one.url_for("admin"), inbox_prefix="_INBOX_admin")
        info = await admin.jetstream().stream_info("EVT_0")
        await admin.close()
        assert info.state.messages == manifest.copy_of("EVT_0").state["messages"]
