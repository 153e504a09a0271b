"""
The process `vito ingest`: everything about what twins know that is no decision.

    queue       takes up sources that wait, and brings drafts of them
    index       follows the log and keeps what is live as the log says; vectors after it
    desk        answers who looks something up, reviews a draft or brings a file

Several may run. Sources and shards are shared by advisory locks, questions by the bus; uploads come
to one of them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any, Final

import msgspec
import psycopg
from nats.aio.client import Client
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from contracts.lookup import (
    KnowledgeFound,
    KnowledgeReviewed,
    PieceTaken,
    ReviewKnowledge,
    SearchKnowledge,
    UploadPiece,
)
from services import deployment_log, logs
from services.client import GateClient
from services.client.connection import of_login, open_connection
from services.eventstore.connection import EventStoreConnection
from services.knowledge.contents import StoredContents
from services.knowledge.desk import Desk
from services.knowledge.embedders.process_embedders import ProcessEmbedders, process_embedders
from services.knowledge.fetching.fetchers import fetchers
from services.knowledge.index import ShardIndex
from services.knowledge.ingesting import Ingesting
from services.knowledge.pace import Pace
from services.knowledge.queue import Queue
from services.knowledge.reading.reader import Reader
from services.knowledge.retention import Retention
from services.knowledge.retrieval import Pool, Retrieval
from services.knowledge.reviewing import Reviewing, shown
from services.knowledge.store import KnowledgeStore
from services.knowledge.uploads import Uploads
from services.knowledge.vectors import Vectors
from services.knowledge.wanted import Wanted
from services.projector.locks import Lock, try_hold
from services.projector.log import Log, LogKeys
from services.sealing.jetstream_keys import JetStreamKeyStore
from services.sealing.keyring import open_keyring
from services.sealing.tenant_keys import TenantKeys
from services.settings import Settings
from services.vendors.data.live_adapters import live_adapters

CONNECTIONS_MAX: Final = 8
_LOOK_S: Final = 0.5


class _Parts(msgspec.Struct, frozen=True):
    """What the process is made of, connected."""

    settings: Settings
    log: Log
    keys: LogKeys
    store: KnowledgeStore
    gate: GateClient
    bus: Client
    reader: Pool
    indexing: Pool
    embedders: ProcessEmbedders


async def serve(settings: Settings, stop: asyncio.Event, ready: Callable[[], None]) -> None:
    """Serve until *stop* is set; *ready* is called when questions are answered. Raises Failure."""
    async with AsyncExitStack() as stack:
        parts = await _open(settings, stack)
        retrieval = Retrieval(parts.reader, parts.embedders)
        desk = _desk(parts, retrieval)
        stack.push_async_callback(desk.close)
        await desk.open()
        vectors = Vectors(settings.postgres_knowledge(), parts.embedders)
        works = [
            *(_index(parts, shard, vectors).run() for shard in range(settings.shards)),
            vectors.run(),
            (await _queue(parts, stack)).run(),
            _take_uploads(settings, desk),
            _retention(parts).run(),
            parts.embedders.offline.warm(),
        ]
        ready()
        await _until(stop, works)
    logs.get().info("ingest_stopped")


async def _until(stop: asyncio.Event, works: list[Coroutine[Any, Any, None]]) -> None:
    tasks = [asyncio.create_task(work) for work in works]
    stopping = asyncio.create_task(stop.wait())
    try:
        left = {*tasks, stopping}
        while stopping in left:
            # One that has ended is done with (a warm model), or broken: then so is the process.
            done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
    finally:
        left = {one for one in (*tasks, stopping) if not one.done()}
        while left:
            for task in left:
                task.cancel()
            # Again: the database's driver may take the first for a connection that broke.
            _, left = await asyncio.wait(left, timeout=_LOOK_S)


# -- parts ----------------------------------------------------------------------------


async def _open(settings: Settings, stack: AsyncExitStack) -> _Parts:
    bus = await EventStoreConnection.open(**settings.nats("knowledge").options())
    stack.push_async_callback(bus.close)
    keyring = open_keyring(
        settings.kek_file,
        development=settings.development,
        data_directory=settings.data_dir,
        deployment=settings.deployment,
    )
    keys = TenantKeys(await JetStreamKeyStore.open(bus.client.jetstream()), keyring)
    door = await open_connection(**of_login(settings.nats("desk")), name="vito-desk")
    stack.push_async_callback(door.close)
    login = of_login(settings.nats("knowledge"))
    gate = await stack.enter_async_context(
        GateClient.connect(**login, tenant="vito", hold_ms_max=settings.hold_s * 1_000)
    )
    embedders = await stack.enter_async_context(
        process_embedders(
            settings.embedding_model, gate.for_tenant, sandbox_url=settings.sandbox_url
        )
    )
    return _Parts(
        settings=settings,
        log=Log(deployment_log.open_stores(bus, settings.shards)),
        keys=LogKeys(keys),
        store=await KnowledgeStore.open(bus.client.jetstream(), keys),
        gate=gate,
        bus=door,
        reader=await _pool(settings.postgres_reader(), stack),
        indexing=await _pool(settings.postgres_knowledge(), stack),
        embedders=embedders,
    )


async def _pool(dsn: str, stack: AsyncExitStack) -> Pool:
    pool: Pool = AsyncConnectionPool(
        dsn,
        kwargs={"autocommit": True, "connect_timeout": 2, "application_name": "vito-ingest"},
        min_size=1,
        max_size=CONNECTIONS_MAX,
        timeout=5.0,
        reconnect_timeout=1.0,
        # A connection that died while it waited is replaced before somebody gets it.
        check=AsyncConnectionPool.check_connection,
        open=False,
    )
    await pool.open(wait=False)
    stack.push_async_callback(pool.close, 0.5)
    return pool


def _index(parts: _Parts, shard: int, vectors: Vectors) -> ShardIndex:
    return ShardIndex(
        shard,
        parts.settings.postgres_knowledge(),
        parts.log,
        parts.keys,
        StoredContents(parts.store),
        on_live=vectors.wake,
    )


async def _queue(parts: _Parts, stack: AsyncExitStack) -> Queue:
    sandbox_url = parts.settings.sandbox_url
    wanted = Wanted(
        parts.gate,
        await stack.enter_async_context(fetchers(sandbox_url)),
        await stack.enter_async_context(live_adapters(sandbox_url)),
    )
    ingesting = Ingesting(
        parts.gate,
        parts.store,
        parts.indexing,
        parts.embedders,
        fetch=wanted.fetch,
        reader=Reader(),
    )
    return Queue(parts.settings.postgres_knowledge(), parts.reader, ingesting)


def _retention(parts: _Parts) -> Retention:
    keep = timedelta(days=parts.settings.knowledge_keep_days)
    return Retention(parts.store, parts.reader, parts.settings.postgres_knowledge(), keep)


def _desk(parts: _Parts, retrieval: Retrieval) -> Desk:
    reviewing = Reviewing(parts.store, parts.reader, parts.indexing, parts.embedders, retrieval)
    uploads = Uploads(parts.store, time.monotonic)
    pace = Pace(lambda: time.monotonic_ns() // 1_000)

    async def search(tenant: str, principal: str, asked: SearchKnowledge) -> KnowledgeFound:
        pace.check(tenant, principal)
        found = await retrieval.retrieve(
            tenant,
            asked.question,
            limit=asked.limit,
            token_budget=asked.token_budget,
            pinned=asked.pinned,
        )
        return KnowledgeFound(tenant=tenant, passages=shown(found))

    async def review(tenant: str, principal: str, asked: ReviewKnowledge) -> KnowledgeReviewed:
        pace.check(tenant, principal)
        return await reviewing.review(tenant, asked)

    async def upload(tenant: str, principal: str, piece: UploadPiece) -> PieceTaken:
        return await uploads.take(tenant, principal, piece)

    return Desk(parts.bus, {SearchKnowledge: search, ReviewKnowledge: review, UploadPiece: upload})


async def _take_uploads(settings: Settings, desk: Desk) -> None:
    """Take uploads while the lock of those is ours, and no longer."""
    while True:
        try:
            async with await AsyncConnection.connect(
                settings.postgres_knowledge(), autocommit=True, connect_timeout=5
            ) as connection:
                is_ours = False
                while True:
                    if not is_ours and (is_ours := await try_hold(connection, Lock.UPLOADS)):
                        await desk.take_uploads()
                    # A sign of life of the connection that holds the lock.
                    await connection.execute("SELECT 1")
                    await asyncio.sleep(_LOOK_S)
        except psycopg.Error as error:
            logs.get().warning("uploads_not_taken", kind=type(error).__name__)
            await asyncio.sleep(_LOOK_S)
        finally:
            await desk.leave_uploads()
