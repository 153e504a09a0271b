"""`vito erase`: destroy a twin's keys, so that nobody can read anything of it again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.audit.access import tenant_named
from services.cli.telling import DONE, NotDone, answer, settings_of
from services.failure import Failure

ERASED = "twin_erased"


class NotConfirmed(Failure):
    """An erasure that was not meant, or not said to be."""


def erase(
    tenant: Annotated[str, typer.Argument(help="The twin.")],
    yes: Annotated[bool, typer.Option("--yes", help="Really, and for ever.")] = False,
    reason: Annotated[str, typer.Option(help="In its last event, which is soon noise.")] = "",
    data_dir: Annotated[
        Path | None, typer.Option(help="Where `vito up` runs.", show_default=".vito")
    ] = None,
) -> None:
    """
    Destroy a twin's data keys, for ever. Its log stays, and is noise; its rows are deleted.

    Its name is not given again. Backups of the keys must be purged by hand: see deploy/README.md.
    """
    twin = tenant_named(tenant)
    if not yes:
        raise NotConfirmed(
            f"erasing {twin} cannot be undone by anybody, nor from any backup of the log.",
            f"take what must be kept (vito show {twin} --json), then say it again with --yes.",
        )
    settings = settings_of("erase", data_dir)

    receipt = answer(settings, twin, lambda gate: gate.erase(reason=reason))
    if receipt.code == ERASED:
        typer.echo(f"{twin} was erased before.")
        return
    if receipt.status != DONE:
        raise NotDone(f"{receipt.code}: {receipt.message}", receipt.remedy)
    typer.echo(f"{twin} is erased, at position {receipt.position}: its keys are destroyed.")
    typer.echo(f"next: vito verify {twin}; then a backup, and purge its keys from the older ones.")
