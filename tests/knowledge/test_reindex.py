"""Whatever happens to the tables, log and store say what is live; a proof says if it is."""

from __future__ import annotations

import pytest

from services.knowledge.proof import prove
from services.knowledge.reindex import compare
from services.knowledge.verifying import looked_at
from services.tenant_log.codec import BrokenLog
from tests.knowledge.world import content, new_database, world
from tests.projector.read_side import rows

GOALS = content("Crónica", "El gol de Ana fue en el minuto 90.", "Berta atajó un penal.")
OTHER = content("Estrategia", "Elegir es renunciar.")

DAMAGE = {
    "a chunk changed": "UPDATE knowledge.live_chunks SET text = 'El gol fue anulado.'"
    " WHERE source = 'goals' AND number = 1",
    "a chunk missing": "DELETE FROM knowledge.live_chunks WHERE source = 'goals' AND number = 2",
    "a place changed": "UPDATE knowledge.live_chunks SET place = jsonb_set(place, '{first,page}',"
    " '99') WHERE source = 'goals'",
    "a chunk smuggled in": "INSERT INTO knowledge.live_chunks (tenant, source, number,"
    " content_hash, decision, title, language, text, chunk_hash, place, headings) SELECT tenant,"
    " source, 99, content_hash, decision, title, language, 'Inventado', chunk_hash, place, headings"
    " FROM knowledge.live_chunks WHERE source = 'goals' AND number = 1",
    "a source smuggled in": "INSERT INTO knowledge.live_chunks (tenant, source, number,"
    " content_hash, decision, title, language, text, chunk_hash, place, headings) SELECT tenant,"
    " 'draft', number, content_hash, decision, title, language, text, chunk_hash, place, headings"
    " FROM knowledge.live_chunks WHERE source = 'goals'",
    "another decision": "UPDATE knowledge.live_sources SET decision = 1 WHERE source = 'goals'",
    "everything gone": "DELETE FROM knowledge.live_chunks; DELETE FROM knowledge.live_sources",
}


@pytest.fixture(scope="module")
def database(postgres_dsn):
    return new_database(postgres_dsn)


@pytest.fixture
async def made(database):
    async with world(database) as one:
        await one.approved("cantor", "goals", GOALS)
        await one.approved("fernandez", "other", OTHER)
        one.add("cantor", "draft")
        await one.ingest("cantor", "draft", content("Borrador", "Nadie lo leyó."))
        one.add("cantor", "gone")
        await one.ingest("cantor", "gone", content("Viejo", "Ya no vale."))
        one.approve("cantor", "gone")
        one.retire("cantor", "gone")
        await one.catch_up()
        yield one


async def findings(made):
    """What `vito verify` says."""

    async def no_time(_seconds):
        return

    return await looked_at(
        made.indexer, made.log, made.log, made.contents, which=[0], shards=1, sleep=no_time
    )


async def live(made):
    return await rows(made.owner, "SELECT * FROM knowledge.live_chunks ORDER BY 1, 2, 3")


async def compared(made, *, repair=False):
    return await compare(
        made.indexer, made.log, made.log, made.contents, shard=0, shards=1, repair=repair
    )


async def test_what_is_right_is_left_alone(made):
    """Nothing is missing for a moment, and no vector is made, and paid for, again."""
    before = await live(made)
    found = await compared(made, repair=True)

    assert (found.sources, found.differences, found.lost) == (2, [], [])
    assert await live(made) == before
    assert (await made.vectors.fill(made.indexer)).vectors == 0
    proof = await prove(made.indexer)
    assert (proof.chunks, proof.sources, proof.tenants, proof.unapproved) == (3, 2, 2, [])


@pytest.mark.parametrize("damage", DAMAGE)
async def test_whatever_was_done_to_the_tables_is_found_and_put_right(made, damage):
    """Chunk by chunk."""
    before = await live(made)
    await made.owner.execute(DAMAGE[damage])
    (found,) = {one.source for one in (await compared(made)).differences} - {"other"}
    assert found == ("draft" if damage == "a source smuggled in" else "goals")
    await compared(made, repair=True)

    assert await live(made) == before
    assert (await compared(made)).differences == []
    await made.vectors.fill(made.indexer)
    assert await rows(made.owner, "SELECT count(*) FROM knowledge.live_vectors") == [(3,)]


async def test_a_chunk_without_an_approval_is_shown(made):
    """Of a draft, of another hash, of another decision, or of nobody."""
    await made.owner.execute(DAMAGE["a source smuggled in"])
    await made.owner.execute(
        "UPDATE knowledge.live_chunks SET content_hash = repeat('0', 64) WHERE source = 'other'"
    )
    await made.owner.execute(
        "UPDATE knowledge.live_chunks SET decision = 1 WHERE source = 'goals' AND number = 1"
    )
    found = (await prove(made.indexer)).unapproved

    assert {(one.source, one.chunks) for one in found} >= {("draft", 2), ("other", 1), ("goals", 1)}


async def test_content_that_is_lost_is_told_and_comes_back(made):
    """From a backup of the store; until then nothing stands in for it."""
    kept = made.contents.kept.pop(("cantor", GOALS.hash))
    found = await compared(made, repair=True)
    assert [one.source for one in found.lost] == ["goals"]
    assert [row[0] for row in await live(made)] == ["fernandez"]
    again = await compared(made, repair=True)
    assert (again.differences, [one.source for one in again.lost]) == ([], ["goals"])

    made.contents.kept["cantor", GOALS.hash] = kept
    await compared(made, repair=True)
    assert len(await live(made)) == 3


async def test_commits_that_come_meanwhile_are_left_to_the_index(made):
    """It is compared with what the index has seen, not with what it has yet to see."""
    await made.approved("cantor", "later", OTHER)

    assert (await compared(made, repair=True)).differences == []
    assert len(await live(made)) == 3
    await made.follow()
    assert len(await live(made)) == 4


async def test_an_erased_twin_is_not_brought_back(made):
    """Although its approvals are in the log, for who could read it."""
    made.erase("cantor")
    await made.catch_up()

    found = await compared(made, repair=True)
    assert (found.sources, found.differences) == (1, [])


async def test_a_broken_log_proves_nothing(made):
    """Its chain is checked from the first commit."""
    made.log.streams[0].pop(2)

    with pytest.raises(BrokenLog):
        await compared(made, repair=True)


@pytest.mark.parametrize("damage", DAMAGE)
async def test_verify_finds_every_damage_and_nothing_else(made, damage):
    """What twins know is a part of what is proved; each finding names the twin and the source."""
    assert await findings(made) == []

    await made.owner.execute(DAMAGE[damage])

    found = await findings(made)
    assert found
    assert {one.check for one in found} == {"knowledge"}
    assert {one.tenant for one in found} <= {"cantor", "fernandez"}
    assert "draft" in str(found) if damage == "a source smuggled in" else "goals" in str(found)


async def test_verify_finds_a_content_that_was_changed_in_the_store(made):
    """The hash that was approved is of the content, and not of what the tables have of it."""
    made.contents.kept["cantor", GOALS.hash] = content("Crónica", "El gol de Ana fue anulado.")

    (found,) = await findings(made)

    assert (found.tenant, found.what) == ("cantor", "goals")
