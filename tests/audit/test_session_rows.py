"""Rows of sessions are held against the log one by one, and what differs is named."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from projections.projection import Commit
from services.audit import session_rows
from services.audit.findings import Findings
from services.audit.read_side import ReadSide
from services.audit.session_rows import NAME, SessionsCheck
from services.audit.spilled_rows import SpilledRows
from tests.audit.test_ledger import CHANGED, COMMITS, drop_checks, fill
from tests.projector.read_side import as_role, connected

TENANT = "governed"
TABLE = "sessions_v1.twin_sessions"
TEXTS = "deployment wanted modality state reason note opened_by ended_by bundle_hash knowledge_hash"
NUMBERS = (
    "decision disclosure_version steps grants denials settlements turns text_nanos voice_nanos"
    " video_nanos data_nanos bundle_revision identity_version policy_version price_version"
    " knowledge_sources position"
)
KINDS = {
    **dict.fromkeys(TEXTS.split(), "text"),
    **dict.fromkeys(NUMBERS.split(), "bigint"),
    **dict.fromkeys(("began_at", "beat_at", "ended_at", "disclosed_at"), "timestamptz"),
    "knowledge": "jsonb",
}
# What a view makes of a column is wrong with it.
MADE_OF = {
    "decision": {"decision_id"},
    **{f"{leg}_nanos": {"cost_nanos"} for leg in ("text", "voice", "video", "data")},
}


@pytest.fixture(scope="module")
def filled(postgres) -> Iterator[str]:
    """One database that the projector has filled, in batches of many commits."""
    name = f"sessions_{secrets.token_hex(4)}"
    with psycopg.connect(postgres.dsn(), autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        dsn = postgres.dsn(name)
        asyncio.run(fill(dsn))
        with psycopg.connect(dsn, autocommit=True) as owner:
            drop_checks(owner)
            owner.execute(f"CREATE SCHEMA saved; CREATE TABLE saved.sessions AS TABLE {TABLE}")
        yield dsn
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def dsn(filled) -> Iterator[str]:
    """The filled database, which a test may spoil."""
    yield filled
    with psycopg.connect(filled, autocommit=True) as owner:
        owner.execute(f"DELETE FROM {TABLE}; INSERT INTO {TABLE} TABLE saved.sessions")


async def findings_of(dsn: str, tenant: str = TENANT, commits: list[Commit] = COMMITS) -> list:
    """What is found in the rows as they are, with the rights of the API."""
    findings = Findings(tenant)
    async with (
        connected(as_role(dsn, "vito_api")) as connection,
        ReadSide(connection).snapshot(tenant, 0) as (tables, streams),
    ):
        check = SessionsCheck(streams.sessions, tenant, 0, tables.applied[NAME], findings)
        for commit in commits:
            if commit.tenant == tenant:
                check.commit(commit.position, commit.stream_seq, commit.events)
        await check.at_end()
    return findings.listed


async def spoil(dsn: str, statement: str) -> str:
    """Change one row of the twin; its id."""
    one = f"(SELECT min(session_id) FROM saved.sessions WHERE tenant = '{TENANT}')"
    async with connected(dsn) as owner:
        await owner.execute(f"{statement} WHERE tenant = '{TENANT}' AND session_id = {one}")
        return (await (await owner.execute(f"SELECT {one}")).fetchone())[0]


async def test_what_the_projector_wrote_is_proved(filled):
    """However its batches were cut, and however many of the log's events are taken together."""
    async with connected(filled) as owner:
        cursor = await owner.execute("SELECT tenant, count(*) FROM twin_sessions GROUP BY tenant")
        found = dict(await cursor.fetchall())

    assert min(found["governed"], found["distributed"]) >= 2
    for tenant in found:
        assert await findings_of(filled, tenant) == []


async def test_few_rows_at_a_time_are_the_same(filled, monkeypatch):
    """Each commit is written away on its own, each row fetched on its own."""
    monkeypatch.setattr(session_rows, "_EVENTS_TOGETHER", 1)
    monkeypatch.setattr(session_rows, "ROWS_PER_FETCH", 1)

    assert await findings_of(filled) == []


async def test_every_column_is_tried_here(filled):
    """The control: a column that somebody adds tomorrow is compared, and tried here."""
    async with connected(filled) as owner:
        cursor = await owner.execute("SELECT * FROM twin_sessions LIMIT 0")
        shown = {column.name for column in cursor.description}

    assert shown == {"tenant", "session_id", *KINDS}.union(*MADE_OF.values())


@pytest.mark.parametrize("column", KINDS)
async def test_a_column_that_was_changed_is_named(dsn, column):
    """It, what the view makes of it, and nothing else."""
    value = CHANGED[KINDS[column]].format(column)
    session_id = await spoil(dsn, f"UPDATE {TABLE} SET {column} = {value}")

    found = {one.what for one in await findings_of(dsn)}

    wrong = {column, *MADE_OF.get(column, ())}
    assert found == {f"twin_sessions, {one} of {session_id}" for one in wrong}


async def test_a_row_that_is_missing(dsn):
    """A session that is on no page."""
    session_id = await spoil(dsn, f"DELETE FROM {TABLE}")

    (only,) = await findings_of(dsn)

    assert only.what == f"twin_sessions, row of {session_id}"
    assert (only.expected, only.found) == ("a row", "nothing")
    assert only.position == max(one.position for one in COMMITS if one.tenant == TENANT)


async def test_a_row_too_many(dsn):
    """A session that never was, which is also what a change of the id leaves."""
    session_id = await spoil(dsn, f"UPDATE {TABLE} SET session_id = 'never-was'")

    told = {one.what: (one.expected, one.found) for one in await findings_of(dsn)}

    assert told == {
        "twin_sessions, row of never-was": ("nothing", "a row"),
        f"twin_sessions, row of {session_id}": ("a row", "nothing"),
    }


async def test_an_update_that_was_lost_is_found(dsn):
    """A row as it really was, at an earlier moment: right in itself, and wrong now."""
    behind = [one for one in COMMITS if one.tenant == TENANT][:-1]
    while await findings_of(dsn, commits=behind) == []:
        behind.pop()

    assert any("position of" in one.what for one in await findings_of(dsn, commits=behind))


async def test_rows_that_are_behind_are_compared_where_they_are(filled):
    """What the log says after the projection's position is not expected yet."""
    async with connected(filled) as owner:
        await owner.execute("UPDATE vito.projection_positions SET stream_seq = 0")
    try:
        found = await findings_of(filled)
    finally:
        async with connected(filled) as owner:
            await owner.execute(
                "UPDATE vito.projection_positions SET stream_seq = %s", (len(COMMITS),)
            )

    assert {(one.expected, one.found, one.position) for one in found} == {("nothing", "a row", 0)}


def test_what_waits_in_the_file_cannot_be_read_by_anybody_else():
    """Neither an id nor a note; and a row is gone when it was taken."""
    rows = SpilledRows()
    rows.put("visit-of-ana", {"note": "she fell silent"})

    stored = b"".join(sum(rows._file.execute("SELECT name, box FROM kept").fetchall(), ()))

    assert b"ana" not in stored
    assert b"silent" not in stored
    assert rows.pop("visit-of-ana") == {"note": "she fell silent"}
    assert rows.get("visit-of-ana") is None
    assert list(rows) == []
