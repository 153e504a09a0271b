"""
kill -9 of real workers while keys are rotated, wrapped anew and destroyed, under load.

`test_key_errands.py` cuts every errand between any two steps, in virtual time. Here the server, the
processes and the kills are real: three errands of three twins run at once, and the worker that does
them dies when so many of their steps have been seen on the bus, and a seeded moment later.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable
from typing import NamedTuple

import nats
import pytest

from contracts.data_key import DataKeyRotated
from contracts.replies import Receipt
from contracts.usage import Usage
from contracts.views import TenantView
from deploy import credentials
from services.audit.access import opened
from services.audit.verify import Verifier
from services.client import GateClient
from services.client.patience import Patience
from services.embedded.polling import until
from services.sealing.jetstream_keys import STREAM as KEYS_STREAM
from services.sealing.jetstream_keys import JetStreamKeyStore
from services.sealing.keyring import Keyring
from services.sealing.wrapped_keys import KeyErased
from services.secret import Secret
from tests.conftest import TEST_USER
from tests.gate.owner import owner_of
from tests.rig.checking import check_acknowledged, check_closed, read_log
from tests.rig.deployment import Deployment
from tests.rig.loading import Load
from tests.rig.twins import provision_twin

KILLS = int(os.environ.get("VITO_TEST_KEY_KILLS", "3"))
SEED = int(os.environ.get("VITO_TEST_SEED", str(random.SystemRandom().randrange(10**6))))
# A step is a key written or wrapped, a commit of an errand, a key overwritten.
STEPS = 7
A_MOMENT_S = 0.004
PATIENT = Patience(deadline_s=20.0, attempt_s=0.5)
BUSY_COMMITS = 4
NEIGHBOUR = "kills-neighbour"
VALUE = "sk-kept-through-every-kill"


class Trio(NamedTuple):
    """The twins of one round, one for each errand."""

    rotated: str
    rewrapped: str
    erased: str


TRIOS = tuple(Trio(f"rotated-{n}", f"rewrapped-{n}", f"erased-{n}") for n in range(KILLS))
ALL = (NEIGHBOUR, *(tenant for trio in TRIOS for tenant in trio))


class Steps:
    """What was seen on the bus of the errands of one trio."""

    def __init__(self, trio: Trio) -> None:
        self.seen: list[str] = []
        self._trio = trio
        self._waiting: list[tuple[int, asyncio.Event]] = []

    async def note(self, message) -> None:
        """Take a message of the bus; anything but a step of an errand is none of ours."""
        tokens = message.subject.split(".")
        is_key = tokens[:2] == ["$KV", "KEYS"] and tokens[2] in self._trio
        is_commit = tokens[-1] in ("data_key", "tenant") and tokens[-2] in self._trio
        if is_key or is_commit or tokens[-1] == KEYS_STREAM:
            self.seen.append(message.subject.removeprefix("$"))
            for count, event in self._waiting:
                if len(self.seen) >= count:
                    event.set()

    async def reach(self, count: int) -> None:
        """Wait until so many steps were made."""
        event = asyncio.Event()
        self._waiting.append((count, event))
        await asyncio.wait_for(event.wait(), PATIENT.deadline_s)


async def watch(deployment: Deployment, steps: Steps) -> nats.NATS:
    connection = await nats.connect(deployment.bus.url_for(TEST_USER))
    for subject in ("$KV.KEYS.>", "evt.>", f"$JS.API.STREAM.MSG.DELETE.{KEYS_STREAM}"):
        await connection.subscribe(subject, cb=steps.note)
    await connection.flush()
    return connection


async def a_kill_amid_errands(deployment: Deployment, gate: GateClient, trio: Trio, rng) -> bool:
    """Ask for all three, kill who does them, see them done all the same; whether it hit one."""
    for tenant in (NEIGHBOUR, *trio):
        await is_busy(gate.for_tenant(tenant))
    victim = await owner_of(deployment, 0)
    steps = Steps(trio)
    watching = await watch(deployment, steps)
    count = 1 + TRIOS.index(trio) * (STEPS - 2) // KILLS + rng.randrange(2)
    moment_s = rng.uniform(0.0, A_MOMENT_S)
    errands = [
        asyncio.create_task(done(gate.for_tenant(trio.rotated).rotate_key(command_id="key"))),
        asyncio.create_task(done(gate.for_tenant(trio.rewrapped).rewrap_key(command_id="wrap"))),
        asyncio.create_task(done(gate.for_tenant(trio.erased).erase(command_id="erase"))),
    ]
    await steps.reach(count)
    await asyncio.sleep(moment_s)
    victim.kill()
    unfinished = sum(not errand.done() for errand in errands)
    print(f"killed with {unfinished} errands unfinished, after {steps.seen}")
    heir = asyncio.create_task(deployment.start("worker"))
    codes = [receipt.code for receipt in await asyncio.gather(*errands)]
    assert codes[:2] == ["data_key_rotated", "key_rewrapped"]
    assert codes[2] in ("erased", "twin_erased")
    await heir
    await watching.close()
    return unfinished > 0


async def is_busy(gate: GateClient) -> None:
    """Wait until the load has been answered some more about a twin."""
    began = (await gate.show(TenantView)).position

    async def answered() -> bool:
        return (await gate.show(TenantView)).position >= began + BUSY_COMMITS

    await until(answered, every_s=0.02, timeout_s=PATIENT.deadline_s)


async def done(asking: Awaitable[Receipt]) -> Receipt:
    return await asking


@pytest.fixture
async def bus(nats_factory, directory):
    """One shard, so that one worker does all errands; twins whose keys the first KEK wraps."""
    server = nats_factory(shards=1)
    await server.start()
    made = Deployment(server, directory / "data")
    await made.set_up()
    worker = await made.start("worker")
    await asyncio.gather(*(provision_twin(made, tenant) for tenant in ALL))
    async with made.client(NEIGHBOUR) as gate:
        await asyncio.gather(
            *(gate.for_tenant(tenant).put_secret("openai", Secret(VALUE)) for tenant in ALL)
        )
    credentials.add_kek(made.directory / "kek.json")
    credentials.use_kek(made.directory / "kek.json", 2)
    assert await worker.stop() == 0
    await asyncio.gather(made.start("worker"), made.start("worker"))
    yield made
    made.kill_all()


async def test_workers_may_die_while_keys_are_rotated_wrapped_anew_and_destroyed(bus):
    """Nothing acknowledged is lost, what is left opens, what was erased does not, chains verify."""
    print(f"\nseed {SEED}, {KILLS} kills")
    rng = random.Random(SEED)
    load = await Load.prepare(
        bus, tenants=list(ALL), clients=2, seconds=None, attempt_s=0.5, think_s=0.02, pause_s=0.2
    )
    await load.begin()
    login = bus.settings.nats("client")
    async with GateClient.connect(
        list(login.urls),
        tenant=NEIGHBOUR,
        user=login.user,
        password=login.password.reveal(),
        patience=PATIENT,
        booking=PATIENT,
    ) as gate:
        hits = [await a_kill_amid_errands(bus, gate, trio, rng) for trio in TRIOS]
        load.finish()
        answers = await load.answers()
        assert any(hits), "no kill came before an errand was done"
        for tenant in ALL:
            await (is_gone if tenant.startswith("erased") else is_whole)(bus, gate, tenant, answers)
    await keys_are_as_they_should_be(bus)
    await all_verify(bus)


async def is_whole(bus: Deployment, gate: GateClient, tenant: str, answers: list[dict]) -> None:
    """Every answer is in the log, once; a rotation is one; the secret from before still opens."""
    logged = await read_log(bus, tenant)
    assert check_acknowledged(answers, tenant, logged) >= BUSY_COMMITS
    check_closed(logged)
    rotations = [e.version for e in logged.events if isinstance(e, DataKeyRotated)]
    assert rotations == ([2] if tenant.startswith("rotated") else [])
    asking = gate.for_tenant(tenant)
    decision = await asking.authorize(
        modality="text", provider_id="p", sku="s", estimate=Usage(requests=1)
    )
    grant = asking.grant(decision)
    grant.open("p")
    assert (await grant.secret("openai")).reveal() == VALUE


async def is_gone(bus: Deployment, gate: GateClient, tenant: str, answers: list[dict]) -> None:
    """No key opens anything of it, and nobody is answered about it."""
    assert [line for line in answers if line["tenant"] == tenant and line.get("status") == 200]
    with pytest.raises(KeyErased):
        await read_log(bus, tenant)
    refused = await gate.for_tenant(tenant).top_up(1)
    assert (refused.status, refused.code) == (410, "twin_erased")


async def keys_are_as_they_should_be(bus: Deployment) -> None:
    """One key for each rotation, one wrapping for each key that was wrapped anew, none erased."""
    connection = await nats.connect(bus.bus.url_for(TEST_USER))
    store = await JetStreamKeyStore.open(connection.jetstream())
    assert set(await store.tenants()) == {t for t in ALL if not t.startswith("erased")}
    for rotated, rewrapped, erased in TRIOS:
        assert await store.versions(rotated) == (1, 2)
        (wrapped,) = await store.wrappings(rewrapped, 1)
        assert Keyring.kek_version(wrapped) == 2
        info = await connection.jetstream().stream_info(
            KEYS_STREAM, subjects_filter=f"$KV.KEYS.{erased}.>"
        )
        assert set(info.state.subjects) == {f"$KV.KEYS.{erased}.erased"}
    await connection.close()


async def all_verify(bus: Deployment) -> None:
    """Chain, content, live state and snapshots, as `vito verify` sees them."""
    async with opened(bus.settings) as access, Verifier(access, with_postgres=False) as verifier:
        for tenant in ALL:
            report = await verifier.tenant(tenant)
            assert not report.findings, report.findings
            assert report.log.state == "proved"
            assert report.erased == tenant.startswith("erased")
            if not report.erased:
                assert (report.content.state, report.live.state) == ("proved", "proved")
