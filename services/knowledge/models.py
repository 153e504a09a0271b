"""
Which models make vectors: one serves, and another one may be built beside it (blue/green).

    building -> serving -> retired

    Invariant: questions are compared with vectors of the serving model only.

All functions run in the caller's transaction, as the indexing role.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

import msgspec
from psycopg import AsyncConnection

from services.knowledge.embedding import EmbeddingModel

State: TypeAlias = Literal["building", "serving", "retired"]
_SELECT: Final = (
    "SELECT model, state, name, version, dimensions FROM knowledge.models"
    " WHERE state <> 'retired' ORDER BY state DESC"
)


class KnownModel(msgspec.Struct, frozen=True):
    """A model with the number that its vectors carry."""

    number: int
    state: State
    what: EmbeddingModel


async def known(connection: AsyncConnection[Any]) -> list[KnownModel]:
    """Every model that is to have vectors; the serving one first."""
    cursor = await connection.execute(_SELECT)
    return [_model(*row) for row in await cursor.fetchall()]


async def ensure(connection: AsyncConnection[Any], wanted: EmbeddingModel) -> list[KnownModel]:
    """
    Make sure that *wanted* serves or is being built; every model there is then.

    The first one serves at once, for there is nothing to embed. One that was being built when
    another is wanted is given up.
    """
    found = await known(connection)
    if found and found[-1].what == wanted:
        return found
    await connection.execute("LOCK TABLE knowledge.models IN SHARE ROW EXCLUSIVE MODE")
    found = await known(connection)
    await connection.execute("DELETE FROM knowledge.models WHERE state = 'building'")
    if not found or found[0].what != wanted:
        state: State = "building" if found and found[0].state == "serving" else "serving"
        # One that has served before and was not dropped yet begins anew.
        key = (wanted.name, wanted.version, wanted.dimensions)
        await connection.execute(
            "DELETE FROM knowledge.models WHERE (name, version, dimensions) = (%s, %s, %s)", key
        )
        await connection.execute(
            "INSERT INTO knowledge.models (name, version, dimensions, state)"
            " VALUES (%s, %s, %s, %s)",
            (*key, state),
        )
    return await known(connection)


async def switch(connection: AsyncConnection[Any]) -> bool:
    """
    Let the model that is built serve, if every live chunk has a vector of it; whether it does now.

    Nothing becomes live meanwhile. The vectors of the one before stay until drop_retired().
    """
    await connection.execute(
        "LOCK TABLE knowledge.live_chunks, knowledge.live_vectors IN SHARE MODE"
    )
    await connection.execute("LOCK TABLE knowledge.models IN SHARE ROW EXCLUSIVE MODE")
    cursor = await connection.execute(
        "SELECT count(*) FROM knowledge.models m WHERE state = 'building' AND NOT EXISTS ("
        " SELECT FROM knowledge.live_chunks c WHERE NOT EXISTS ("
        "  SELECT FROM knowledge.live_vectors v WHERE v.tenant = c.tenant AND v.model = m.model"
        "  AND v.source = c.source AND v.number = c.number))"
    )
    row = await cursor.fetchone()
    if row is None or not row[0]:
        return False
    await connection.execute(
        "UPDATE knowledge.models SET state = 'retired' WHERE state = 'serving'"
    )
    await connection.execute(
        "UPDATE knowledge.models SET state = 'serving' WHERE state = 'building'"
    )
    return True


async def drop_retired(connection: AsyncConnection[Any]) -> None:
    """Forget models that have served, with their vectors."""
    await connection.execute("DELETE FROM knowledge.models WHERE state = 'retired'")


def _model(number: int, state: State, name: str, version: str, dimensions: int) -> KnownModel:
    what = EmbeddingModel(name=name, version=version, dimensions=dimensions)
    return KnownModel(number, state, what)
