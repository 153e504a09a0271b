"""A key from its making to its end on real processes: gate, log, tables, two callouts, the bus."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

import psycopg
import pytest

from contracts.access import IssueKey, RevokeKey
from contracts.views import BudgetView, TenantView
from services.client import CannotVerify, GateClient, NotAllowed
from services.client.connection import NotConnected
from services.client.patience import Patience
from services.client.sender import new_id
from services.embedded.polling import until
from services.identity import api_key
from services.migrations import prepare_database
from tests.callout.world import CALLOUT_FILE
from tests.projector.read_side import PASSWORDS, as_role
from tests.rig.deployment import Deployment
from tests.rig.twins import provision_twin

HASTE = Patience(deadline_s=2.0, attempt_s=0.5)


@pytest.fixture
async def deployment(bus, database, directory):
    """Worker, projector and two callouts on a bus that asks them."""
    await prepare_database(database, PASSWORDS)
    keys = directory / "callout_keys.json"
    keys.touch(mode=0o600)
    keys.write_bytes(CALLOUT_FILE)
    started = Deployment(
        bus,
        directory,
        variables={
            "VITO_CALLOUT_KEYS_FILE": str(keys),
            "VITO_POSTGRES_DSN": database,
            "VITO_POSTGRES_CALLOUT_DSN": as_role(database, "vito_callout"),
        },
    )
    await started.set_up()
    commands = ("worker", "projector", "callout", "callout")
    await asyncio.gather(*(started.start(command) for command in commands))
    yield started
    started.kill_all()


async def issued(owner: GateClient) -> api_key.NewKey:
    key = api_key.generate_key("test")
    made = await owner.tell(
        IssueKey(
            command_id=new_id(),
            key_id=key.key_id,
            label="a-service",
            scopes=["calls"],
            secret_hash=key.secret_hash,
        )
    )
    assert made.status == 200, made
    return key


async def connected(deployment: Deployment, key: api_key.NewKey, stack) -> GateClient:
    """Connect with a key; the tables lag behind the log a little, so more than once."""

    async def is_known() -> bool:
        try:
            connecting = GateClient.connect(
                deployment.bus.url, tenant="cantor", key=key.text, patience=HASTE
            )
            found.append(await stack.enter_async_context(connecting))
        except NotConnected:
            return False
        return True

    found: list[GateClient] = []
    await until(is_known, every_s=0.1, timeout_s=10)
    return found[0]


async def denied(database: str, key: api_key.NewKey) -> bool:
    """Whether the twin's log, as the tables show it, says that the key was kept out."""
    async with await psycopg.AsyncConnection.connect(database) as connection:
        found = await connection.execute(
            "SELECT command_id, noun, verb, code, status, facts->>'door' FROM decisions"
            " WHERE tenant = 'cantor' AND actor = %s AND code = 'key_over'",
            (f"key_{key.key_id}",),
        )
        rows = await found.fetchall()
    assert len({row[0] for row in rows}) == len(rows)
    assert {row[1:] for row in rows} <= {("bus", "connect", "key_over", 401, "bus")}
    return bool(rows)


async def test_a_key_opens_its_twin_until_it_is_revoked(deployment, database):
    """Within a second of the command, through log, projection, directory, callout and bus."""
    for twin in ("cantor", "fernandez"):
        await provision_twin(deployment, twin)
    async with deployment.client("cantor") as owner, AsyncExitStack() as stack:
        key = await issued(owner)
        service = await connected(deployment, key, stack)
        assert (await service.show(TenantView)).tenant == "cantor"
        assert (await service.show(BudgetView)).tenant == "cantor"
        with pytest.raises(NotAllowed):
            await service.for_tenant("fernandez").show(TenantView)

        lost = asyncio.Event()

        async def note() -> None:
            lost.set()

        service._bus._disconnected_cb = note
        began_s = time.monotonic()
        ended = await owner.tell(RevokeKey(command_id=new_id(), key_id=key.key_id))
        assert ended.status == 200, ended
        async with asyncio.timeout(5):
            await lost.wait()
        assert time.monotonic() - began_s < 1.0
        with pytest.raises(CannotVerify):
            await service.show(TenantView)
        # It went on trying, and both callouts have refused it: that is one event each time.
        await until(lambda: denied(database, key), every_s=0.05, timeout_s=10)

        another = await issued(owner)
        deployment.processes[2].kill()
        assert await connected(deployment, another, stack)
    for process in deployment.processes:
        assert key.text not in process.said()
        assert another.text not in process.said()
