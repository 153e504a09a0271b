"""`vito backup`: copy the log and the wrapped keys out of the servers."""

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from services.backup import deployment
from services.backup.archive import Copy
from services.run_file import settings as read_settings


def backup(
    directory: Annotated[Path, typer.Argument(help="A new directory; it must not exist.")],
) -> None:
    """
    Copy the log and the wrapped keys into a new directory, while everything goes on.

    Acts as `admin` on the bus. The KEK is not in the copy: keep it elsewhere. Postgres is not
    either: it is made again from the log.
    """
    settings = read_settings(os.environ)
    asyncio.run(deployment.backup(settings, directory, now=datetime.now(UTC), tell=_tell))
    print(f"complete: {directory}")


def _tell(copy: Copy) -> None:
    print(f"{copy.stream}: {copy.state.get('messages', 0)} messages, {copy.bytes} bytes")
