"""
Which models make vectors: one serves, and another one may be built beside it (blue/green).

    Invariant: questions are compared with vectors of the serving model only, and every live chunk
    has one of that.

All functions run in the caller's transaction, as the indexing role.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

import msgspec
from psycopg import AsyncConnection

from services.knowledge.embedding import EmbeddingModel

State: TypeAlias = Literal["building", "serving"]
_SELECT: Final = "SELECT model, state, name, version, dimensions FROM knowledge.models"


class KnownModel(msgspec.Struct, frozen=True):
    """A model with the number that its vectors carry."""

    number: int
    state: State
    what: EmbeddingModel


async def known(connection: AsyncConnection[Any]) -> list[KnownModel]:
    """Every model that has vectors or is to have them; the serving one first."""
    cursor = await connection.execute(f"{_SELECT} ORDER BY state DESC")
    return [_model(*row) for row in await cursor.fetchall()]


async def ensure(connection: AsyncConnection[Any], wanted: EmbeddingModel) -> list[KnownModel]:
    """
    Make sure that *wanted* serves or is being built; every model there is then.

    The first one serves at once, for there is nothing to embed. One that was being built when
    another is wanted is given up, and so is its building when the serving one is wanted again.
    """
    await connection.execute("LOCK TABLE knowledge.models IN SHARE ROW EXCLUSIVE MODE")
    found = await known(connection)
    for model in found:
        if model.state == "building" and model.what != wanted:
            await connection.execute(
                "DELETE FROM knowledge.models WHERE model = %s", [model.number]
            )
    if not any(model.what == wanted for model in found):
        state: State = "building" if any(m.state == "serving" for m in found) else "serving"
        await connection.execute(
            "INSERT INTO knowledge.models (name, version, dimensions, state)"
            " VALUES (%s, %s, %s, %s)",
            (wanted.name, wanted.version, wanted.dimensions, state),
        )
    return await known(connection)


def _model(number: int, state: State, name: str, version: str, dimensions: int) -> KnownModel:
    what = EmbeddingModel(name=name, version=version, dimensions=dimensions)
    return KnownModel(number, state, what)
