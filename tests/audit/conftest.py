"""One running system for the tests of this folder: bus, worker, projector, tables, two twins."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import Iterator

import psycopg
import pytest

from contracts.subjects import shard_of
from services.client import GateClient
from services.embedded.polling import until
from tests.conftest import new_directory, new_nats
from tests.projections.twin_story import policy, price_book, usage
from tests.projector.read_side import as_role, prepared
from tests.rig.deployment import Deployment

TWINS = ("cantor", "fernandez")
CALLS = 12


@pytest.fixture(scope="module")
def system(postgres) -> Iterator[Deployment]:
    """A system that has worked: both twins have settled calls, a refusal and an open hold."""
    name, directory = f"test_{secrets.token_hex(6)}", new_directory()
    with psycopg.connect(postgres.dsn(), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        bus = new_nats(directory, shards=2)
        made = asyncio.run(start(bus, directory, postgres.dsn(name)))
        yield made
        made.kill_all()
        bus.kill()
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    shutil.rmtree(directory, ignore_errors=True)


async def start(bus, directory, dsn: str, tenants: tuple[str, ...] = TWINS) -> Deployment:
    """Start everything; *tenants* have a day behind them."""
    await bus.start()
    await prepared(dsn)
    made = Deployment(
        bus,
        directory / "data",
        variables={
            "VITO_POSTGRES_OWNER_DSN": dsn,
            "VITO_POSTGRES_DSN": url(dsn, "vito_projector"),
            "VITO_POSTGRES_READER_DSN": url(dsn, "vito_api"),
        },
    )
    await made.set_up()
    await asyncio.gather(made.start("worker"), made.start("projector"))
    for tenant in tenants:
        async with made.client(tenant) as gate:
            await work(gate)
        await projected(made, tenant)
    return made


def url(dsn: str, role: str) -> str:
    parts = psycopg.conninfo.conninfo_to_dict(as_role(dsn, role))
    return "postgresql://{user}:{password}@{host}:{port}/{dbname}".format(**parts)


async def work(gate: GateClient) -> None:
    """Do what a twin does in a day."""
    rules = policy(limit_nanos=20_000_000)
    await gate.provision(
        display_name="Twin",
        organisation="Test",
        policy=rules,
        price_book=price_book(),
        activation="immediate",
    )

    async def call(amount: int) -> str:
        granted = await gate.authorize(
            modality="text", provider_id="text-vendor", sku="s", estimate=usage("text", amount)
        )
        return granted.reservation_id or ""

    reservations = await asyncio.gather(*(call(100) for _ in range(CALLS)))
    await asyncio.gather(*(gate.settle(r, usage("text", 50)) for r in reservations[1:]))
    await call(10_000_000)
    await gate.top_up(1_000_000_000, reason="test")


async def projected(made: Deployment, tenant: str) -> None:
    """Wait until the tables have what the log has."""
    async with made.log() as (stores, _):
        store = stores[shard_of(tenant, len(stores))]
        last = await store.last_seq(tenant)
        dsn = made.settings.postgres_reader()
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:

            async def done() -> bool:
                found = await connection.execute(
                    "SELECT min(stream_seq) FROM projection_positions WHERE shard = %s",
                    (shard_of(tenant, len(stores)),),
                )
                row = await found.fetchone()
                return row is not None and (row[0] or 0) >= last

            await until(done, every_s=0.02, timeout_s=30)
