"""Bring a database to the state in which the projector and the API can start."""

from __future__ import annotations

import msgspec
from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow

from services.migrations.runner import migrate
from services.projector.grants import grant_readers
from services.projector.locks import Lock, hold_in_transaction
from services.projector.versions import create_first_versions, stale_projections


class RolePasswords(msgspec.Struct, frozen=True):
    """Passwords of the roles, chosen by whoever runs the deployment."""

    vito_projector: str
    vito_api: str
    vito_callout: str
    vito_knowledge: str

    def __repr__(self) -> str:
        return "RolePasswords(…)"


class Prepared(msgspec.Struct, frozen=True):
    """
    What was done, and what is left: projections to rebuild before the projector starts.

    A projection is *stale* when its module has changed since its tables were filled, or when it is
    new in a database that already has rows.
    """

    applied: list[str]
    created: list[str]
    stale: list[str]


async def prepare_database(dsn: str, passwords: RolePasswords | None = None) -> Prepared:
    """
    Migrate, make the roles and the first version of every projection. Repeatable.

    *dsn* is the owner's: it may create roles and schemas. Without *passwords* those of the roles
    stay as they are. Raises MigrationRefused, or psycopg.Error when the server refuses.
    """
    async with await AsyncConnection.connect(dsn, autocommit=True) as connection:
        applied = await migrate(connection)
        async with connection.transaction():
            await hold_in_transaction(connection, Lock.MIGRATE)
            created = await create_first_versions(connection)
            await grant_readers(connection)
            stale = await stale_projections(connection)
            if passwords is not None:
                for role in passwords.__struct_fields__:
                    await _set_password(connection, role, getattr(passwords, role))
    return Prepared(applied, created, stale)


async def _set_password(connection: AsyncConnection[TupleRow], role: str, password: str) -> None:
    # Hashed here, so that the password itself is not in the statement that a server may log.
    verifier = connection.pgconn.encrypt_password(
        password.encode(), role.encode(), b"scram-sha-256"
    )
    await connection.execute(
        sql.SQL("ALTER ROLE {} PASSWORD {}").format(
            sql.Identifier(role), sql.Literal(verifier.decode())
        )
    )
