"""`vito deployment`: where a twin is shown, and by what rules."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from contracts.deployment import (
    Ceiling,
    ChangeDeployment,
    CreateDeployment,
    DisableDeployment,
    EnableDeployment,
    SetDisclosure,
    Surface,
)
from contracts.views import DeploymentShown, DeploymentView
from services.audit.access import settings_in
from services.audit.showing import screen
from services.cli.asking import AsJson, DataDir, Note, Refused, Tenant, do, in_json, shown
from services.distribution.embed import embed_code
from services.failure import Failure

_US_PER_S = 1_000_000
NEVER = "never"

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Say where a twin is shown, by what rules."
)

Name = Annotated[str, typer.Argument(metavar="DEPLOYMENT", help="The id of the deployment.")]
Origins = Annotated[
    list[str] | None,
    typer.Option("--origin", help="May embed the twin: https://host[:port]. Say it for each."),
]
Expires = Annotated[
    str | None,
    typer.Option(help=f"Until when, such as 2026-12-24T18:00:00Z; or {NEVER}."),
]
Text = Annotated[str, typer.Option(help="What tells visitors that this is an AI.")]
Language = Annotated[str, typer.Option(help="Of that text, such as es-MX.")]


@app.command()
def create(
    tenant: Tenant,
    deployment: Name,
    disclosure: Text,
    language: Language,
    origin: Origins = None,
    surface: Annotated[Surface, typer.Option(help="What it is.")] = "web_widget",
    ceiling: Annotated[Ceiling, typer.Option(help="The richest modality.")] = "text",
    mints_per_minute: Annotated[int, typer.Option(help="New visitors in a minute.")] = 600,
    expires: Expires = None,
    note: Note = "",
    data_dir: DataDir = None,
) -> None:
    """Add a deployment. It is disabled until you enable it."""
    do(
        data_dir,
        tenant,
        f"{deployment} created, disabled: `vito deployment enable` lets visitors in",
        CreateDeployment,
        deployment=deployment,
        terms={
            "surface": surface,
            "ceiling": ceiling,
            "origins": list(origin or []),
            "mints_per_minute": mints_per_minute,
            "expires_at_us": _instant(expires),
        },
        disclosure={"text": disclosure, "language": language},
        note=note,
    )


@app.command()
def change(
    tenant: Tenant,
    deployment: Name,
    origin: Origins = None,
    ceiling: Annotated[Ceiling | None, typer.Option(help="The richest modality.")] = None,
    mints_per_minute: Annotated[int | None, typer.Option(help="New visitors in a minute.")] = None,
    expires: Expires = None,
    note: Note = "",
    data_dir: DataDir = None,
) -> None:
    """Change some terms of a deployment; --origin replaces the whole list."""
    found = _one(shown(data_dir, tenant, DeploymentView), deployment)
    changes = {
        "origins": origin,
        "ceiling": ceiling,
        "mints_per_minute": mints_per_minute,
    }
    terms = msgspec.to_builtins(found.terms)
    terms |= {name: value for name, value in changes.items() if value is not None}
    if expires is not None:
        terms["expires_at_us"] = _instant(expires)
    do(
        data_dir,
        tenant,
        f"{deployment} changed",
        ChangeDeployment,
        deployment=deployment,
        terms=terms,
        expected_version=found.version,
        note=note,
    )


@app.command("list")
def list_all(tenant: Tenant, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """List a twin's deployments as the gate has them now."""
    view = shown(data_dir, tenant, DeploymentView)
    if as_json:
        typer.echo(in_json(view))
    else:
        console = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
        console.print(screen({"deployment": view}, UTC))


@app.command()
def show(tenant: Tenant, deployment: Name, data_dir: DataDir = None) -> None:
    """Show one deployment, as JSON."""
    typer.echo(in_json(_one(shown(data_dir, tenant, DeploymentView), deployment)))


@app.command()
def embed(
    tenant: Tenant,
    deployment: Name,
    platform: Annotated[
        str,
        typer.Option(
            help="Where the script comes from, such as https://twins.example.",
            show_default="VITO_GATEWAY_PUBLIC_URL, or the gateway of `vito up`",
        ),
    ] = "",
    data_dir: DataDir = None,
) -> None:
    """Print the HTML that shows a deployment on a page."""
    platform = platform or settings_in(data_dir).gateway_public_url or ""
    if not platform:
        raise Failure(
            "Where the gateway is, is not known here.", "say it with --platform https://…"
        )
    found = _one(shown(data_dir, tenant, DeploymentView), deployment)
    typer.echo(embed_code(tenant, found, platform=platform), nl=False)


@app.command()
def enable(tenant: Tenant, deployment: Name, note: Note = "", data_dir: DataDir = None) -> None:
    """Let visitors in."""
    done = f"{deployment} enabled"
    do(data_dir, tenant, done, EnableDeployment, deployment=deployment, note=note)


@app.command()
def disable(tenant: Tenant, deployment: Name, note: Note = "", data_dir: DataDir = None) -> None:
    """Let nobody in any more, and end every session."""
    done = f"{deployment} disabled"
    do(data_dir, tenant, done, DisableDeployment, deployment=deployment, note=note)


@app.command("set-disclosure")
def set_disclosure(
    tenant: Tenant,
    deployment: Name,
    text: Annotated[str, typer.Argument(help="What tells visitors that this is an AI.")],
    language: Language,
    note: Note = "",
    data_dir: DataDir = None,
) -> None:
    """Replace what a deployment discloses, as a new version."""
    do(
        data_dir,
        tenant,
        f"{deployment} discloses this from now on",
        SetDisclosure,
        deployment=deployment,
        disclosure={"text": text, "language": language},
        note=note,
    )


def _one(view: DeploymentView, name: str) -> DeploymentShown:
    found = next((one for one in view.deployments if one.deployment == name), None)
    if found is None:
        known = ", ".join(one.deployment for one in view.deployments) or "none"
        raise Refused(f"{view.tenant} has no deployment {name!r}.", f"use one of: {known}.")
    return found


def _instant(typed: str | None) -> int | None:
    if typed is None or typed == NEVER:
        return None
    try:
        moment = datetime.fromisoformat(typed)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Refused(
            f"{typed!r} is not a time with its offset.", "write it like 2026-12-24T18:00:00Z."
        )
    seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    return round(seconds) * _US_PER_S
