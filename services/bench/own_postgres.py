"""A PostgreSQL of one's own, for as long as something is measured."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from psycopg import AsyncConnection, sql

from services.embedded.nats_server import new_password
from services.embedded.postgres import Postgres


@asynccontextmanager
async def own_postgres() -> AsyncIterator[str]:
    """Start one in a temporary directory; the owner's address of its database."""
    with tempfile.TemporaryDirectory(prefix="vito-bench-") as directory:
        postgres = Postgres(Path(directory) / "postgres", superuser_password=new_password())
        await postgres.start()
        try:
            yield postgres.dsn()
        finally:
            await postgres.stop()


@asynccontextmanager
async def own_databases(count: int) -> AsyncIterator[list[str]]:
    """Start one server with so many empty databases; the owner's address of each."""
    async with own_postgres() as dsn:
        dsns = []
        async with await AsyncConnection.connect(dsn, autocommit=True) as connection:
            for number in range(count):
                name = f"bench_{number}"
                statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
                await connection.execute(statement)
                dsns.append(urlunsplit(urlsplit(dsn)._replace(path=f"/{name}")))
        yield dsns
