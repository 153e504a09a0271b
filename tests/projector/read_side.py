"""What tests of the read side do with a database: prepare it, project into it, compare it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg

import projections
from projections.projection import Commit
from services.embedded.polling import until
from services.migrations import RolePasswords, prepare_database
from services.projector.apply import apply_batch, ensure_positions
from services.projector.batches import Batch
from services.projector.opening import Opened
from services.projector.shard import ShardProjector
from services.projector.versions import read_serving

PASSWORDS = RolePasswords(
    "projector-password-1", "api-password-1", "callout-password-1", "knowledge-password-1"
)
VIEWS = tuple(sorted(view for p in projections.ALL for view in p.VIEWS))


async def prepared(dsn: str) -> str:
    """Make the read side in an empty database; the projector's address of it."""
    await prepare_database(dsn, PASSWORDS)
    return as_role(dsn, "vito_projector")


def as_role(dsn: str, role: str) -> str:
    url = urlsplit(dsn)
    login = f"{role}:{getattr(PASSWORDS, role)}@{url.hostname}:{url.port}"
    return urlunsplit(url._replace(netloc=login))


@asynccontextmanager
async def connected(dsn: str):
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute("SET synchronous_commit = off")
        yield connection


async def rows(connection, query: str, *values) -> list[tuple]:
    return await (await connection.execute(query, values)).fetchall()


async def dump(connection, views: Iterable[str] = VIEWS) -> dict[str, list[tuple]]:
    """Every row of the public views, in an order that does not depend on how they got there."""
    found = {view: await rows(connection, f"SELECT v::text FROM {view} v") for view in views}
    return {view: sorted(lines) for view, lines in found.items()}


async def project(connection, batches: Iterable[Sequence[Commit]], *, wanted=projections.ALL):
    """Apply batches of commits as the projector does, each in its own transaction."""
    serving = await read_serving(connection, 0, wanted)
    versions = {name: state.version for name, state in serving.items()}
    await ensure_positions(connection, 0, versions)
    positions = {name: state.stream_seq for name, state in serving.items()}
    for commits in batches:
        batch = Batch(wanted, positions)
        batch.add(Opened(list(commits), {}, commits[-1].stream_seq))
        serving = await apply_batch(connection, 0, batch, wanted, serving)


async def wipe(connection) -> None:
    """Empty every table of the read side, as its owner."""
    tables = await rows(
        connection,
        "SELECT format('%%I.%%I', schemaname, tablename) FROM pg_tables"
        " WHERE schemaname ~ '_v[0-9]+$'",
    )
    ours = ("vito.projection_positions", "vito.chain_heads", "vito.shard_status",
            "vito.erased_tenants")  # fmt: skip
    # Not TRUNCATE: for a few rows it is ten times slower.
    for name in (*(name for (name,) in tables), *ours):
        await connection.execute(f"DELETE FROM {name}")


async def brief(_seconds: float) -> None:
    """A back-off that does not wait, but lets others run."""
    await asyncio.sleep(0.005)


def shard_projector(dsn: str, log, *, shard: int = 0, **more) -> ShardProjector:
    return ShardProjector(shard, dsn, log, log, sleep=brief, **more)


async def caught_up(connection, seq: int, *, shard: int = 0) -> None:
    """Wait until every projection has applied *seq*; the deadline is for a broken projector."""

    async def done() -> bool:
        found = await rows(
            connection,
            "SELECT count(*), min(stream_seq) FROM projection_positions WHERE shard = %s",
            shard,
        )
        return found[0][0] == len(projections.ALL) and found[0][1] >= seq

    await until(done, every_s=0.01, timeout_s=20)
