"""
Vectors: every live chunk gets one of the serving model, and of the one that is being built.

A new model is built beside the one that serves: when no live chunk lacks a vector of it, they
switch in one transaction and the old vectors are dropped (blue/green). Broken off anywhere, it goes
on from what is there. A twin whose vectors cannot be made, because its money or its vendor says no,
is found by words meanwhile, and tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
import psycopg
from psycopg import AsyncConnection

from services import logs
from services.knowledge import models
from services.knowledge.chunk_rows import embedded_text, vector_text
from services.knowledge.embedding import Embedders, embed
from services.knowledge.models import KnownModel
from services.knowledge.problem import IngestionProblem

AT_ONCE: Final = 64
RETRY_S_MIN: Final = 1.0
RETRY_S_MAX: Final = 300.0

_MISSING: Final = """
SELECT c.tenant, c.source, c.number, c.content_hash, c.headings, c.text
FROM knowledge.live_chunks c
WHERE (c.tenant, c.source, c.number) > (%(tenant)s, %(source)s, %(number)s)
    AND c.tenant <> ALL(%(without)s) AND NOT EXISTS (
        SELECT FROM knowledge.live_vectors v WHERE v.tenant = c.tenant AND v.model = %(model)s
        AND v.source = c.source AND v.number = c.number)
ORDER BY c.tenant, c.source, c.number LIMIT %(most)s
"""
# What was replaced or removed while it was embedded is left out.
_ADD: Final = """
INSERT INTO knowledge.live_vectors (tenant, model, source, number, content_hash, embedding)
SELECT c.tenant, m.model, c.source, c.number, c.content_hash, made.embedding::public.halfvec
FROM unnest(%(numbers)s::int[], %(vectors)s::text[]) AS made(number, embedding)
JOIN knowledge.live_chunks c ON c.tenant = %(tenant)s AND c.source = %(source)s
    AND c.number = made.number AND c.content_hash = %(content_hash)s
JOIN knowledge.models m ON m.model = %(model)s
FOR KEY SHARE OF c, m
ON CONFLICT DO NOTHING
"""


class Filled(msgspec.Struct, frozen=True):
    """What was done. *without*: twins whose vectors could not be made; *switched*: models did."""

    vectors: int
    without: tuple[str, ...]
    switched: bool


class Vectors:
    """Makes vectors. *dsn* is the indexing role's."""

    def __init__(
        self,
        dsn: str,
        embedders: Embedders,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._dsn = dsn
        self._embedders = embedders
        self._sleep = sleep
        self._wanted = asyncio.Event()
        self._wanted.set()

    def wake(self) -> None:
        """Something has become live."""
        self._wanted.set()

    async def run(self) -> None:
        """Make what is missing at the start, when woken, and what failed again, for ever."""
        failures = 0
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                async with await AsyncConnection.connect(
                    self._dsn, autocommit=True, connect_timeout=5, application_name="vito-vectors"
                ) as connection:
                    filled = await self.fill(connection)
                failures = failures + 1 if filled.without else 0
            except psycopg.Error as error:
                failures += 1
                logs.get().warning("vectors_not_written", error=str(error))
            if failures:
                self._wanted.set()
                await self._sleep(min(RETRY_S_MAX, RETRY_S_MIN * 2 ** min(failures - 1, 16)))

    async def fill(self, connection: AsyncConnection[Any]) -> Filled:
        """Make everything that is missing, and switch models when one is built. psycopg.Error."""
        async with connection.transaction():
            known = await models.ensure(connection, self._embedders.wanted)
        made, without = 0, set[str]()
        for model in known:
            last = _Chunk("", "", 0, "", "", "")
            while chunks := await _missing(connection, model, without, last):
                made += await self._embed(connection, model, chunks, without)
                last = chunks[-1]
        async with connection.transaction():
            switched = len(known) > 1 and await models.switch(connection)
        if switched:
            logs.get().info("embedding_model_switched", model=self._embedders.wanted.name)
        async with connection.transaction():
            await models.drop_retired(connection)
        return Filled(made, tuple(sorted(without)), switched)

    async def _embed(
        self,
        connection: AsyncConnection[Any],
        model: KnownModel,
        chunks: list[_Chunk],
        without: set[str],
    ) -> int:
        """Embed chunks of one source; how many. A twin that cannot be is added to *without*."""
        first = chunks[0]
        embedder = self._embedders.of(model.what, first.tenant)
        if embedder is None:
            logs.get().error("no_embedder", model=model.what.name, version=model.what.version)
            without.add(first.tenant)
            return 0
        try:
            vectors = await embed(embedder, [one.embedded for one in chunks])
        except IngestionProblem as problem:
            logs.get().warning("not_embedded", tenant=first.tenant, code=problem.code)
            without.add(first.tenant)
            return 0
        cursor = await connection.execute(
            _ADD,
            {
                "tenant": first.tenant,
                "source": first.source,
                "content_hash": first.content_hash,
                "model": model.number,
                "numbers": [one.number for one in chunks],
                "vectors": [vector_text(vector) for vector in vectors],
            },
        )
        return cursor.rowcount


class _Chunk(msgspec.Struct, frozen=True):
    tenant: str
    source: str
    number: int
    content_hash: str
    headings: str
    text: str

    @property
    def of(self) -> tuple[str, str, str]:
        return self.tenant, self.source, self.content_hash

    @property
    def embedded(self) -> str:
        return embedded_text(self.headings, self.text)


async def _missing(
    connection: AsyncConnection[Any], model: KnownModel, without: set[str], last: _Chunk
) -> list[_Chunk]:
    """The next chunks after *last* that lack a vector; all of one source, so of one content."""
    cursor = await connection.execute(
        _MISSING,
        {
            "tenant": last.tenant,
            "source": last.source,
            "number": last.number,
            "model": model.number,
            "without": list(without),
            "most": AT_ONCE,
        },
    )
    found = [_Chunk(*row) for row in await cursor.fetchall()]
    return [one for one in found if one.of == found[0].of]
