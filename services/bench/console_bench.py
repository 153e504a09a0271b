"""
How soon a page of the console is there, and how soon it shows what has just happened, beside a log
of a million settled calls.

A real gate, projector and server; the past is put straight into the tables, as copies of the rows
of one real call: older than anything in the log, by numbers below 1. A page is the whole answer of
the server over HTTP, without what a browser then does with it. A live update is from the gate's
reply to a page that reflects it, asked for when the stream of changes says so, as the pages do.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Final

import aiohttp
import msgspec
import psycopg
from psycopg import sql

from contracts.account import PLATFORM
from contracts.usage import Usage
from services.bench.bus import fresh_bus
from services.bench.domain_bench import provision
from services.bench.live_stack import read_side
from services.client import GateClient
from services.client.connection import of_login
from services.client.patience import Patience
from services.embedded import ports
from services.embedded.polling import until
from services.identity import random_secret
from services.identity.founding import admit_admin

TENANT: Final = "hot"
ROWS: Final = 1_000_000
LOADS: Final = 60
UPDATES: Final = 30
_WARM_LOADS: Final = 3
_LATE_S: Final = 20.0
_OK: Final = 200
_PATIENCE: Final = Patience(deadline_s=60.0, attempt_s=2.0)
PAGES: Final = {
    "overview": "",
    "audit log": "/audit",
    "audit log of one noun": "/audit?noun=tenant",
    "audit log searched": "/audit?text=no+such+words",
    "sessions": "/sessions",
    "analytics": "/analytics",
}
# The schema of a projection that serves, and what counts down in the copies of its row.
_COPIED: Final = (("audit_log", "audit_logs"), ("decisions", "decisions"))


class ConsoleFigures(msgspec.Struct, frozen=True):
    """Milliseconds that 95 of 100 stayed below, by page and of a live update of the audit log."""

    rows: int
    fill_s: float
    page_p95_ms: dict[str, float]
    live_p95_ms: float


async def measure(dsn: str, *, rows: int = ROWS) -> ConsoleFigures:
    """Measure on an empty database, as its owner; takes about two minutes."""
    async with _console(dsn) as (gate, session):
        await _call(gate)
        await _shown(dsn)
        began_s = perf_counter()
        await _fill(dsn, rows)
        fill_s = perf_counter() - began_s
        pages = {name: await _loads(session, path) for name, path in PAGES.items()}
        live_s = await _updates(gate, session)
    return ConsoleFigures(
        rows, fill_s, {name: p95(times) * 1e3 for name, times in pages.items()}, p95(live_s) * 1e3
    )


def p95(times_s: list[float]) -> float:
    """What 95 of 100 stayed below; there must be at least one."""
    return sorted(times_s)[len(times_s) * 95 // 100]


@asynccontextmanager
async def _console(dsn: str) -> AsyncIterator[tuple[GateClient, aiohttp.ClientSession]]:
    """Everything that a page needs, and a super admin's session."""
    async with fresh_bus() as bus:
        port, link = ports.pick(), random_secret.generate()
        url = f"http://127.0.0.1:{port}"
        bus.set(await read_side(dsn), VITO_API_PORT=str(port), VITO_API_KEY=f"vito_{link[0]}")
        await asyncio.gather(bus.start("worker"), bus.start("projector"), bus.start("api"))
        login = of_login(bus.settings.nats("client"))
        async with (
            GateClient.connect(**login, tenant=PLATFORM, patience=_PATIENCE) as platform,
            # The cookie is for secure addresses only; to this machine it is given by hand.
            aiohttp.ClientSession(url, cookie_jar=aiohttp.DummyCookieJar()) as session,
        ):
            await admit_admin(platform, "bench@vito.localhost", link[1], time.time_ns() // 1_000)
            gate = platform.for_tenant(TENANT)
            told = provision()
            await gate.provision(
                display_name=told.display_name,
                organisation=told.organisation,
                policy=told.policy,
                price_book=told.price_book,
                activation="immediate",
            )
            session.headers["Cookie"] = await _signed_in(session, link[0])
            yield gate, session


async def _signed_in(session: aiohttp.ClientSession, link: str) -> str:
    """Return the cookie of a session, once the tables know of the link."""
    found: list[str] = []

    async def is_in() -> bool:
        async with session.post("/v1/sign-in/link", json={"token": link}) as answer:
            found.extend(f"{one.key}={one.value}" for one in answer.cookies.values())
            return bool(found)

    await until(is_in, every_s=0.2, timeout_s=_LATE_S)
    return "; ".join(found)


async def _call(gate: GateClient) -> int:
    """Grant and settle a call; the position of the settlement."""
    usage = Usage(input_tokens=400, output_tokens=40, turns=1)
    granted = await gate.authorize(
        modality="text",
        provider_id="openai",
        sku="gpt-4o-mini",
        estimate=usage,
    )
    assert granted.reservation_id is not None, granted.code
    settled = await gate.settle(granted.reservation_id, usage)
    assert settled.position is not None, settled.code
    return settled.position


async def _shown(dsn: str) -> None:
    """Wait until the tables have the call."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:

        async def is_there() -> bool:
            cursor = await connection.execute("SELECT count(*) FROM audit_logs")
            return await cursor.fetchone() == (1,)

        await until(is_there, every_s=0.05, timeout_s=_LATE_S)


async def _fill(dsn: str, rows: int) -> None:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute("SET synchronous_commit = off")
        for projection, table in _COPIED:
            found = await connection.execute(
                "SELECT schemaname FROM pg_tables WHERE tablename = %s AND schemaname LIKE %s",
                (table, f"{projection}_v%"),
            )
            row = await found.fetchone()
            assert row is not None, "the projections were made"
            await _copies(connection, sql.Identifier(row[0], table), table, rows)
        await _sums(connection)


async def _copies(
    connection: psycopg.AsyncConnection[psycopg.rows.TupleRow],
    name: sql.Identifier,
    table: str,
    rows: int,
) -> None:
    """Put copies of a settlement, or of a grant, before it: one a second, numbered downwards."""
    found = await connection.execute(
        "SELECT column_name FROM information_schema.columns"
        " WHERE table_schema || '.' || table_name = %s ORDER BY ordinal_position",
        (name.as_string(connection).replace('"', ""),),
    )
    is_grant = table == "decisions"
    changed = {
        # A settlement follows its grant.
        "decision": sql.SQL("-n" if is_grant else "1 - n"),
        "reservation": sql.SQL("-n"),
        "occurred_at": sql.SQL("occurred_at - n * interval '1 second'"),
        "command_id": sql.SQL("'past-' || n"),
        # Twenty calls each.
        "session_id": sql.SQL("'past-' || n / 40"),
    }
    columns = [column for (column,) in await found.fetchall()]
    values = [changed.get(column, sql.Identifier(column)) for column in columns]
    statement = sql.SQL(
        "INSERT INTO {name} ({columns}) SELECT {values}"
        " FROM (SELECT * FROM {name} WHERE tenant = {tenant} AND {which} LIMIT 1) AS one,"
        " generate_series(2, {rows} * 2, 2) AS n"
    ).format(
        name=name,
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        values=sql.SQL(", ").join(values),
        tenant=sql.Literal(TENANT),
        which=sql.SQL("code = 'granted'" if is_grant else "true"),
        rows=sql.Literal(rows),
    )
    await connection.execute(statement)
    await connection.execute(sql.SQL("ANALYZE {}").format(name))


async def _sums(connection: psycopg.AsyncConnection[psycopg.rows.TupleRow]) -> None:
    """Add the copies up, as the projection of usage would have."""
    sums = (
        "count(*), sum(cost_nanos), sum(tokens_milli), sum(stream_ms_milli), sum(turns_milli),"
        " sum(requests)"
    )
    quarter = "date_bin('15 minutes', occurred_at, 'epoch')"
    for table, key in (
        ("usage_sums", f"{quarter}, provider_id, modality, left(modality, 0), price_version"),
        ("usage_sessions", f"{quarter}, session_id, price_version"),
    ):
        name = sql.Identifier("usage_v1", table)
        await connection.execute(
            sql.SQL(
                "TRUNCATE {name}; INSERT INTO {name} SELECT tenant, {key}, {sums} FROM audit_logs"
                " WHERE session_id IS NOT NULL GROUP BY tenant, {key}; ANALYZE {name}"
            ).format(name=name, key=sql.SQL(key), sums=sql.SQL(sums))
        )


async def _loads(session: aiohttp.ClientSession, path: str) -> list[float]:
    times_s = []
    for number in range(_WARM_LOADS + LOADS):
        began_s = perf_counter()
        await _page(session, path)
        if number >= _WARM_LOADS:
            times_s.append(perf_counter() - began_s)
    return times_s


async def _page(session: aiohttp.ClientSession, path: str, **query: int) -> str:
    async with session.get(f"/console/{TENANT}{path}", params=query) as answer:
        text = await answer.text()
        assert answer.status == _OK, f"{path}: {answer.status}"
        return text


async def _updates(gate: GateClient, session: aiohttp.ClientSession) -> list[float]:
    times_s = []
    async with session.get(f"/v1/tenants/{TENANT}/changes") as stream:
        for _ in range(UPDATES):
            position = await _call(gate)
            began_s = perf_counter()
            async with asyncio.timeout(_LATE_S):
                while await _next_position(stream) < position:
                    pass
            await _page(session, "/audit")
            times_s.append(perf_counter() - began_s)
    return times_s


async def _next_position(stream: aiohttp.ClientResponse) -> int:
    while True:
        line = await stream.content.readline()
        assert line, "the stream goes on"
        if line.startswith(b"data: "):
            return int(msgspec.json.decode(line[6:], type=dict[str, int])["position"])
