"""What nobody needs is forgotten in time, and what somebody may need is not, whatever its age."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import nats
import pytest

from services.knowledge.retention import Retention
from services.knowledge.store import KnowledgeStore, NotKept, create_stream
from services.sealing.keyring import Keyring
from services.sealing.tenant_keys import TenantKeys
from services.sealing.wrapped_keys import MemoryKeyStore
from tests.conftest import TEST_USER
from tests.knowledge.world import content, new_database, world
from tests.projections.twin_story import START_US

TENANT = "cantor"
KEEP = timedelta(days=30)
# The story's commands are decided then; the store's messages are as old as this test.
DECIDED = datetime.fromtimestamp(START_US / 1_000_000, UTC)
OLD = content("Viejo", "Ya no vale.")
NEW = content("Nuevo", "Esto vale.")
REJECTED = content("No", "Nadie lo quiso.")
GONE = content("Fuera", "Se retiró.")
DRAFT = content("Borrador", "Espera a alguien.")


@pytest.fixture(scope="module")
def database(postgres_dsn):
    return new_database(postgres_dsn)


@pytest.fixture
async def store(own_nats):
    connection = await nats.connect(own_nats.url_for(TEST_USER))
    jetstream = connection.jetstream(timeout=2)
    await create_stream(jetstream, replicas=1, bytes_max=100_000_000)
    keys = TenantKeys(MemoryKeyStore(), Keyring("test", 1, {1: b"1" * 32}))
    await keys.create(TENANT)
    yield await KnowledgeStore.open(jetstream, keys)
    await connection.close()


@pytest.fixture
async def made(database, store):
    """A twin with a content at every stage, each in the store."""
    async with world(database) as one:
        for each in (OLD, NEW, REJECTED, GONE, DRAFT):
            await store.put(TENANT, "content", each.to_bytes())
        await one.approved(TENANT, "rules", OLD)
        one.submit(TENANT, "rules")
        await one.ingest(TENANT, "rules", NEW)
        one.approve(TENANT, "rules")
        one.add(TENANT, "refused")
        await one.ingest(TENANT, "refused", REJECTED)
        one.reject(TENANT, "refused")
        await one.approved(TENANT, "gone", GONE)
        one.retire(TENANT, "gone")
        one.add(TENANT, "waits")
        await one.ingest(TENANT, "waits", DRAFT)
        await one.project()
        yield one


def retention(made, store, now: datetime) -> Retention:
    return Retention(store, made.pool, "", KEEP, now=lambda: now)


async def kept(store) -> set[str]:
    found = set()
    for one in (OLD, NEW, REJECTED, GONE, DRAFT):
        try:
            await store.get(TENANT, "content", one.hash)
        except NotKept:
            continue
        found.add(one.title)
    return found


async def test_what_was_replaced_rejected_or_retired_is_forgotten_in_time(made, store):
    """And not before; what is approved or waits for a person is kept, however old it is."""
    stored = datetime.now(UTC)
    for now in (stored, max(stored, DECIDED) + KEEP - timedelta(hours=1)):
        assert await retention(made, store, now).forget() == 0
    assert await kept(store) == {"Viejo", "Nuevo", "No", "Fuera", "Borrador"}

    late = max(stored, DECIDED) + KEEP + timedelta(hours=1)
    assert await retention(made, store, late).forget() == 3
    assert await kept(store) == {"Nuevo", "Borrador"}
    assert await retention(made, store, late + 100 * KEEP).forget() == 0


async def test_a_file_is_kept_until_it_was_read_and_for_a_while(made, store):
    """One that nobody names is an upload whose source never came about."""
    stranger = await store.put(TENANT, "upload", b"nobody's")
    waiting = await store.put(TENANT, "upload", b"still to be read")
    await made.owner.execute(
        "UPDATE knowledge_v1.twin_knowledge_sources SET upload = %s, stage = 'pending'"
        " WHERE source = 'refused'",
        (waiting,),
    )
    read = await store.put(TENANT, "upload", b"read long ago")
    await made.owner.execute(
        "UPDATE knowledge_v1.twin_knowledge_sources SET upload = %s WHERE source = 'rules'", (read,)
    )
    late = max(datetime.now(UTC), DECIDED) + KEEP + timedelta(hours=1)
    await retention(made, store, late).forget()

    assert await store.has(TENANT, "upload", waiting)
    assert not await store.has(TENANT, "upload", read)
    assert not await store.has(TENANT, "upload", stranger)


async def test_what_was_forgotten_cannot_be_approved_again(made, store):
    """The refusal says why; a new ingestion brings a draft that a person reviews."""
    late = max(datetime.now(UTC), DECIDED) + KEEP + timedelta(hours=1)
    await retention(made, store, late).forget()
    made.approve(TENANT, "rules", OLD.hash)
    made.approve(TENANT, "refused", REJECTED.hash)
    made.approve(TENANT, "gone", GONE.hash)

    refused = [commit.events[-1] for commit in made.commits[-3:]]
    assert [one.code for one in refused] == ["source_not_at_stage"] * 3
    assert [one.facts["stage"] for one in refused] == ["approved", "rejected", "retired"]
