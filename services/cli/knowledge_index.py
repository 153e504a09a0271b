"""`vito knowledge prove` and `reindex`: what is live, held against the log and the store."""

from __future__ import annotations

import asyncio

import typer
from psycopg import AsyncConnection

from services import logs
from services.audit.access import settings_in
from services.cli.asking import DataDir
from services.knowledge.held import open_held
from services.knowledge.proof import Proof
from services.knowledge.proof import prove as proving
from services.knowledge.reindex import Compared, compare
from services.settings import Settings

EXIT_DIFFERS = 1


def prove(data_dir: DataDir = None) -> None:
    """
    Prove that nothing is live that nobody approved, and that it is exactly what was approved.

    Every live chunk is joined with its approval, and held against the log, folded again from its
    beginning, and the sealed content. Exit code 1 when something is not as it must be.
    """
    logs.configure("prove", level="critical")
    settings = settings_in(data_dir)
    proof = asyncio.run(_prove(settings))
    compared = asyncio.run(_compare(settings, repair=False))
    differences = [one for each in compared for one in each.differences]
    print(
        f"{proof.chunks:,} live chunks of {proof.sources:,} sources of {proof.tenants:,} twins:"
        f" {len(proof.unapproved):,} without an approval, {len(differences):,} sources that are not"
        " what log and store say"
    )
    for one in proof.unapproved:
        print(f"✗ {one.tenant} {one.source}: {one.chunks} chunks of {one.content_hash}")
    _show(compared)
    raise typer.Exit(EXIT_DIFFERS if proof.unapproved or differences else 0)


def reindex(data_dir: DataDir = None) -> None:
    """
    Make the index again from log and store: what differs is put right, the rest stays.

    The process that keeps it may run; missing vectors are made by it. Nothing approved is missing
    meanwhile.
    """
    logs.configure("reindex", level="critical")
    compared = asyncio.run(_compare(settings_in(data_dir), repair=True))
    sources = sum(each.sources for each in compared)
    repaired = sum(len(each.differences) for each in compared)
    print(f"{sources:,} approved sources compared with their content, {repaired:,} put right")
    _show(compared)


def _show(compared: list[Compared]) -> None:
    for one in (one for each in compared for one in each.differences):
        print(f"✗ {one.tenant} {one.source}: {one.what}")
    for one in (one for each in compared for one in each.lost):
        print(f"? {one.tenant} {one.source} is not live: {one.what}")


async def _prove(settings: Settings) -> Proof:
    async with await AsyncConnection.connect(
        settings.postgres_knowledge(), autocommit=True
    ) as connection:
        return await proving(connection)


async def _compare(settings: Settings, *, repair: bool) -> list[Compared]:
    async with (
        open_held(settings) as (log, keys, contents),
        await AsyncConnection.connect(settings.postgres_knowledge(), autocommit=True) as connection,
    ):
        return [
            await compare(
                connection, log, keys, contents, shard=shard, shards=settings.shards, repair=repair
            )
            for shard in range(settings.shards)
        ]
