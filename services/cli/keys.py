"""`vito keys`: rotate a twin's data key, and wrap data keys with the deployment's current key."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from contracts.replies import Receipt
from services.audit.access import opened, tenant_named
from services.cli.telling import DONE, NotDone, settings_of, tell
from services.client import GateClient
from services.client.connection import of_login
from services.sealing.jetstream_keys import JetStreamKeyStore
from services.settings import Settings

AT_ONCE_MAX = 16
_ERASED = "twin_erased"
DataDir = Annotated[Path | None, typer.Option(help="Where `vito up` runs.", show_default=".vito")]

keys = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Rotate data keys, and wrap them with the deployment's current key.",
)


@keys.command()
def rotate(
    tenant: Annotated[str, typer.Argument(help="The twin.")], data_dir: DataDir = None
) -> None:
    """
    Seal everything new of a twin with a new data key. What is there stays readable.

    At most once a minute. A key that leaked opens what it has sealed, in every copy, for ever.
    """
    twin = tenant_named(tenant)
    receipt = tell(settings_of("keys", data_dir), twin, lambda gate: gate.rotate_key())
    typer.echo(f"{twin}: data key, version {receipt.version}, since position {receipt.position}")


@keys.command()
def rewrap(
    tenant: Annotated[str | None, typer.Argument(help="One twin; all of them without it.")] = None,
    data_dir: DataDir = None,
) -> None:
    """
    Wrap data keys with the current key of the deployment (KEK), in place of older ones.

    The log is not touched. When it ends without an error, older KEKs open nothing any more and may
    leave the keyring's file, once every backup of the keys that they wrapped is gone as well.
    """
    settings = settings_of("keys", data_dir)
    names = [tenant_named(tenant)] if tenant else uvloop.run(_tenants(settings))
    receipts = uvloop.run(_rewrap(settings, names))
    refused = {n: r for n, r in receipts.items() if r.status != DONE and r.code != _ERASED}
    wrapped = sum(int(r.facts.get("wrapped", 0)) for r in receipts.values())
    versions = {int(r.facts["kek_version"]) for r in receipts.values() if r.status == DONE}
    typer.echo(f"{len(names) - len(refused)} twins: {wrapped} keys were wrapped anew")
    for name, receipt in refused.items():
        typer.echo(f"{name}: {receipt.code}: {receipt.message}", err=True)
    if refused:
        raise NotDone(f"{len(refused)} twins are left.", "mend what they say, and run it again.")
    if len(versions) > 1:
        raise NotDone(
            f"workers have different KEKs in use: {sorted(versions)}.",
            "give all of them the same keyring, restart them, and run it again.",
        )
    if versions:
        typer.echo(f"every key is wrapped with KEK version {versions.pop()}")


async def _tenants(settings: Settings) -> list[str]:
    async with opened(settings) as access:
        store = await JetStreamKeyStore.open(access.connection.client.jetstream())
        return await store.tenants()


async def _rewrap(settings: Settings, names: list[str]) -> dict[str, Receipt]:
    receipts: dict[str, Receipt] = {}
    slots = asyncio.Semaphore(AT_ONCE_MAX)
    async with GateClient.connect(**of_login(settings.nats("client")), tenant="any") as gate:

        async def one(name: str) -> None:
            async with slots:
                receipts[name] = await gate.for_tenant(name).rewrap_key()

        await asyncio.gather(*map(one, names))
    return receipts
