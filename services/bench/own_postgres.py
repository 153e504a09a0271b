"""A PostgreSQL of one's own, for as long as something is measured."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

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
