"""
Ten thousand random changes of state: never a chunk of content that is not approved.

Projector and index fall behind each other at random; after each batch everything is asked for, by
words and by vectors, with and without a pin, as the reader and past the projection's wall.
"""

from __future__ import annotations

import random

import pytest

from contracts.budget import CommandRefused
from tests.knowledge.world import content, new_database, world
from tests.projector.read_side import rows

CHANGES = 10_000
BATCH = 125
TENANTS = ("cantor", "fernandez", "zorra")
SOURCES = 8
VERBS = ("add", "submit", "reject", "retire", "guess", *3 * ("ingest", "approve"))


@pytest.fixture(scope="module")
def database(postgres_dsn):
    return new_database(postgres_dsn)


class Story:
    """Random people. *approved_at* is what the log approves after each of its commits."""

    def __init__(self, made, seed: int) -> None:
        self.made, self.dice = made, random.Random(seed)
        self.approved_at: list[dict[tuple[str, str], str]] = [{}]
        self.ever: set[tuple[str, str, str]] = set()
        self.changes = 0
        self.retired: dict[tuple[str, str], int] = {}

    async def change(self) -> None:
        made, dice = self.made, self.dice
        tenant, place = dice.choice(TENANTS), f"source{dice.randrange(SOURCES)}"
        # Who is retired never comes back: another one takes its place.
        source = f"{place}-{self.retired.get((tenant, place), 0)}"
        found = made.source(tenant, source) if tenant in made.stories else None
        before = len(made.commits)
        match dice.choice(VERBS):
            case "add" if found is None:
                made.add(tenant, source)
            case "submit" if found:
                made.submit(tenant, source)
            case "ingest" if found and found.stage in ("pending", "approved"):
                if found.stage == "approved":
                    made.submit(tenant, source)
                await made.ingest(tenant, source, self._document(tenant, source))
            case "approve" if found:
                made.approve(tenant, source)
            case "guess" if found:
                # Content that is in the store and was a draft, but is not the one under review.
                known = [h for t, h in made.contents.kept if t == tenant]
                made.approve(tenant, source, dice.choice(known or ["0" * 64]))
            case "reject" if found:
                made.reject(tenant, source)
            case "retire" if found and dice.random() < 0.3:
                made.retire(tenant, source)
                self.retired[tenant, place] = self.retired.get((tenant, place), 0) + 1
            case _:
                return
        # A refusal is in the log as well, and changes nothing.
        self.changes += sum(
            any(not isinstance(event, CommandRefused) for event in commit.events)
            for commit in made.commits[before:]
        )
        self._note(before)

    def _document(self, tenant: str, source: str):
        number = self.dice.randrange(40)
        texts = [f"gol número {number} de {source} y {tenant}, parte {part}" for part in (1, 2)]
        return content(f"{source} {number}", *texts)

    def _note(self, before: int) -> None:
        """Approvals come from events, as an auditor reads them, not from what we meant to do."""
        for commit in self.made.commits[before:]:
            now = dict(self.approved_at[-1])
            for event in commit.events:
                match type(event).__name__:
                    case "SourceApproved":
                        now[commit.tenant, event.source] = event.content_hash
                        self.ever.add((commit.tenant, event.source, event.content_hash))
                    case "SourceRetired":
                        now.pop((commit.tenant, event.source), None)
            self.approved_at.append(now)


async def check(made, story: Story) -> int:
    """Ask for everything; how many passages there were."""
    projected = story.approved_at[made.projected]
    seen = 0
    for tenant in TENANTS:
        for how in ("words", "vectors"):
            pinned = None if how == "words" else [h for t, _, h in story.ever if t == tenant]
            found = await made.retrieval.retrieve(
                tenant, "gol", limit=1_000, token_budget=100_000, pinned=pinned, how=how
            )
            for one in found:
                assert projected.get((tenant, one.source)) == one.content_hash
            seen += len(found)
    live = await rows(made.owner, "SELECT DISTINCT tenant, source, content_hash FROM"
                      " knowledge.live_chunks")  # fmt: skip
    indexed = story.approved_at[made.index.applied_seq]
    assert {(tenant, source): found for tenant, source, found in live} == indexed
    assert len(live) == len(indexed)
    return seen


async def test_nothing_that_is_not_approved_is_ever_found(database):
    """And what is approved is found, once both have caught up."""
    async with world(database) as made:
        story, asked = Story(made, seed=20261122), 0
        while story.changes < CHANGES:
            until = story.changes + BATCH
            while story.changes < until:
                await story.change()
            await made.project(story.dice.randrange(6 * BATCH))
            await made.follow(story.dice.randrange(6 * BATCH))
            if story.dice.random() < 0.5:
                await made.vectors.fill(made.indexer)
            asked += await check(made, story)
        await made.catch_up()
        await check(made, story)
        assert asked > 1_000
        approved = story.approved_at[-1]
        for tenant in TENANTS:
            found = await made.retrieval.retrieve(
                tenant, "gol", limit=1_000, token_budget=100_000, how="words"
            )
            wanted = {source for t, source in approved if t == tenant}
            assert {one.source for one in found} == wanted
            assert len(found) == 2 * len(wanted)
