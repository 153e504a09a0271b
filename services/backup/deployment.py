"""
The backup of a deployment: every stream of the log, what twins know, then the keys.

In this order, for a commit's key is stored before the commit: whatever is in the copy of the log,
its key is in the later copy of the keys, unless it was erased in between, as it should be.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import nats
from nats.aio.client import Client

from contracts import subjects
from services.backup import archive, jetstream
from services.backup.archive import BackupUnusable, Copy, Manifest
from services.knowledge.store import STREAM as KNOWLEDGE
from services.sealing.jetstream_keys import STREAM as KEYS
from services.settings import Settings

Tell = Callable[[Copy], None]


def streams(shards: int) -> list[str]:
    """The names of what is copied, in order."""
    return [*(subjects.stream(shard) for shard in range(shards)), KNOWLEDGE, KEYS]


async def backup(settings: Settings, directory: Path, *, now: datetime, tell: Tell) -> Manifest:
    """
    Copy the deployment into a new *directory*; *tell* is called after each stream.

    Raises BackupUnusable, StreamCopyFailed, OSError; an incomplete copy keeps its name `.partial`.
    """
    copies: list[Copy] = []
    writer = archive.Writer(directory)
    async with _connected(settings) as client:
        for stream in streams(settings.shards):
            outgoing = jetstream.Outgoing(client, stream)
            size, sha256 = await writer.write(stream, outgoing.chunks())
            copies.append(Copy(stream, outgoing.config, outgoing.state, size, sha256))
            tell(copies[-1])
    manifest = Manifest(
        deployment=settings.deployment,
        shards=settings.shards,
        taken_at=now.isoformat(timespec="seconds"),
        copies=copies,
    )
    writer.close(manifest)
    return manifest


async def restore(
    settings: Settings, directory: Path, *, keys_directory: Path | None = None, tell: Tell
) -> Manifest:
    """
    Make the streams of a backup again, on servers that have none of them.

    *keys_directory* is a later backup whose keys to use: keys that were erased since *directory*
    was written stay erased then. Everything is checked before anything is sent. Raises
    BackupUnusable, StreamCopyFailed.
    """
    manifest = archive.read_manifest(directory)
    _check_fits(settings, manifest)
    chosen = _chosen(manifest, directory, keys_directory or directory)
    for place, copy in chosen:
        archive.check(place, copy)
    async with _connected(settings) as client:
        for _, copy in chosen:
            await jetstream.check_absent(client, copy.stream)
        # The keys first: a log that is there without them would look damaged.
        for place, copy in reversed(chosen):
            config = {**copy.config, "num_replicas": settings.replicas}
            await jetstream.restore(client, config, copy.state, archive.read(place, copy))
            tell(copy)
    return manifest


def _check_fits(settings: Settings, manifest: Manifest) -> None:
    if manifest.shards != settings.shards:
        raise BackupUnusable(
            f"The backup has {manifest.shards} shards and this deployment {settings.shards}.",
            f"set VITO_SHARDS={manifest.shards}.",
        )
    if manifest.deployment != settings.deployment:
        raise BackupUnusable(
            f"The backup is of the deployment {manifest.deployment}, whose keys are bound to that"
            f" name, and this is {settings.deployment}.",
            f"set VITO_DEPLOYMENT={manifest.deployment}.",
        )


def _chosen(manifest: Manifest, directory: Path, keys_directory: Path) -> list[tuple[Path, Copy]]:
    """Which copies are restored, and from where."""
    keys = archive.read_manifest(keys_directory)
    # A backup of before there was knowledge has none.
    without = {KEYS} if manifest.copy_of(KNOWLEDGE) is not None else {KEYS, KNOWLEDGE}
    wanted = [
        *((directory, manifest, name) for name in streams(manifest.shards) if name not in without),
        (keys_directory, keys, KEYS),
    ]
    chosen = []
    for place, source, name in wanted:
        copy = source.copy_of(name)
        if copy is None:
            raise BackupUnusable(f"{place} has no copy of {name}.", "use another backup.")
        chosen.append((place, copy))
    return chosen


@asynccontextmanager
async def _connected(settings: Settings) -> AsyncIterator[Client]:
    client = await nats.connect(
        **settings.nats("admin").options(), max_reconnect_attempts=5, error_cb=_ignore
    )
    try:
        yield client
    finally:
        await client.close()


async def _ignore(_error: Exception) -> None:
    """Whatever it is, a request ends with it, and tells."""
