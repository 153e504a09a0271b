"""The screen: figures while the demo runs, and what came of it; plain lines in a pipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table

from services.demo.check import Finding
from services.demo.tally import Tally

VERDICTS = ("PASS", "THROTTLE", "DOWNGRADE", "DENY")
REFRESHES_PER_S = 4
LINE_EVERY_S = 5.0
_NANOS = 1_000_000_000
_US_PER_MS = 1_000


class Moment:
    """What is known of the whole run at one moment."""

    def __init__(
        self, tallies: Mapping[str, Tally], *, elapsed_s: float, in_flight: int, goal: bool
    ) -> None:
        self.tallies = tallies
        self.elapsed_s = elapsed_s
        self.in_flight = in_flight
        self.goal = goal

    @property
    def decisions(self) -> int:
        """Authorisations answered so far, of both twins."""
        return sum(tally.decisions for tally in self.tallies.values())


class Screen(Protocol):
    """Shows a moment, again and again."""

    def show(self, moment: Moment, *, rate: float) -> None:
        """Show it; *rate* is decisions per second just now."""

    def close(self) -> None:
        """Leave the terminal as it was."""


class LiveScreen:
    """A table that is redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, refresh_per_second=REFRESHES_PER_S, transient=True)
        self._live.start()

    def show(self, moment: Moment, *, rate: float) -> None:
        goal = "  [bold green]¡Goooool![/]" if moment.goal else ""
        head = (
            f"[bold]{moment.elapsed_s:5.0f} s[/]  {rate:,.0f} decisions/s"
            f"  {moment.in_flight} turns in flight{goal}"
        )
        self._live.update(Group(head, table(moment.tallies)))

    def close(self) -> None:
        self._live.stop()


class LineScreen:
    """A line now and then, for pipes and logs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next_s = LINE_EVERY_S

    def show(self, moment: Moment, *, rate: float) -> None:
        if moment.elapsed_s < self._next_s:
            return
        self._next_s += LINE_EVERY_S
        counts = {
            verdict: sum(tally.verdicts[verdict] for tally in moment.tallies.values())
            for verdict in VERDICTS
        }
        spent = "  ".join(
            f"{name} {dollars(tally.money.committed)} of {dollars(tally.money.limit)}"
            for name, tally in moment.tallies.items()
        )
        verdicts = " ".join(f"{verdict.lower()} {count:,}" for verdict, count in counts.items())
        self._console.print(
            f"{moment.elapsed_s:4.0f} s  {rate:6,.0f}/s  {verdicts}  {spent}",
            highlight=False,
            soft_wrap=True,
        )

    def close(self) -> None:
        pass


def screen_for(console: Console) -> Screen:
    """Choose the screen that suits where the output goes."""
    return LiveScreen(console) if console.is_terminal else LineScreen(console)


def table(tallies: Mapping[str, Tally]) -> Table:
    """Verdicts, latencies and money of each twin."""
    found = Table(box=SIMPLE_HEAD)
    found.add_column("twin", no_wrap=True)
    headings = (*(verdict.lower() for verdict in VERDICTS), "p50 ms", "p99 ms")
    for heading in (*headings, "committed", "held", "left"):
        found.add_column(heading, justify="right", no_wrap=True)
    for name, tally in tallies.items():
        money = tally.money
        found.add_row(
            name,
            *(f"{tally.verdicts[verdict]:,}" for verdict in VERDICTS),
            milliseconds(tally.latencies.percentile_us(50)),
            milliseconds(tally.latencies.percentile_us(99)),
            dollars(money.committed),
            dollars(money.held),
            dollars(money.remaining),
        )
    return found


def summary(
    tallies: Mapping[str, Tally], findings: list[Finding], *, elapsed_s: float, turns: int
) -> list[RenderableType]:
    """What is printed at the end, part by part."""
    decisions = sum(tally.decisions for tally in tallies.values())
    rate = decisions / elapsed_s
    parts: list[RenderableType] = [
        f"\n{turns:,} turns and {decisions:,} decisions in {elapsed_s:.1f} s ({rate:,.0f}/s)",
        table(tallies),
        "Latency counts from when a call was due.",
    ]
    reasons = _reasons(tallies)
    if reasons.row_count:
        parts.append(reasons)
    parts += [
        f"{'[green]✓[/]' if finding.holds else '[red]✗[/]'} {finding.what}" for finding in findings
    ]
    return parts + _remedies(tallies)


def _reasons(tallies: Mapping[str, Tally]) -> Table:
    found = Table(box=SIMPLE_HEAD)
    for heading in ("twin", "not simply passed", "why"):
        found.add_column(heading, no_wrap=True)
    found.add_column("calls", justify="right")
    for name, tally in tallies.items():
        for why, count in tally.stepped_down.most_common():
            step, _, code = why.partition(": ")
            found.add_row(name, f"stepped down, {step}", code, f"{count:,}")
        for code, count in tally.refusals.most_common():
            found.add_row(name, "refused", code, f"{count:,}")
        if tally.broken_off:
            found.add_row(name, "broken off", "the visitor hung up", f"{tally.broken_off:,}")
        if tally.unanswered:
            found.add_row(name, "not called", "the gate did not answer", f"{tally.unanswered:,}")
    return found


def _remedies(tallies: Mapping[str, Tally]) -> list[RenderableType]:
    found: list[RenderableType] = []
    for name, tally in tallies.items():
        if tally.refusals["monthly_hard_limit_reached"]:
            limit = dollars(tally.money.limit)
            found.append(f"\n{name} is sleeping: the limit of {limit} a month is there for this.")
            found.append(f"Wake it with `vito top-up {name} 25`, or wait for next month.")
    return found


def dollars(nanos: int) -> str:
    """Nanos as dollars and cents, for people; exact figures are in the query API."""
    return f"${nanos / _NANOS:,.2f}"


def milliseconds(us: int | None) -> str:
    """Microseconds for people; a dash when nothing was measured."""
    return "-" if us is None else f"{us / _US_PER_MS:,.1f}"
