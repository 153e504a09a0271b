"""
Status: what runs where, asked of the processes themselves and of what they leave behind.

Each part is asked with a time limit of its own; one that does not answer is a fault, and the others
are shown all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import aiohttp
import msgspec
import nats
import psycopg
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.errors import NotFoundError
from psycopg import AsyncConnection

from contracts import subjects
from services.failure import Failure
from services.gate import lease
from services.gate.endpoints import SERVICE
from services.projector.locks import OURS, Lock
from services.settings import Settings

ASK_S = 3.0
# How long workers may take to describe themselves; nobody says how many there are.
DISCOVERY_S = 0.4
CONNECT_S = 2.0
WORKERS_MAX = 1_000
T = TypeVar("T")


class Shard(msgspec.Struct, kw_only=True):
    """One shard. *owner* holds the lease, *serving* have announced themselves for it."""

    shard: int
    owner: str | None = None
    serving: list[str] = []
    commits: int | None = None
    last_seq: int = 0
    size_bytes: int | None = None
    max_bytes: int | None = None
    leader: str | None = None
    replicas: int | None = None


class Projected(msgspec.Struct, frozen=True, kw_only=True):
    """How far the slowest projection of a shard is."""

    shard: int
    projections: int
    behind: int | None
    age_s: float
    state: str | None
    error: str | None
    reported_age_s: float | None


class Knowledge(msgspec.Struct, kw_only=True):
    """
    What twins know, over all of them: sources by what they wait for, and how far the index is.

    *not_live* approved sources are not found, *without_vectors* chunks by their words only.
    *behind* and *followed* are of the shards by their number: messages, and whether somebody is at
    it.
    """

    waiting: int = 0
    in_review: int = 0
    failed: int = 0
    live: int = 0
    not_live: int = 0
    without_vectors: int = 0
    behind: dict[int, int] = {}
    followed: list[int] = []


class Status(msgspec.Struct, kw_only=True):
    """Everything on one screen. *faults* says what is wrong, in words."""

    nats: str = ""
    server: str = ""
    shards: list[Shard] = []
    projectors: list[Projected] = []
    knowledge: Knowledge | None = None
    api: str = ""
    api_state: str = ""
    faults: list[str] = []


# A projector reports about once a second.
REPORT_AGE_S_MAX = 10.0
_LAG = (
    "SELECT shard, count(*), max(behind), max(age_s), max(state), max(error), max(reported_age_s)"
    " FROM projection_lag GROUP BY shard ORDER BY shard"
)

_STAGES = "SELECT stage, count(*) FROM twin_knowledge_sources GROUP BY stage"
_INDEXED = "SELECT shard, stream_seq FROM knowledge.positions"
_HELD = (
    "SELECT objid::bigint - %s FROM pg_locks WHERE locktype = 'advisory' AND granted"
    " AND classid = %s AND objid::bigint >= %s"
)
_LIVE = (
    "SELECT count(*) FILTER (WHERE problem IS NULL), count(*) FILTER (WHERE problem IS NOT NULL),"
    " (SELECT count(*) FROM knowledge.live_chunks c WHERE NOT EXISTS ("
    "  SELECT FROM knowledge.live_vectors v JOIN knowledge.models m"
    "  ON m.model = v.model AND m.state = 'serving'"
    "  WHERE v.tenant = c.tenant AND v.source = c.source AND v.number = c.number))"
    " FROM knowledge.live_sources"
)


async def status(settings: Settings) -> Status:
    """Ask everybody at once; never raises for somebody who does not answer."""
    found = Status(nats=", ".join(settings.nats_urls))
    await asyncio.gather(
        _part(found, "bus", _ask_bus, settings),
        _part(found, "database", _ask_postgres, settings),
        _part(found, "query API", _ask_api, settings),
        _part(found, "knowledge", _ask_knowledge, settings),
    )
    _judge(found)
    _judge_knowledge(found)
    return found


async def _part(
    found: Status,
    name: str,
    ask: Callable[[Settings, Status], Awaitable[None]],
    settings: Settings,
) -> None:
    try:
        async with asyncio.timeout(ASK_S):
            await ask(settings, found)
    except TimeoutError:
        found.faults.append(f"{name}: no answer within {ASK_S:g} s")
    except Failure as problem:
        found.faults.append(f"{name}: {problem.message}")
    except (NatsError, OSError, aiohttp.ClientError, psycopg.Error) as problem:
        # Only the kind: the text of a driver may hold an address with a login.
        found.faults.append(f"{name}: {type(problem).__name__}")


# -- the bus ----------------------------------------------------------------------


async def _ask_bus(settings: Settings, found: Status) -> None:
    client = await nats.connect(
        **settings.nats("auditor").options(),
        allow_reconnect=False,
        connect_timeout=int(CONNECT_S),
        error_cb=_ignore,
    )
    try:
        version = client.connected_server_version
        found.server = f"nats-server {version.major}.{version.minor}.{version.patch}"
        found.shards = [Shard(shard=shard) for shard in range(settings.shards)]
        await asyncio.gather(
            _ask_streams(client, found), _ask_leases(client, found), _ask_workers(client, found)
        )
    finally:
        await client.close()


async def _ask_streams(client: Client, found: Status) -> None:
    jetstream = client.jetstream(timeout=ASK_S)
    for shard in found.shards:
        info = await jetstream.stream_info(subjects.stream(shard.shard))
        shard.commits = info.state.messages
        shard.last_seq = info.state.last_seq
        shard.size_bytes = info.state.bytes
        shard.max_bytes = info.config.max_bytes
        shard.replicas = info.config.num_replicas
        if info.cluster is not None:
            shard.leader = info.cluster.leader


async def _ask_leases(client: Client, found: Status) -> None:
    bucket = await client.jetstream(timeout=ASK_S).key_value(lease.BUCKET)
    for shard in found.shards:
        try:
            entry = await bucket.get(f"shard.{shard.shard}")
        except NotFoundError:
            continue
        shard.owner = (entry.value or b"").decode(errors="replace")


async def _ask_workers(client: Client, found: Status) -> None:
    answers: list[bytes] = []
    inbox = client.new_inbox()

    async def note(message: Any) -> None:
        if len(answers) < WORKERS_MAX:
            answers.append(message.data)

    subscription = await client.subscribe(inbox, cb=note)
    await client.publish(f"$SRV.INFO.{SERVICE}", b"", reply=inbox)
    await asyncio.sleep(DISCOVERY_S)
    await subscription.unsubscribe()
    for answer in answers:
        if not answer:
            # The bus itself: nobody listens.
            continue
        metadata = msgspec.json.decode(answer).get("metadata") or {}
        number, worker = metadata.get("shard", ""), metadata.get("worker", "")
        if number.isdigit() and int(number) < len(found.shards):
            found.shards[int(number)].serving.append(worker)


async def _ignore(_problem: Exception) -> None:
    return


# -- the read side ----------------------------------------------------------------


async def _ask_postgres(settings: Settings, found: Status) -> None:
    connection = await AsyncConnection.connect(
        settings.postgres_reader(),
        autocommit=True,
        connect_timeout=int(CONNECT_S),
        application_name="vito-status",
    )
    async with connection:
        rows = await (await connection.execute(_LAG)).fetchall()
    found.projectors = [
        Projected(
            shard=shard,
            projections=projections,
            behind=behind,
            age_s=float(age_s or 0),
            state=state,
            error=error,
            reported_age_s=None if reported is None else float(reported),
        )
        for shard, projections, behind, age_s, state, error, reported in rows
    ]


async def _ask_knowledge(settings: Settings, found: Status) -> None:
    """Ask as the reader what waits, and as the indexing role what of all twins is live."""
    if settings.postgres_knowledge_dsn is None:
        # Where nothing says where knowledge is indexed, none is.
        return
    options: dict[str, Any] = {
        "autocommit": True,
        "connect_timeout": int(CONNECT_S),
        "application_name": "vito-status",
    }
    async with await AsyncConnection.connect(settings.postgres_reader(), **options) as reader:
        stages = dict(await (await reader.execute(_STAGES)).fetchall())
    async with await AsyncConnection.connect(settings.postgres_knowledge(), **options) as indexing:
        positions = dict(await (await indexing.execute(_INDEXED)).fetchall())
        held = await (
            await indexing.execute(_HELD, (int(Lock.INDEX), OURS, int(Lock.INDEX)))
        ).fetchall()
        counts = await (await indexing.execute(_LIVE)).fetchone()
    live, not_live, without_vectors = counts or (0, 0, 0)
    found.knowledge = Knowledge(
        waiting=stages.get("pending", 0) + stages.get("ingesting", 0),
        in_review=stages.get("review", 0),
        failed=stages.get("failed", 0),
        live=live,
        not_live=not_live,
        without_vectors=without_vectors,
        behind=positions,
        followed=sorted(number for (number,) in held),
    )


async def _ask_api(settings: Settings, found: Status) -> None:
    if not settings.api_port:
        found.api_state = "not configured"
        return
    found.api = f"http://{settings.api_host}:{settings.api_port}"
    timeout = aiohttp.ClientTimeout(total=CONNECT_S)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(f"{found.api}/readyz") as response,
    ):
        body = await response.json(content_type=None)
    faults = [str(fault) for fault in body.get("faults") or ()]
    found.api_state = "ready" if response.ok else "not ready"
    found.faults += [f"query API: {fault}" for fault in faults]


# -- what to think of it ------------------------------------------------------------


def _judge(found: Status) -> None:
    for shard in found.shards:
        if shard.owner is None:
            found.faults.append(f"shard {shard.shard}: nobody holds its lease")
        elif shard.owner not in shard.serving:
            found.faults.append(f"shard {shard.shard}: {shard.owner} does not answer")
    for projected in found.projectors:
        name = f"projector of shard {projected.shard}"
        if projected.reported_age_s is None:
            found.faults.append(f"{name}: has never reported")
        elif projected.reported_age_s > REPORT_AGE_S_MAX:
            found.faults.append(f"{name}: silent for {projected.reported_age_s:.0f} s")
        elif projected.state != "running":
            found.faults.append(
                f"{name}: {projected.state}: {projected.error or 'no reason given'}"
            )


def _judge_knowledge(found: Status) -> None:
    known = found.knowledge
    if known is None:
        return
    # Until here they are positions; how far those are behind only the bus can say.
    known.behind = {
        shard.shard: max(0, shard.last_seq - known.behind.get(shard.shard, 0))
        for shard in found.shards
    }
    # Where no twin knows anything nobody has to index it.
    has_any = any((known.waiting, known.in_review, known.failed, known.live, known.not_live))
    for shard, behind in known.behind.items():
        if has_any and behind and shard not in known.followed:
            found.faults.append(
                f"knowledge index of shard {shard}: {behind} messages behind, and nobody follows"
            )
    if known.not_live:
        found.faults.append(
            f"knowledge: {known.not_live} approved sources cannot be found; why, say"
            " `vito knowledge list` and `vito knowledge prove`"
        )
