"""`vito balance`: a thousand conversations, killed gateways, and what vendors counted beside it."""

from __future__ import annotations

import random
import sys
from typing import Annotated

import msgspec
import typer
import uvloop
from rich.console import Console
from rich.table import Table

from services import logs
from services.bench.live_stack import live_stack
from services.bench.own_postgres import own_postgres
from services.evidence import balance as balancing
from services.failure import Failure

TWINS = tuple(f"twin-{number}" for number in range(1, 9))
# A kill for so many visits, when nobody says how many.
VISITS_PER_KILL = 100
SEED_MAX = 1_000_000


class NotBalanced(Failure):
    """Something was called, booked or held that does not fit the rest."""


def balance(
    *,
    sessions: Annotated[
        int, typer.Option(min=1, max=100_000, help="How many people talk to the end.")
    ] = 1_000,
    kills: Annotated[
        int | None, typer.Option(min=0, max=1_000, help="How often the gateway is killed.")
    ] = None,
    together: Annotated[
        int, typer.Option(min=1, max=1_000, help="How many talk at the same time.")
    ] = 60,
    hold: Annotated[
        int, typer.Option(min=5, max=600, help="Seconds that money is held for a dead process.")
    ] = 10,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Who does what; printed, to do it again.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print figures as JSON.")] = False,
) -> None:
    """
    Have a crowd talk, break its connections, fail the vendors, kill the gateway; then add up.

    On fresh servers of its own; every call goes to a sandbox of its own. Calls that the vendors
    counted == rows of audit_logs == settled grants, but for holds of killed processes, which have
    expired; nothing is held. Exits with 1 if that is not so.
    """
    logs.configure("balance", level="error")
    kills = sessions // VISITS_PER_KILL if kills is None else kills
    seed = random.SystemRandom().randrange(SEED_MAX) if seed is None else seed
    found = uvloop.run(_run(sessions, kills, together, hold, seed))
    if as_json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    else:
        _show(found, Console())
    if not found.is_balanced:
        named = "; ".join(found.tally.findings) or "see above"
        raise NotBalanced(
            f"{found.tally.difference} do not fit: {named}",
            f"run it again with --seed {found.seed}, and look into the log of the first one named.",
        )


async def _run(
    sessions: int, kills: int, together: int, hold_s: int, seed: int
) -> balancing.Balance:
    async with own_postgres() as dsn, live_stack(dsn, TWINS, hold_s=hold_s) as stack:
        return await balancing.run(
            stack, visits=sessions, kills=kills, seed=seed, together=together
        )


def _show(found: balancing.Balance, console: Console) -> None:
    crowd, tally = found.crowd, found.tally
    table = Table("what", "count", title=f"seed {found.seed}")
    for what, count in (
        ("people who came", crowd.finished),
        ("sessions", crowd.sessions),
        ("turns", crowd.turns),
        ("connections lost on the way", crowd.disconnects),
        ("of them resumed", crowd.resumed),
        ("sessions that died with their gateway", crowd.killed),
        ("vendor faults", found.faults),
        ("kills of the gateway", found.kills),
        ("calls that vendors counted", tally.calls),
        ("rows of audit_logs", tally.rows),
        ("settled grants", tally.settled),
        ("of them after the hold had expired", tally.late),
        ("holds of killed processes that expired", tally.expired),
        ("of them with a call", tally.expired_called),
        ("difference", tally.difference),
        ("nano-dollars still held", found.held_nanos),
    ):
        table.add_row(what, f"{count:,}")
    console.print(table)
