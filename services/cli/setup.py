"""`vito setup`: what must be there before the processes of a deployment start."""

import asyncio
import os

from services import setup as bus
from services.migrations import prepare_database
from services.run_file import settings as read_settings
from services.settings import Settings


def setup() -> None:
    """
    Make the streams, buckets and tables that are missing, and check those that exist.

    Acts as `admin` on the bus and as the owner of the database. Run it before a new version
    starts; it is harmless to repeat.
    """
    asyncio.run(_setup(read_settings(os.environ)))


async def _setup(settings: Settings) -> None:
    # Both asked for first, so that nothing is done when half of the settings are missing.
    owner = settings.postgres_owner()
    settings.nats("admin")
    print(f"bus: {await bus.streams(settings)}")
    prepared = await prepare_database(owner)
    done = [*prepared.applied, *(f"projection {name}" for name in prepared.created)]
    print(f"database: {', '.join(done) or 'nothing to do'}")
    if prepared.stale:
        print(f"next: vito rebuild --stale ({', '.join(prepared.stale)})")
