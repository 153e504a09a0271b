"""Deployments, sessions and knowledge in the public views of a real database."""

import asyncio
import json
import secrets
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg import sql

from contracts.budget import CallSettled
from contracts.session import DisclosureShown, SessionBegun, SessionStepped
from domain.views import view
from projections.projection import Commit
from tests.domain.governed import HASHES, PAGE, TOLD, Governed, disclosure
from tests.domain.history import History
from tests.domain.world import MINUTE, NOON, policy
from tests.projector.read_side import (
    as_role,
    connected,
    dump,
    prepared,
    project,
    rows,
    wipe,
)

FIRST, SECOND = HASHES[:2]


# Provisioning is one decision of so many events.
PROVISIONED = 5


def commits_of(twin: Governed) -> list[Commit]:
    """Provisioning, and each event after it as a commit of its own, alone in the stream."""
    groups = [twin.log[:PROVISIONED], *([event] for event in twin.log[PROVISIONED:])]
    return [
        Commit(0, index, "cantor", index, events[-1].at_us, events)
        for index, events in enumerate(groups, 1)
    ]


@pytest.fixture(scope="module")
def tables(postgres) -> str:
    """The owner's address of one database for all tests here; each empties it first."""
    name = f"governed_{secrets.token_hex(4)}"
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    asyncio.run(prepared(postgres.dsn(name)))
    return postgres.dsn(name)


@pytest.fixture
async def read_side(tables):
    projecting = connected(as_role(tables, "vito_projector"))
    async with projecting as projector, connected(tables) as owner:
        await wipe(owner)

        async def show(twin: Governed, query: str) -> list[tuple]:
            # One by one: a change must find in the tables what came before it.
            await project(projector, [[commit] for commit in commits_of(twin)])
            return await rows(owner, query)

        yield show


class TestSessions:
    async def test_an_id_that_comes_back_goes_on_as_the_same_row(self, read_side, monkeypatch):
        """The gate has forgotten it; its money is still there, its past is not shown as now."""
        monkeypatch.setattr("domain.session.ENDED_KEPT_MAX", 0)
        twin = Governed(policy(1_000))
        twin.converse("s", "voice")
        twin.settle(twin.authorize(10, "voice", session_id="s"), 10)
        twin.close("s", "error", note="the vendor fell silent")
        twin.settle(twin.authorize(5, session_id="never-opened"), 5)
        begun = twin.converse("s", "text")
        twin.settle(twin.authorize(4, session_id="s"), 4)

        found = await read_side(
            twin,
            "SELECT session_id, decision, state, reason, note, ended_at, wanted, voice_nanos,"
            " text_nanos, grants FROM twin_sessions",
        )

        assert found == [
            ("s", begun.decision, "open", None, None, None, "text", 10, 4, 2),
        ]

    async def test_calls_before_it_was_opened_are_not_its_own(self, tables):
        """Nor are they when one batch brings them together with its beginning."""
        twin = Governed(policy(1_000))
        twin.settle(twin.authorize(5, session_id="s"), 5)
        twin.converse("s", "text")
        twin.settle(twin.authorize(4, session_id="s"), 4)
        commits = commits_of(twin)
        projecting = connected(as_role(tables, "vito_projector"))
        async with projecting as projector, connected(tables) as owner:
            for batches in ([commits], [[commit] for commit in commits]):
                await wipe(owner)
                await project(projector, batches)

                found = await rows(owner, "SELECT grants, text_nanos FROM twin_sessions")
                assert found == [(1, 4)]


class TestDeployments:
    async def test_a_row_is_what_holds_now(self, read_side):
        """Terms, disclosure, switch and how many have come."""
        twin = Governed()
        twin.opened(expires_at_us=NOON + MINUTE)
        twin.mint()
        twin.mint()
        twin.actor = "person_ana"
        twin.change(ceiling="text", origins=[PAGE, "https://fútbol.mx"])

        found = await read_side(
            twin,
            "SELECT deployment, version, surface, ceiling, origins, expires_at, enabled, admitted,"
            " changed_by, disclosure, disclosure_version FROM twin_deployments",
        )

        origins = [PAGE, "https://xn--ftbol-7ua.mx"]
        assert found == [
            ("web", 2, "web_widget", "text", origins, None, True, 2, "person_ana", TOLD, 1)
        ]

    async def test_every_disclosure_is_kept_letter_by_letter(self, read_side):
        """What had to be shown on that day is a question of law."""
        wild = "\\.\tFin\n\\N ¡Goooool! e\u0301 <script>'\";--"
        twin = Governed()
        twin.create(disclosure=disclosure(wild))
        twin.disclose("b", note="legal\\")
        twin.disclose("c")

        found = await read_side(
            twin,
            "SELECT version, disclosure, language, note, decision_id FROM twin_disclosures"
            " ORDER BY version",
        )

        assert found == [
            (1, wild, "es-MX", None, "cantor.2"),
            (2, "b", "es-MX", "legal\\", "cantor.3"),
            (3, "c", "es-MX", None, "cantor.4"),
        ]

    async def test_an_admission_is_a_decision_with_its_facts(self, read_side):
        """Who was let in, from where, until when, and what was to be shown."""
        twin = Governed()
        twin.opened()
        admitted = twin.mint(visitor_id="v" * 16)
        twin.mint("https://evil.example")

        found = await read_side(
            twin,
            "SELECT noun, verb, status, code, actor, facts FROM decisions"
            " WHERE verb = 'mint' ORDER BY decision",
        )

        assert found == [
            (
                *("deployment", "mint", 200, "visitor_admitted", "operator"),
                {
                    "deployment": "web",
                    "visitor_id": "v" * 16,
                    "origin": PAGE,
                    "ceiling": "video",
                    "expires_at_us": admitted.expires_at_us,
                    "disclosure_version": 1,
                },
            ),
            (
                *("deployment", "mint", 403, "origin_not_allowed", None),
                {"origin": "https://evil.example"},
            ),
        ]


class TestKnowledge:
    async def test_a_row_shows_draft_and_approved_content_apart(self, read_side):
        """Who reviews sees the one; who answers visitors may use the other only."""
        twin = Governed()
        twin.reviewable()
        twin.actor = "person_bea"
        twin.approve()
        twin.reviewable(SECOND)

        found = await read_side(
            twin,
            "SELECT source, kind, title, stage, draft_hash, draft_summary, approved_hash,"
            " approved_chunks, approved_by, approved_at FROM twin_knowledge_sources",
        )

        noon = datetime.fromtimestamp(NOON // 1_000_000, UTC)
        read = ("review", SECOND, "Cómo se juega.", FIRST, 12, "person_bea", noon)
        assert found == [("rules", "web", "Reglas", *read)]

    async def test_every_review_is_kept_with_what_became_of_it(self, read_side):
        """The history of approvals: what, by whom, when; drafts that nobody judged included."""
        twin = Governed()
        twin.reviewable()
        twin.approve()
        twin.reviewable(SECOND)
        twin.reject(SECOND)
        twin.reviewable(HASHES[2])
        twin.submit()

        found = await read_side(
            twin,
            "SELECT content_hash, outcome, decided_by, decision_id IS NULL"
            " FROM twin_knowledge_reviews ORDER BY ingestion",
        )

        assert found == [
            (FIRST, "approved", "operator", False),
            (SECOND, "rejected", "operator", False),
            (HASHES[2], None, None, True),
        ]

    async def test_what_is_retired_has_no_approved_content(self, read_side):
        """A search that joins this view must find nothing any more."""
        twin = Governed()
        twin.reviewable()
        twin.approve()
        twin.retire()

        found = await read_side(
            twin, "SELECT stage, approved_hash, approved_by FROM twin_knowledge_sources"
        )

        assert found == [("retired", None, None)]

    async def test_why_it_failed_is_shown_until_it_is_tried_again(self, read_side):
        """An editor must learn that the link is dead."""
        twin = Governed()
        for name in ("dead", "alive"):
            twin.add(name)
            twin.begin(name)
            twin.failed(name)
        twin.submit("alive")

        found = await read_side(
            twin, "SELECT source, stage, reason FROM twin_knowledge_sources ORDER BY source"
        )

        assert found == [("alive", "pending", None), ("dead", "failed", "404 at the source")]


async def test_rows_equal_the_gate_however_commits_are_batched(tables):
    """
    Goal: what a page shows is what the gate holds, and batching changes nothing.
    Method: random histories, projected one by one and in batches, against the live views.
    """
    projecting = connected(as_role(tables, "vito_projector"))
    async with projecting as projector, connected(tables) as owner:
        for seed in (1, 2):
            twin = History(seed, steps=120).twin
            commits = commits_of(twin)
            await wipe(owner)
            await project(projector, [commits[at : at + 1] for at in range(len(commits))])
            one_by_one = await dump(owner)
            assert await shown(owner) == live(twin)
            await wipe(owner)
            await project(projector, [commits[at : at + 37] for at in range(0, len(commits), 37)])
            assert await dump(owner) == one_by_one


async def shown(owner) -> tuple[dict, dict, dict]:
    deployments = await rows(
        owner,
        "SELECT deployment, enabled, version, ceiling, origins, mints_per_minute,"
        " disclosure_version, disclosure FROM twin_deployments",
    )
    sources = await rows(
        owner,
        "SELECT source, stage, coalesce(ingestion, 0), draft_hash, approved_hash, approved_by,"
        " (extract(epoch FROM approved_at) * 1000000)::bigint FROM twin_knowledge_sources",
    )
    sessions = await rows(
        owner,
        "SELECT session_id, state, reason, modality, deployment, cost_nanos, disclosed_at IS NULL,"
        " (extract(epoch FROM coalesce(ended_at, beat_at)) * 1000000)::bigint"
        " FROM twin_sessions",
    )
    return (
        {name: (*rest[:3], json.dumps(rest[3]), *rest[4:]) for name, *rest in deployments},
        {name: tuple(rest) for name, *rest in sources},
        {name: tuple(rest) for name, *rest in sessions},
    )


def live(twin: Governed) -> tuple[dict, dict, dict]:
    now_us = twin.state.clock_us
    return (
        {
            one.deployment: (
                one.enabled,
                one.version,
                one.terms.ceiling,
                json.dumps(one.terms.origins),
                one.terms.mints_per_minute,
                one.disclosure_version,
                one.disclosure,
            )
            for one in view("deployment", twin.state, now_us).deployments
        },
        {
            one.source: (
                one.stage,
                one.ingestion or 0,
                one.draft_hash,
                one.approved_hash,
                one.approved_by or None,
                one.approved_at_us,
            )
            for one in view("knowledge", twin.state, now_us).sources
        },
        live_sessions(twin),
    )


def live_sessions(twin: Governed) -> dict:
    """Of those that have ended the gate remembers why and when; the rest is looked up."""
    rung, place, cost, disclosed = {}, {}, {}, set()
    for event in twin.log:
        match event:
            case SessionBegun():
                rung[event.session_id] = event.modality
                place[event.session_id] = event.deployment or None
                cost[event.session_id] = 0
            case SessionStepped():
                rung[event.session_id] = event.modality
            case DisclosureShown():
                disclosed.add(event.session_id)
            case CallSettled() if event.session_id in cost:
                cost[event.session_id] += event.cost_nanos
            case _:
                pass
    known = twin.state.sessions
    ends = {name: (one.reason, one.at_us) for name, one in known.ended.items()}
    for one in view("session", twin.state, twin.state.clock_us).sessions:
        assert (one.modality, one.committed_nanos) == (rung[one.session_id], cost[one.session_id])
        ends[one.session_id] = (None, one.beat_at_us)
    return {
        name: (
            "ended" if reason else "open",
            reason,
            rung[name],
            place[name],
            cost[name],
            name not in disclosed,
            at_us,
        )
        for name, (reason, at_us) in ends.items()
    }
