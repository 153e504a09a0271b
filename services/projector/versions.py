"""
Versions: the tables of a projection live in a schema per version, and one version serves.

    public.audit_logs  (view)  ->  audit_log_v3.audit_logs

`building` is being filled, `serving` is what the views show and the projector writes, `retired`
waits to be dropped. All changes here are the owner's; the projector only reads which one serves.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow

import projections
from projections.projection import Projection
from services.projector.grants import grant_view


class ProjectionStale(Exception):
    """The serving tables are not those of this program's projection. Remedy: rebuild it."""


class Serving(msgspec.Struct, frozen=True):
    """A projection's serving version, and how far it has applied one shard."""

    version: int
    definition: int
    stream_seq: int


def schema_of(projection: Projection, version: int) -> str:
    """Name the schema of a version's tables."""
    return f"{projection.NAME}_v{version}"


async def read_serving(
    connection: AsyncConnection[TupleRow], shard: int, wanted: Sequence[Projection]
) -> dict[str, Serving]:
    """
    Which version of each projection serves, and its position in *shard*.

    Raises ProjectionStale when one has no serving version or an outdated one.
    """
    cursor = await connection.execute(
        "SELECT v.projection, v.version, v.definition, coalesce(p.stream_seq, 0)"
        " FROM vito.projection_versions v LEFT JOIN vito.projection_positions p"
        " ON p.projection = v.projection AND p.version = v.version AND p.shard = %s"
        " WHERE v.state = 'serving'",
        (shard,),
    )
    rows = {name: Serving(*rest) for name, *rest in await cursor.fetchall()}
    serving: dict[str, Serving] = {}
    for projection in wanted:
        found = rows.get(projection.NAME)
        if found is None or found.definition != projection.DEFINITION:
            raise ProjectionStale(
                f"projection {projection.NAME} serves definition "
                f"{found.definition if found else 'none'}, this program has "
                f"{projection.DEFINITION}: run `vito rebuild {projection.NAME}`"
            )
        serving[projection.NAME] = found
    return serving


async def create_first_versions(
    connection: AsyncConnection[TupleRow], wanted: Sequence[Projection] = projections.ALL
) -> list[str]:
    """
    Make version 1 of every projection, if the database has none of any; their names.

    A projection that is new beside others is not made here: it would show less of the log than
    they do until it caught up. It is stale, and a rebuild makes its first version.
    """
    cursor = await connection.execute("SELECT count(*) FROM vito.projection_versions")
    row = await cursor.fetchone()
    if row is None or row[0]:
        return []
    for projection in wanted:
        await create(connection, projection, 1, state="serving")
        await show(connection, projection, 1)
    return [projection.NAME for projection in wanted]


async def stale_projections(
    connection: AsyncConnection[TupleRow], wanted: Sequence[Projection] = projections.ALL
) -> list[str]:
    """Name the projections that must be rebuilt before the projector can start."""
    cursor = await connection.execute(
        "SELECT projection, definition FROM vito.projection_versions WHERE state = 'serving'"
    )
    definitions: dict[str, int] = dict(await cursor.fetchall())
    return [p.NAME for p in wanted if definitions.get(p.NAME) != p.DEFINITION]


async def create(
    connection: AsyncConnection[TupleRow],
    projection: Projection,
    version: int,
    *,
    state: str = "building",
) -> None:
    """Make the empty tables of a version. Only the projector's role and the owner reach them."""
    schema = schema_of(projection, version)
    name = sql.Identifier(schema)
    await connection.execute(
        "INSERT INTO vito.projection_versions (projection, version, definition, state)"
        " VALUES (%s, %s, %s, %s)",
        (projection.NAME, version, projection.DEFINITION, state),
    )
    await connection.execute(sql.SQL("CREATE SCHEMA {}").format(name))
    await connection.execute(projection.TABLES.replace("{schema}", schema).encode())
    for grant in (
        "GRANT USAGE ON SCHEMA {} TO vito_projector",
        "GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA {} TO vito_projector",
    ):
        await connection.execute(sql.SQL(grant).format(name))
    for table in projection.CHANGED:
        await connection.execute(
            sql.SQL("GRANT UPDATE ON {} TO vito_projector").format(sql.Identifier(schema, table))
        )


async def show(connection: AsyncConnection[TupleRow], projection: Projection, version: int) -> None:
    """Point the public views to a version. In a transaction readers see the old or the new."""
    schema = schema_of(projection, version)
    for view, select in projection.VIEWS.items():
        name = sql.Identifier("public", view)
        # Not CREATE OR REPLACE, which refuses a view whose columns have changed.
        await connection.execute(sql.SQL("DROP VIEW IF EXISTS {}").format(name))
        body = sql.SQL(select.replace("{schema}", schema))
        await connection.execute(sql.SQL("CREATE VIEW {} AS {}").format(name, body))
        await grant_view(connection, view)


async def versions_in(
    connection: AsyncConnection[TupleRow], projection: Projection, state: str
) -> list[int]:
    """List the versions of a projection that are in *state*."""
    cursor = await connection.execute(
        "SELECT version FROM vito.projection_versions WHERE projection = %s AND state = %s"
        " ORDER BY version",
        (projection.NAME, state),
    )
    return [row[0] for row in await cursor.fetchall()]


async def next_version(connection: AsyncConnection[TupleRow], projection: Projection) -> int:
    """Return the number of the next version: one more than any that is known."""
    cursor = await connection.execute(
        "SELECT coalesce(max(version), 0) + 1 FROM vito.projection_versions WHERE projection = %s",
        (projection.NAME,),
    )
    row = await cursor.fetchone()
    assert row is not None, "an aggregate always has a row"
    return int(row[0])


async def drop(connection: AsyncConnection[TupleRow], projection: Projection, version: int) -> None:
    """Forget a version and its tables; it must not be serving."""
    async with connection.transaction():
        await connection.execute(
            "DELETE FROM vito.projection_versions"
            " WHERE projection = %s AND version = %s AND state <> 'serving'",
            (projection.NAME, version),
        )
        name = sql.Identifier(schema_of(projection, version))
        await connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(name))
