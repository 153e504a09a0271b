"""
The database and the roles of the embedded PostgreSQL.

`vito` owns the database and what the migrations make in it; `vito_reader` reads. The
superuser is used here and by nobody else.
"""

import psycopg
from psycopg import sql

from services.run_file import DATABASE, OWNER, READER


async def ensure_roles(dsn: str, passwords: dict[str, str]) -> str:
    """
    Make or repair database, roles and passwords; repeating it changes nothing.

    `dsn` is the superuser's, database `postgres`.
    """
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        for role in (OWNER, READER):
            await _ensure_role(connection, role, passwords[role])
        await connection.execute(
            sql.SQL("GRANT pg_read_all_data TO {}").format(sql.Identifier(READER))
        )
        found = await connection.execute(
            "SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)
        )
        if await found.fetchone() is None:
            await connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(
                    sql.Identifier(DATABASE), sql.Identifier(OWNER)
                )
            )
        # By default everybody may connect, and make temporary tables.
        await connection.execute(
            sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(DATABASE))
        )
        await connection.execute(
            sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(
                sql.Identifier(DATABASE), sql.Identifier(READER)
            )
        )
    return f"database {DATABASE}, roles {OWNER} and {READER}"


async def _ensure_role(
    connection: psycopg.AsyncConnection[tuple[object, ...]], role: str, password: str
) -> None:
    found = await connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
    verb = "CREATE" if await found.fetchone() is None else "ALTER"
    # Hashed here: the statement may be logged by the server, the password not.
    hashed = connection.pgconn.encrypt_password(
        password.encode(), role.encode(), b"scram-sha-256"
    ).decode()
    await connection.execute(
        sql.SQL(verb + " ROLE {} LOGIN NOSUPERUSER PASSWORD {}").format(
            sql.Identifier(role), sql.Literal(hashed)
        )
    )
