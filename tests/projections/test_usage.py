"""Sums of usage in a real database: those of the log, whatever came in one batch."""

import asyncio
import secrets

import psycopg
import pytest
from msgspec.structs import replace
from psycopg import sql

from projections.projection import Commit
from services.audit.findings import Findings
from services.audit.read_side import ReadSide
from services.audit.usage_rows import VIEWS, UsageCheck
from tests.domain.governed import Governed
from tests.domain.world import MINUTE, policy
from tests.projections.test_governed_rows import commits_of
from tests.projector.read_side import as_role, connected, prepared, project, rows, wipe


@pytest.fixture(scope="module")
def tables(postgres) -> str:
    """The owner's address of one database for all tests here; each empties it first."""
    name = f"usage_{secrets.token_hex(4)}"
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    asyncio.run(prepared(postgres.dsn(name)))
    return postgres.dsn(name)


def moving() -> list[Commit]:
    """An id that comes back elsewhere; calls of it before, in and after each; three quarters."""
    twin = Governed(policy(10**9))
    for name in ("web", "app"):
        twin.opened(name)
    twin.settle(twin.authorize(1, session_id="s-0"), 1)
    for number, name in enumerate(("web", "app", None)):
        session_id = f"s-{number}"
        begun = twin.converse(session_id, deployment=name)
        if begun.disclosure_version:
            twin.show(session_id)
        twin.settle(twin.authorize(10, session_id=session_id), 10)
        twin.settle(twin.authorize(20, "voice", session_id=session_id), 20)
        late = twin.authorize(30, session_id=session_id)
        twin.close(session_id)
        twin.settle(late, 30)
        twin.pass_time(15 * MINUTE)
    twin.settle(twin.authorize(7), 7)
    return [
        replace(commit, events=[_renamed(one) for one in commit.events])
        for commit in commits_of(twin)
    ]


def _renamed(event):
    """As if the ids had been forgotten in between."""
    of_session = getattr(event, "session_id", None) or ""
    return replace(event, session_id="s") if of_session.startswith("s-") else event


async def differences(owner, commits):
    """What the views show, against sums that are made without the projection."""
    check, findings = UsageCheck(1 << 60), Findings("cantor")
    for commit in commits:
        check.commit(commit.position, commit.stream_seq, commit.events)
    side = ReadSide(owner)
    check.compare({name: await side._usage(name, "cantor") for name in VIEWS}, findings)
    return findings.listed


async def test_a_call_counts_where_its_session_was_when_it_was_settled(tables):
    """Whatever is in one batch: each cut of the log in two, all at once, and one by one."""
    commits = moving()
    cuts = [[commits[:at], commits[at:]] for at in range(1, len(commits), 2)]
    cuts += [[commits], [[commit] for commit in commits]]
    async with (
        connected(as_role(tables, "vito_projector")) as projector,
        connected(tables) as owner,
    ):
        for batches in cuts:
            await wipe(owner)
            await project(projector, batches)
            assert await differences(owner, commits) == []
        found = await rows(
            owner, "SELECT deployment, sum(calls), sum(cost_nanos) FROM usage_sums GROUP BY 1"
        )

    assert {place: (int(calls), int(cost)) for place, calls, cost in found} == {
        "web": (3, 60),
        "app": (3, 60),
        None: (5, 68),
    }


async def test_sums_that_somebody_changed_are_found(tables):
    """The control of the comparison above."""
    commits = moving()
    async with (
        connected(as_role(tables, "vito_projector")) as projector,
        connected(tables) as owner,
    ):
        await wipe(owner)
        await project(projector, [commits])
        await owner.execute("UPDATE usage_v1.usage_sums SET calls = 9 WHERE modality = 'voice'")
        await owner.execute("DELETE FROM usage_v1.usage_sessions")
        found = await differences(owner, commits)

    assert {one.what.split(" of ")[0] for one in found} == {
        "usage_sums, calls",
        "usage_sessions, row",
    }
