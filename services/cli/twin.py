"""`vito twin`: who a twin is, what it is for, and its way to the air."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

import msgspec
import typer
from rich.console import Console

from contracts.replies import Receipt
from contracts.spelling import in_words
from contracts.twin import Identity, Purpose, Refinement
from contracts.views import PolicyView, PriceBookView, TwinView
from domain.period import zone
from domain.twin import shown_in
from services.audit.showing import twin_facts
from services.cli.asking import (
    AsJson,
    DataDir,
    Note,
    Refused,
    Tenant,
    accepted,
    ask,
    file_text,
    in_json,
)
from services.client import GateClient
from services.live.parts import Parts, open_parts
from services.settings import Settings
from services.twins import TWINS, calibration

FILE_CHARS_MAX: Final = 1_000_000
PIPE_COLUMNS: Final = 200
Document = TypeVar("Document", Identity, Purpose)

File = Annotated[Path, typer.Argument(help="A JSON file; - reads standard input.")]
Expected = Annotated[
    int | None,
    typer.Option(help="The version that you have edited; refused if there is a newer one."),
]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Shape a twin: identity, purpose, calibration, sign-off. Nothing is called before that.",
)


@app.command()
def show(
    tenant: Tenant,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show what is live, what is drafted, and what the draft still needs."""

    async def work(gate: GateClient, _settings: Settings) -> tuple[TwinView, PolicyView]:
        return await gate.show(TwinView), await gate.show(PolicyView)

    view, policy = ask(tenant, data_dir, work)
    if as_json:
        typer.echo(in_json(view))
        return
    clock = zone(policy.policy.time_zone) if policy.policy else UTC
    width = None if sys.stdout.isatty() else PIPE_COLUMNS
    Console(highlight=False, width=width).print(twin_facts(view, clock))


@app.command()
def example(
    part: Annotated[Literal["identity", "purpose"], typer.Argument(help="Which document.")],
    of: Annotated[str, typer.Option(help="Of which twin of the requirements.")] = "cantor",
) -> None:
    """Print a document of a known twin, to edit and to save."""
    twin = next((one for one in TWINS if one.tenant == of), None)
    if twin is None:
        known = " or ".join(one.tenant for one in TWINS)
        raise Refused(f"There is no example {of!r}.", f"use {known}.")
    document = twin.identity if part == "identity" else twin.purpose
    typer.echo(in_json(document))


@app.command()
def set_identity(
    tenant: Tenant,
    file: File,
    expected_version: Expected = None,
    note: Note = "",
    data_dir: DataDir = None,
) -> None:
    """Save a new version of the identity, as the draft. What is live stays live."""
    identity = read_document(file, Identity, "identity")
    receipt = _tell(
        tenant,
        data_dir,
        lambda gate: gate.set_identity(identity, expected_version=expected_version, note=note),
    )
    typer.echo(
        f"{tenant}: identity {receipt.version} is the draft. Next: vito twin calibrate {tenant}"
    )


@app.command()
def set_purpose(
    tenant: Tenant,
    file: File,
    expected_version: Expected = None,
    note: Note = "",
    data_dir: DataDir = None,
) -> None:
    """Put a new version of the purpose in force; it needs no calibration."""
    purpose = read_document(file, Purpose, "purpose")
    receipt = _tell(
        tenant,
        data_dir,
        lambda gate: gate.set_purpose(purpose, expected_version=expected_version, note=note),
    )
    typer.echo(f"{tenant}: purpose {receipt.version} is in force.")


@app.command()
def calibrate(
    tenant: Tenant,
    provider: Annotated[
        str | None, typer.Option(help="The avatar provider; needed if several have a price.")
    ] = None,
    sku: Annotated[str | None, typer.Option(help="Its product.")] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Three new samples, whatever there is already.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """
    Make three samples of the draft through the avatar provider; they are debited like any call.

    Where a sandbox stands for the vendors it makes them. A round that was interrupted goes on.
    """
    view = ask(
        tenant,
        data_dir,
        lambda gate, settings: _calibrate(gate, settings, provider, sku, again=again),
    )
    assert view.calibration is not None, "it was just completed"
    for sample in view.calibration.samples:
        if sample.number:
            typer.echo(f"sample {sample.number}: {sample.reference} (call {sample.reservation_id})")
    version = view.calibration.version
    typer.echo(f"Seen by the Owner? vito twin sign-off {tenant} {version}; else vito twin refine.")


@app.command()
def refine(
    tenant: Tenant,
    pitch: Annotated[
        int, typer.Option(min=500, max=2_000, help="In thousandths of the provider's own.")
    ] = 1_000,
    speed: Annotated[int, typer.Option(min=500, max=2_000, help="Likewise.")] = 1_000,
    expected_version: Expected = None,
    note: Note = "",
    data_dir: DataDir = None,
) -> None:
    """Adjust pitch and speed: a new draft, which needs samples of its own."""
    receipt = _tell(
        tenant,
        data_dir,
        lambda gate: gate.refine(
            Refinement(pitch, speed), expected_version=expected_version, note=note
        ),
    )
    typer.echo(
        f"{tenant}: identity {receipt.version} is the draft. Next: vito twin calibrate {tenant}"
    )


@app.command()
def sign_off(
    tenant: Tenant,
    version: Annotated[int, typer.Argument(min=1, help="The draft that you have seen.")],
    note: Note = "",
    data_dir: DataDir = None,
) -> None:
    """ "This looks and sounds like me": the draft goes live."""
    _tell(tenant, data_dir, lambda gate: gate.sign_off(version, note=note))
    typer.echo(f"{tenant}: identity {version} is live.")


@app.command()
def suspend(
    tenant: Tenant,
    asleep: Annotated[
        bool, typer.Option("--asleep", help='Because of its cost: callers hear "sleeping".')
    ] = False,
    reason: Annotated[str, typer.Option(help="Kept in the log.")] = "",
    data_dir: DataDir = None,
) -> None:
    """Refuse every new call until you resume it; calls that are held may end."""
    _tell(tenant, data_dir, lambda gate: gate.suspend(asleep=asleep, reason=reason))
    typer.echo(f"{tenant} takes no calls. To end that: vito twin resume {tenant}")


@app.command()
def resume(
    tenant: Tenant,
    reason: Annotated[str, typer.Option(help="Kept in the log.")] = "",
    data_dir: DataDir = None,
) -> None:
    """Let a suspended twin take calls again."""
    _tell(tenant, data_dir, lambda gate: gate.resume(reason=reason))
    typer.echo(f"{tenant} takes calls again.")


@app.command()
def retire(
    tenant: Tenant,
    reason: Annotated[str, typer.Option(help="Kept in the log.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDir = None,
) -> None:
    """End a twin, for ever. Nothing brings it back."""
    if not yes:
        typer.confirm(f"Retire {tenant} for ever?", abort=True)
    _tell(tenant, data_dir, lambda gate: gate.retire(reason=reason))
    typer.echo(f"{tenant} is retired.")


# -- How ------------------------------------------------------------------------


def read_document(file: Path, kind: type[Document], name: str) -> Document:
    """Read a document; raises Failure that names the file, the field and the rule."""
    remedy = f"correct it; `vito twin example {name}` prints one that is right."
    text = file_text(file)
    if len(text) > FILE_CHARS_MAX:
        raise Refused(f"{file} has more than {FILE_CHARS_MAX} characters.", remedy)
    try:
        # By the standard library: it says where a text ends too early or half a character stands.
        return msgspec.convert(json.loads(text), kind)
    except (json.JSONDecodeError, RecursionError) as problem:
        raise Refused(f"{file} is not JSON: {problem}.", remedy) from problem
    except msgspec.ValidationError as problem:
        raise Refused(f"{file}: {_where(str(problem), name)}.", remedy) from problem


def _where(problem: str, name: str) -> str:
    """Say where first, as `identity.tone: Expected ...`."""
    rule, _, path = in_words(problem).partition(" - at `$")
    return f"{name}{path.rstrip('`')}: {rule}"


async def _calibrate(
    gate: GateClient, settings: Settings, provider: str | None, sku: str | None, *, again: bool
) -> TwinView:
    shown = await gate.show(TwinView)
    if again or shown.calibration is None:
        product = await _product(gate, provider, sku)
        await calibration.begin(gate, provider_id=product[0], sku=product[1])
        shown = await gate.show(TwinView)
    if shown.calibration is not None:
        async with AsyncExitStack() as stack:
            parts = await open_parts(settings, stack)
            await calibration.complete(gate, _studio(parts, settings))
    return await gate.show(TwinView)


def _studio(parts: Parts, settings: Settings) -> calibration.Studio:
    if settings.sandbox_url is not None:
        # It shows nothing that a person could look at.
        return calibration.Studio(parts=parts)

    def show(address: str) -> None:
        if address:
            typer.echo(f"A sample, for {calibration.SHOWN_S:g} s: {address}")

    return calibration.Studio(parts=parts, shown_s=calibration.SHOWN_S, show=show)


async def _product(gate: GateClient, provider: str | None, sku: str | None) -> tuple[str, str]:
    """Return the avatar provider's product: the one that is named, or the only one priced."""
    policy, book = (await gate.show(PolicyView)).policy, (await gate.show(PriceBookView)).price_book
    if policy is None or book is None:
        raise Refused(f"There is no twin {gate.tenant}.", "see `vito status` for the twins.")
    modality = shown_in(policy)
    found = [
        (entry.provider_id, entry.sku)
        for entry in book.entries
        if entry.modality == modality
        and provider in (None, entry.provider_id)
        and sku in (None, entry.sku)
    ]
    if len(found) != 1:
        listed = ", ".join("/".join(one) for one in found) or "none"
        raise Refused(
            f"The price book's {modality} products that fit: {listed}.",
            "name one of the twin's with --provider and --sku.",
        )
    return found[0]


def _tell_draft(tenant: str, receipt: Receipt) -> None:
    drafted = f"{tenant}: identity {receipt.version} is the draft."
    typer.echo(f"{drafted} Next: vito twin calibrate {tenant}")


def _tell(
    tenant: str, data_dir: Path | None, work: Callable[[GateClient], Awaitable[Receipt]]
) -> Receipt:
    return accepted(ask(tenant, data_dir, lambda gate, _settings: work(gate)))
