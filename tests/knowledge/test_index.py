"""What is live is what the log says, whoever dies in between; on a real PostgreSQL."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from psycopg.rows import dict_row, tuple_row

from services.knowledge import index as module
from services.knowledge.chunk_rows import vector_text
from services.knowledge.ranking import LIVE, REACH, Terms
from services.knowledge.retrieval import preview
from services.projector.apply import PositionMoved
from services.projector.source import SourceUnavailable
from services.query_api.knowledge_rows import KnowledgeRows
from tests.knowledge.world import WordEmbedder, content, new_database, world
from tests.projector.read_side import as_role, connected, rows

GOALS = content("Crónica", "El gol de Ana fue en el minuto 90.", "Berta atajó un penal.")
NEWER = content("Crónica", "El gol fue anulado por el árbitro.")


@pytest.fixture(scope="module")
def database(postgres_dsn):
    return new_database(postgres_dsn)


@pytest.fixture
async def made(database):
    async with world(database) as one:
        yield one


async def live(made) -> list[tuple]:
    return await rows(
        made.owner,
        "SELECT tenant, source, content_hash, decision FROM knowledge.live_chunks ORDER BY 1,2,3",
    )


async def found(made, question="gol", tenant="cantor", **more) -> list[str]:
    return [one.text for one in await made.retrieval.retrieve(tenant, question, **more)]


async def test_approved_content_is_found_with_its_vectors(made):
    """What was embedded for the review is not embedded, and paid for, again."""
    await made.approved("cantor", "goals", GOALS)
    (embedder,) = made.models.embedders
    before = embedder.embedded
    await made.catch_up()

    assert await found(made) == [GOALS.chunks[0].text]
    assert embedder.embedded == before + 1  # the question
    assert await rows(made.owner, "SELECT count(*) FROM knowledge.live_vectors") == [(2,)]
    assert await rows(made.owner, "SELECT count(*) FROM knowledge.draft_chunks") == [(0,)]


async def test_a_draft_is_never_found_by_a_reader(made):
    """Only who indexes sees it, for a review."""
    made.add("cantor", "goals")
    await made.ingest("cantor", "goals", GOALS)
    await made.catch_up()

    assert await found(made) == []
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await preview(made.pool, made.models, "cantor", "goals", GOALS.hash, "gol")
    async with made.pool.__class__(
        as_role(made.dsn, "vito_knowledge"), kwargs={"autocommit": True}, open=False
    ) as pool:
        seen = await preview(pool, made.models, "cantor", "goals", GOALS.hash, "gol de Ana")
    assert [one.chunk for one in seen] == [1]
    assert (seen[0].first.page, seen[0].title) == (1, "Crónica")


async def test_a_newer_draft_leaves_what_is_approved(made):
    """Until a person approves the new one; then the old one is gone at once."""
    await made.approved("cantor", "goals", GOALS)
    made.submit("cantor", "goals")
    await made.ingest("cantor", "goals", NEWER)
    await made.catch_up()
    assert await found(made) == [GOALS.chunks[0].text]

    made.approve("cantor", "goals")
    await made.catch_up()
    assert await found(made) == [NEWER.chunks[0].text]
    assert {row[2] for row in await live(made)} == {NEWER.hash}


@pytest.mark.parametrize("first", ["project", "follow"])
async def test_retired_is_gone_as_soon_as_either_knows(made, first):
    """The projection and the index are two walls; each alone holds."""
    await made.approved("cantor", "goals", GOALS)
    await made.catch_up()
    made.retire("cantor", "goals")
    await getattr(made, first)()

    assert await found(made) == []


async def test_a_session_sees_what_it_pinned(made):
    """Of what is approved now: an older version is not brought back."""
    await made.approved("cantor", "goals", GOALS)
    await made.approved("cantor", "newer", NEWER)
    await made.catch_up()

    assert await found(made, pinned=[NEWER.hash]) == [NEWER.chunks[0].text]
    assert await found(made, pinned=[]) == []


async def test_an_erased_twin_leaves_nothing_and_its_neighbour_everything(made):
    """In the tables and in the store."""
    for tenant in ("cantor", "fernandez"):
        await made.approved(tenant, "goals", GOALS)
        made.add(tenant, "draft")
        await made.ingest(tenant, "draft", NEWER)
    await made.catch_up()
    made.erase("cantor")
    await made.follow()

    for table in ("draft_chunks", "live_sources", "live_chunks", "live_vectors"):
        left = await rows(made.owner, f"SELECT DISTINCT tenant FROM knowledge.{table}")
        assert left == [("fernandez",)], table
    assert made.contents.forgotten == ["cantor"]


async def test_the_projector_erases_them_as_well(made):
    """One function forgets a twin, whoever is first."""
    await made.approved("cantor", "goals", GOALS)
    await made.catch_up()
    await made.projector.execute("SELECT vito.erase_tenant('cantor')")

    assert await live(made) == []


async def test_content_that_is_lost_is_not_live_and_stops_nobody(made):
    """Nor is one that is not what was approved."""
    await made.approved("cantor", "lost", GOALS)
    await made.approved("cantor", "other", NEWER)
    del made.contents.kept["cantor", GOALS.hash]
    made.contents.kept["cantor", NEWER.hash] = GOALS
    await made.approved("cantor", "good", content("Bien", "Un gol olímpico."))
    await made.catch_up()

    assert await found(made) == ["Un gol olímpico."]
    problems = dict(await rows(made.owner, "SELECT source, problem FROM knowledge.live_sources"))
    assert problems["lost"] == "it is not in the store"
    assert problems["other"].startswith(f"content {NEWER.hash} has hash {GOALS.hash}")
    assert problems["good"] is None
    # People are told: the query API asks as the reader, of one twin.
    async with made.pool.connection() as connection, connection.transaction():
        connection.row_factory = dict_row
        reader = KnowledgeRows(connection)
        shown = await reader.sources("cantor", None, None, 10)
        connection.row_factory = tuple_row
    assert {one["source"]: one["live_problem"] for one in shown} == problems


async def test_a_content_that_the_tables_refuse_stops_nobody(made, monkeypatch):
    """Whatever reads documents may have a fault; the shard goes on."""
    one = content("Dos", "Un gol.", "Otro gol.")
    bad = type(one)(form=1, title="Dos", language="es", chunks=(one.chunks[0],) * 2)
    await made.approved("cantor", "bad", GOALS)
    made.contents.kept["cantor", GOALS.hash] = bad
    approved = GOALS.hash
    with monkeypatch.context() as patch:
        patch.setattr(type(bad), "hash", approved)
        await made.follow()

    ((problem,),) = await rows(made.owner, "SELECT problem FROM knowledge.live_sources")
    assert problem.startswith("the tables refuse it: duplicate key")
    assert await live(made) == []


async def test_a_fault_of_the_store_that_passes_is_waited_for(made, monkeypatch):
    """Nothing is skipped: the position stays until it was done."""
    await made.approved("cantor", "goals", GOALS)

    async def down(_tenant, _hash):
        raise SourceUnavailable("the store: TimeoutError")

    with monkeypatch.context() as patch:
        patch.setattr(made.contents, "content", down)
        with pytest.raises(SourceUnavailable):
            await made.follow()
    assert await live(made) == []
    await made.catch_up()

    assert len(await live(made)) == 2


async def test_two_who_hold_the_same_shard_apply_once(made):
    """A paused process wakes up and believes that it still has it."""
    await made.approved("cantor", "goals", GOALS)
    late = made.new_index()
    chain = await _at(late, made)
    stored = list(made.log.streams[0])
    await made.follow()

    with pytest.raises(PositionMoved):
        await late._take(made.indexer, stored, chain)
    assert len(await live(made)) == 2


async def _at(index, made):
    index.applied_seq = await module.position(made.indexer, 0)
    return module.Chain(await module.heads(made.indexer, 0))


async def test_it_follows_and_takes_over(made, monkeypatch):
    """The process itself: live within a moment; a second one waits until the first is gone."""
    lived = asyncio.Event()
    made._lived = lived.set
    waited = asyncio.Event()

    async def brief(_seconds):
        waited.set()
        await asyncio.sleep(0.005)

    first, second = made.new_index(), made.new_index()
    first._sleep = second._sleep = brief
    one = asyncio.create_task(first.run())
    await first.started.wait()
    two = asyncio.create_task(second.run())
    await waited.wait()
    await made.approved("cantor", "goals", GOALS)
    await asyncio.wait_for(lived.wait(), 10)
    assert len(await live(made)) == 2
    one.cancel()
    lived.clear()
    made.retire("cantor", "goals")
    await asyncio.wait_for(lived.wait(), 10)
    two.cancel()
    await asyncio.wait({one, two})

    assert await live(made) == []


async def test_a_broken_log_stops_it(made):
    """Nothing after the fault becomes live."""
    await made.approved("cantor", "goals", GOALS)
    made.log.streams[0].pop(2)
    index = made.new_index()
    await asyncio.wait_for(index.run(), 10)

    assert "cantor" in str(index.fault)
    assert await live(made) == []


class TestModels:
    async def test_another_model_is_built_beside_the_one_that_serves(self, database):
        """And then they switch; a question is never compared with vectors of the other."""
        old, new = WordEmbedder("old"), WordEmbedder("new", dimensions=24)
        async with world(database, old) as made:
            await made.approved("cantor", "goals", GOALS)
            await made.catch_up()
            made.models.embedders.append(new)
            new.refused.add("cantor")
            blocked = await made.vectors.fill(made.indexer)
            assert (blocked.without, blocked.switched) == (("cantor",), False)
            assert await found(made, how="vectors") != []
            assert old.embedded == 3

            new.refused.clear()
            done = await made.vectors.fill(made.indexer)
            assert (done.vectors, done.switched) == (2, True)
            assert await found(made, "gol de Ana", how="vectors", limit=1) == [GOALS.chunks[0].text]
            kept = "SELECT name, state, count(*) FROM knowledge.models JOIN"
            kept += " knowledge.live_vectors USING (model) GROUP BY 1, 2"
            assert await rows(made.owner, kept) == [("new", "serving", 2)]

    async def test_what_becomes_live_while_it_is_built_has_both(self, database):
        """Or switching would lose it."""
        old, new = WordEmbedder("old"), WordEmbedder("new")
        async with world(database, old) as made:
            await made.approved("cantor", "goals", GOALS)
            await made.catch_up()
            made.models.embedders.append(new)
            new.refused.add("cantor")
            await made.vectors.fill(made.indexer)
            await made.approved("fernandez", "newer", NEWER)
            await made.catch_up()
            per_model = "SELECT name, count(*) FROM knowledge.models JOIN"
            per_model += " knowledge.live_vectors USING (model) GROUP BY 1 ORDER BY 1"

            assert await rows(made.owner, per_model) == [("new", 1), ("old", 3)]

    async def test_a_twin_that_cannot_pay_is_found_by_words(self, made):
        """Its neighbours are embedded, and it is tried again."""
        (embedder,) = made.models.embedders
        embedder.refused.add("cantor")
        await made.approved("cantor", "goals", GOALS)
        await made.approved("fernandez", "goals", GOALS)
        await made.project()
        await made.follow()
        filled = await made.vectors.fill(made.indexer)

        assert filled.without == ("cantor",)
        assert await found(made) == [GOALS.chunks[0].text]
        embedder.refused.clear()
        assert (await made.vectors.fill(made.indexer)).vectors == 2

    async def test_a_model_that_is_given_up_leaves_nothing(self, database):
        """Somebody changes their mind while it is built."""
        old, new = WordEmbedder("old"), WordEmbedder("new")
        async with world(database, old) as made:
            await made.approved("cantor", "goals", GOALS)
            await made.catch_up()
            made.models.embedders.append(new)
            new.refused.add("cantor")
            await made.vectors.fill(made.indexer)
            made.models.embedders.append(old)
            await made.vectors.fill(made.indexer)

            assert await rows(made.owner, "SELECT name, state FROM knowledge.models") == [
                ("old", "serving")
            ]


class TestRights:
    async def test_readers_see_one_twin_whatever_they_ask(self, made):
        """A query without a filter, with a wrong one, and without a twin named."""
        for tenant in ("cantor", "fernandez"):
            await made.approved(tenant, "goals", GOALS)
        await made.catch_up()
        async with connected(as_role(made.dsn, "vito_api")) as reader:
            for table in ("live_chunks", "live_vectors", "live_sources"):
                select = f"SELECT DISTINCT tenant FROM knowledge.{table}"
                assert await rows(reader, select) == []
                await reader.execute("SELECT set_config('vito.tenant', 'cantor', false)")
                assert await rows(reader, select) == [("cantor",)]
                assert await rows(reader, f"{select} WHERE tenant = 'fernandez'") == []
                await reader.execute("SELECT set_config('vito.tenant', '', false)")

    async def test_what_each_role_may_not(self, made):
        """A reader changes nothing and sees no draft; who indexes sees nothing else."""
        async with connected(as_role(made.dsn, "vito_api")) as reader:
            for statement in (
                "SELECT count(*) FROM knowledge.draft_chunks",
                "DELETE FROM knowledge.live_chunks",
                "INSERT INTO knowledge.models (name) VALUES ('x')",
            ):
                with pytest.raises(psycopg.Error) as refused:
                    await reader.execute(statement)
                assert refused.value.sqlstate in ("42501", "25006")
        for statement in (
            "SELECT count(*) FROM audit_logs",
            "SELECT * FROM vito.projection_versions",
            "SELECT vito.erase_tenant('cantor')",
            "CREATE TABLE knowledge.mine (n int)",
            "TRUNCATE knowledge.live_chunks",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await made.indexer.execute(statement)


async def test_a_narrow_pin_is_searched_whole(made):
    """However many chunks of other contents are nearer: none of those may be used, one may."""
    near = [f"Un gol de Ana, jugada {number}." for number in range(REACH + 10)]
    await made.approved("cantor", "goals", content("Goles", *near))
    pinned = await made.approved("cantor", "far", content("Lejos", "Nada que ver con eso."))
    await made.catch_up()

    async with made.pool.connection() as connection, connection.transaction():
        await connection.execute("SELECT set_config('vito.tenant', 'cantor', true)")
        values = {"tenant": "cantor", "source": "", "question": "gol de Ana"}
        (vector,) = await made.models.of(made.models.wanted, "cantor").embed(["gol de Ana"])
        values |= {"pinned": [pinned.hash], "vector": vector_text(vector)}
        rows_found = await LIVE.candidates(connection, values, Terms())
    assert [row[0] for row in rows_found] == ["far"]
