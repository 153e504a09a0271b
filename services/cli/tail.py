"""`vito tail`: the log as it grows, in plain words."""

from __future__ import annotations

import os
import sys
import time
from collections import OrderedDict
from pathlib import Path
from typing import Annotated

import msgspec
import typer
import uvloop
from rich.console import Console
from rich.text import Text

from contracts.commit import AnyEvent
from contracts.policy import Policy, PolicySet
from contracts.views import PolicyView
from domain.period import zone
from services import logs
from services.audit.access import Access, opened, settings_in, tenant_named
from services.audit.following import Seen, Start, follow
from services.audit.moments import local, parse_span, rfc3339
from services.audit.teller import Where
from services.audit.words import mood, printable, sentence
from services.client import CannotVerify
from services.client.patience import Patience
from services.settings import Settings

TENANTS_REMEMBERED_MAX = 10_000
_HEX_BYTES_MAX = 32
# Who looks at the log does not wait long for the gate to name a currency.
_PATIENCE = Patience(deadline_s=1.0, attempt_s=0.5)
_STYLES = {"good": "green", "careful": "yellow", "refused": "red", "quiet": "dim"}


def tail(
    tenant: Annotated[str | None, typer.Argument(help="One twin; all of them without it.")] = None,
    position: Annotated[
        int | None, typer.Option("--from", min=1, help="Begin at this position of the twin's log.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="Begin this long ago: 30s, 5m, 2h, 1d.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where `vito up` runs.", show_default=".vito")
    ] = None,
) -> None:
    """
    Show the log as it grows, one line an event; the last 20 commits first. Ctrl-C ends it.

    Times are on the clock of the twin's policy. Commits are opened, not proved: see `vito verify`.
    """
    if position is not None and since is not None:
        raise typer.BadParameter("give --from or --since, not both")
    start = Start(
        position=position,
        since_us=None if since is None else time.time_ns() // 1_000 - parse_span(since),
    )
    settings = settings_in(data_dir)
    logs.configure("tail", level="error")
    try:
        uvloop.run(_tail(settings, tenant and tenant_named(tenant), start, as_json=as_json))
    except* KeyboardInterrupt:
        # How one ends it, so nothing went wrong.
        pass
    except* BrokenPipeError:
        # Whoever read our lines has enough; there is nowhere left to say anything.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


async def _tail(settings: Settings, tenant: str | None, start: Start, *, as_json: bool) -> None:
    async with opened(settings) as access:
        screen = _JsonLines() if as_json else _Lines(access)
        await follow(access, tenant, start, screen.show)


class _JsonLines:
    """Events as JSON, one a line, all fields as the log has them."""

    async def show(self, seen: Seen) -> None:
        recorded = seen.recorded
        place = {
            "tenant": recorded.originator_id,
            "position": recorded.version,
            "stream_seq": recorded.seq,
        }
        for number, event in enumerate(seen.events, 1):
            line = {**place, "event": number, "at": rfc3339(event.at_us), **_fields(event)}
            self._print(line)
        if seen.problem:
            self._print({**place, "problem": seen.problem})

    def _print(self, line: dict[str, object]) -> None:
        print(msgspec.json.encode(line, enc_hook=str).decode(), flush=True)


def _fields(event: AnyEvent) -> dict[str, object]:
    values = {name: getattr(event, name) for name in event.__struct_fields__}
    shown = {
        name: _hex(value) if isinstance(value, bytes) else _named(value)
        for name, value in values.items()
    }
    return {"type": type(event).__name__, **shown}


def _hex(value: bytes) -> str:
    # A sealed secret is thousands of bytes of noise.
    return value.hex() if len(value) <= _HEX_BYTES_MAX else f"{len(value)} bytes"


def _named(value: object) -> object:
    # Parts of events are arrays in the log, to be small; people want the names.
    if isinstance(value, msgspec.Struct):
        return {name: _named(getattr(value, name)) for name in value.__struct_fields__}
    return [_named(inner) for inner in value] if isinstance(value, list) else value


class _Lines:
    """Events as sentences: colours for a terminal, plain text for everything else."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._console = Console(highlight=False)
        self._wheres: OrderedDict[str, Where] = OrderedDict()

    async def show(self, seen: Seen) -> None:
        tenant = seen.recorded.originator_id
        where = await self._where(tenant)
        for event in seen.events:
            if isinstance(event, PolicySet):
                where = self._wheres[tenant] = _where(event.policy)
            self._print(seen, event.at_us, where, sentence(event, where), _STYLES[mood(event)])
        if seen.problem:
            at_us = seen.line.at_us if seen.line else seen.recorded.stored_at_us
            self._print(seen, at_us, where, printable(seen.problem), "bold red")

    def _print(self, seen: Seen, at_us: int, where: Where, told: str, style: str) -> None:
        moment = local(at_us, where.zone)
        stamp = f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1_000:03d}"
        place = f"{stamp} {moment:%z}  {seen.recorded.originator_id} {seen.recorded.version}"
        if self._console.is_terminal:
            line = Text.assemble((f"{place}  ", "cyan"), (told, style))
            self._console.print(line, soft_wrap=True)
        else:
            print(f"{place}  {told}", flush=True)

    async def _where(self, tenant: str) -> Where:
        """Return the twin's clock and currency: as the gate has them, else this machine's."""
        known = self._wheres.get(tenant)
        if known is not None:
            self._wheres.move_to_end(tenant)
            return known
        try:
            seen = await self._access.gate(tenant, _PATIENCE).show(PolicyView)
            where = _where(seen.policy)
        except CannotVerify:
            where = Where()
        self._wheres[tenant] = where
        if len(self._wheres) > TENANTS_REMEMBERED_MAX:
            self._wheres.popitem(last=False)
        return where


def _where(policy: Policy | None) -> Where:
    return Where() if policy is None else Where(zone(policy.time_zone), policy.currency)
