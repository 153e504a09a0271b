"""The vault's rows: names, versions, openings, never a box; and what is left after an erasure."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator

import psycopg
import pytest

from contracts.secret import OpenSecret, PutSecret, RevokeSecret, RotateSecret
from contracts.tenant import EraseTenant
from projections import tenant_secrets
from projections.projection import Commit
from services.projector.versions import create, drop
from tests.domain.history import History
from tests.domain.people_history import TwinPeople
from tests.projections.twin_story import SECOND_US, TwinStory
from tests.projector.read_side import VIEWS, as_role, connected, dump, prepared, project, rows, wipe

SHOWN = "SELECT name, version, state, openings, usable_until - put_at FROM tenant_secrets"


@pytest.fixture(scope="module")
def tables(postgres) -> Iterator[str]:
    """The owner's address of one read side for all tests of this module: making one takes time."""
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(postgres.dsn(), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        asyncio.run(prepared(postgres.dsn(name)))
        yield postgres.dsn(name)
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def read_side(tables):
    """The projector's and the owner's connection to tables that are empty."""
    async with (
        connected(as_role(tables, "vito_projector")) as projector,
        connected(tables) as owner,
    ):
        await wipe(owner)
        yield projector, owner


def put(story: TwinStory, name: str = "openai") -> PutSecret:
    return PutSecret(command_id=story.command_id(), name=name, value="SENTINEL")


def kept(story: TwinStory) -> None:
    """A vault with a past, in one commit."""
    head = {"name": "openai"}
    story.do(
        put(story),
        RotateSecret(command_id=story.command_id(), value="n", overlap_ms=1_000, **head),
        story.authorize(),
    )
    reservation = story.reservations[-1]
    story.do(OpenSecret(command_id=story.command_id(), reservation_id=reservation, **head))
    story.later(SECOND_US)
    story.do(
        put(story, "sportradar"),
        RevokeSecret(command_id=story.command_id(), version=2, reason="leaked", **head),
    )


async def test_each_version_has_a_row(read_side):
    """What it is now, and how long it could be opened."""
    projector, owner = read_side
    story = TwinStory()
    kept(story)
    await project(projector, [story.opened()])

    found = await rows(owner, f"{SHOWN} ORDER BY name, version")

    assert [(*row[:4], row[4] and row[4].total_seconds()) for row in found] == [
        ("openai", 1, "replaced", 0, 1.0),
        ("openai", 2, "revoked", 1, 1.0),
        ("sportradar", 1, "current", 0, None),
    ]
    said = "SELECT ended_by, reason, last_opened_by FROM tenant_secrets WHERE version = 2"
    assert await rows(owner, said) == [("operator", "leaked", "operator")]


async def test_openings_are_decisions_with_their_reservation(read_side):
    """The audit question: for which call was this key given to whom?"""
    projector, owner = read_side
    story = TwinStory()
    kept(story)
    await project(projector, [story.opened()])

    found = await rows(
        owner,
        "SELECT noun, verb, code, reservation_id, actor, facts FROM decisions"
        " WHERE code LIKE 'secret%%' ORDER BY decision",
    )

    assert [row[2] for row in found] == [
        "secret_put",
        "secret_rotated",
        "secret_opened",
        "secret_put",
        "secret_revoked",
    ]
    reservation = story.reservations[-1]
    facts = {"name": "openai", "version": 2}
    assert found[2] == ("secret", "open", "secret_opened", reservation, "operator", facts)


async def test_no_box_is_in_any_table(read_side):
    """Sealed or not: who reads the tables has no use for it."""
    projector, owner = read_side
    story = TwinStory()
    kept(story)
    await project(projector, [story.opened()])

    shown = repr(await dump(owner))
    assert "sportradar" in shown, "the control"
    assert "box of" not in shown
    assert b"box of".hex() not in shown


@pytest.mark.parametrize("seed", [1, 2])
async def test_rows_are_what_the_gate_has_however_commits_are_batched(read_side, seed):
    """
    Goal: each version that the gate would open has a row that says so, with the same openings.
    Method: a long random history, in one batch and in many.
    """
    projector, owner = read_side
    twin = History(seed, steps=150).twin
    commits = in_commits(twin.log)
    await project(projector, [commits])
    whole = await dump(owner)
    await wipe(owner)
    await project(projector, [[commit] for commit in commits])

    assert await dump(owner) == whole
    found = await rows(
        owner,
        "SELECT name, version, openings FROM tenant_secrets WHERE state <> 'revoked'"
        " AND (usable_until IS NULL OR usable_until > to_timestamp(%s::numeric / 1000000))"
        " ORDER BY 1, 2",
        twin.state.clock_us,
    )
    assert found == [
        (name, held.version, held.openings)
        for name, one in sorted(twin.state.secrets.secrets.items())
        for held in one.held
        if held.until_us == 0 or held.until_us > twin.state.clock_us
    ]


TABLES = (
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind = 'r' AND (n.nspname ~ '_v[0-9]+$' OR c.relname = 'key_last_used')"
)
HAS_TENANT = "EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'tenant')"


async def counted(owner) -> dict[str, int]:
    """How many rows each table has that has a column for the tenant."""
    tables = await rows(owner, f"SELECT n.nspname, c.relname {TABLES} AND {HAS_TENANT}")
    return {
        table: (await rows(owner, f'SELECT count(*) FROM "{schema}"."{table}"'))[0][0]
        for schema, table in tables
    }


def in_commits(log, tenant: str = "cantor", size: int = 7) -> list[Commit]:
    groups = [log[at : at + size] for at in range(0, len(log), size)]
    return [
        Commit(0, number, tenant, number, events[-1].at_us, events)
        for number, events in enumerate(groups, 1)
    ]


class TestErasure:
    @pytest.fixture
    def neighbour(self) -> TwinStory:
        story = TwinStory("fernandez")
        story.do(story.authorize())
        kept(story)
        return story

    async def test_takes_every_row_but_an_empty_one(self, read_side, neighbour):
        """In the transaction of the last commit; the neighbour keeps everything."""
        projector, owner = read_side
        await project(projector, [neighbour.opened()])
        before = await dump(owner)
        # Its log has every kind of event, and ends with the erasure.
        log = in_commits(History(3, steps=250).twin.log)
        half = len(log) // 2
        await project(projector, [shifted(log[:half])])
        assert await dump(owner) != before
        await project(projector, [shifted(log[half:])])

        after = await dump(owner)
        (left,) = await rows(owner, "SELECT t::text FROM tenants t WHERE tenant = 'cantor'")
        assert left[0].startswith("(cantor,0,erased,")
        assert {v: [line for line in after[v] if line != left] for v in VIEWS} == before

    async def test_takes_them_too_when_nobody_can_read_the_log_any_more(self, read_side):
        """The key is gone before the projector got there; the same is left."""
        projector, owner = read_side
        log = in_commits(History(3, steps=250).twin.log)
        await project(projector, [log])
        read_in_time = await dump(owner)
        await wipe(owner)
        await project(projector, [[closed(commit) for commit in log]])

        assert await dump(owner) == read_in_time

    async def test_leaves_nothing_in_any_table_that_has_a_tenant(self, read_side):
        """Whatever is added to `projections.ALL`: the tables are found, not listed."""
        projector, owner = read_side
        # All but its own erasure, which is its last event.
        await project(projector, [in_commits(History(9, steps=400).twin.log[:-1])])
        people = in_commits(TwinPeople(1, steps=250).twin.log, "fernandez")
        await project(projector, [shifted(people)])
        await owner.execute("INSERT INTO key_last_used VALUES ('fernandez', 'key', now())")
        filled = await counted(owner)
        assert {name for name, count in filled.items() if not count} == set()

        for tenant in ("cantor", "fernandez"):
            await projector.execute("SELECT vito.erase_tenant(%s)", (tenant,))

        left = {name for name, count in (await counted(owner)).items() if count}
        assert left == {"tenants"}

    async def test_every_table_has_a_tenant_or_is_about_the_accounts_of_the_platform(
        self, read_side
    ):
        """Rows that do not say whose they are could not be erased."""
        _, owner = read_side
        found = await rows(owner, f"SELECT n.nspname {TABLES} AND NOT {HAS_TENANT}")

        assert {schema for (schema,) in found} == {"account_v1"}

    async def test_reaches_tables_that_are_being_built(self, read_side):
        """A rebuild that began before would switch to rows that nobody may see."""
        projector, owner = read_side
        story = TwinStory()
        kept(story)
        await create(owner, tenant_secrets, 2)
        await project(projector, [story.opened()])
        await owner.execute(
            "INSERT INTO tenant_secrets_v2.tenant_secrets SELECT * FROM tenant_secrets_v1"
            ".tenant_secrets"
        )
        story.do(EraseTenant(command_id="e", confirm="cantor"))
        await project(projector, [story.opened()[-1:]])

        assert await rows(owner, "SELECT count(*) FROM tenant_secrets_v2.tenant_secrets") == [(0,)]
        await drop(owner, tenant_secrets, 2)

    async def test_is_the_only_deletion_and_leaves_a_mark(self, read_side):
        """Whoever takes over the projector can wipe a twin, but not unseen."""
        projector, owner = read_side
        await projector.execute("SELECT vito.erase_tenant('cantor')")

        assert await rows(owner, "SELECT tenant FROM vito.erased_tenants") == [("cantor",)]
        for statement in (
            "DELETE FROM vito.erased_tenants",
            "UPDATE vito.erased_tenants SET tenant = 'x'",
            "DELETE FROM tenant_secrets_v1.tenant_secrets",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await projector.execute(statement)

    async def test_is_not_for_readers(self, tables, read_side):
        """The query API may not even ask."""
        async with connected(as_role(tables, "vito_api")) as reader:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await reader.execute("SELECT vito.erase_tenant('cantor')")

    async def test_a_name_is_no_statement(self, read_side):
        """It comes from a subject of the bus, but a function must not rely on that."""
        projector, owner = read_side
        await projector.execute(
            "SELECT vito.erase_tenant(%s)", ("'; DROP SCHEMA vito CASCADE; --",)
        )

        assert await rows(owner, "SELECT count(*) FROM vito.erased_tenants") == [(1,)]


def closed(commit: Commit) -> Commit:
    return Commit(
        commit.shard,
        commit.stream_seq,
        commit.tenant,
        commit.position,
        commit.at_us,
        [],
        erased=True,
    )


def shifted(commits: list[Commit], by: int = 1_000) -> list[Commit]:
    """Later in the stream, where other twins have written before."""
    return [
        Commit(c.shard, c.stream_seq + by, c.tenant, c.position, c.at_us, c.events) for c in commits
    ]
