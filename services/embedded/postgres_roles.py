"""
The database of the projections in the embedded PostgreSQL, and its owner.

The owner migrates and makes the roles of the projector and the query API. The superuser is
used here and by nobody else.
"""

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo


async def ensure_database(dsn: str, database: str, owner: str, password: str) -> None:
    """
    Make or repair the owner and the database; repeating it changes nothing.

    `dsn` is the superuser's, database `postgres`. The extension `vector` is made here as well,
    because it is not one that an owner may make.
    """
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        found = await connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (owner,))
        verb = "CREATE" if await found.fetchone() is None else "ALTER"
        # Hashed here: the statement may be logged by the server, the password not.
        hashed = connection.pgconn.encrypt_password(
            password.encode(), owner.encode(), b"scram-sha-256"
        ).decode()
        await connection.execute(
            sql.SQL(f"{verb} ROLE {{}} LOGIN NOSUPERUSER CREATEROLE PASSWORD {{}}").format(
                sql.Identifier(owner), sql.Literal(hashed)
            )
        )
        found = await connection.execute(
            "SELECT 1 FROM pg_database WHERE datname = %s", (database,)
        )
        if await found.fetchone() is None:
            await connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(
                    sql.Identifier(database), sql.Identifier(owner)
                )
            )
    async with await psycopg.AsyncConnection.connect(
        make_conninfo(dsn, dbname=database), autocommit=True
    ) as connection:
        await connection.execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA public")
