"""What is shown where somebody watches, and where nobody does."""

import io

import pytest
from rich.console import Console

from services.demo import screen
from services.demo.check import Finding
from services.demo.tally import Money, Tally
from tests.client.decisions import denied, granted


@pytest.fixture
def tallies():
    tally = Tally()
    tally.decided(granted(), 1_500)
    tally.decided(denied(), 2_500)
    tally.money = Money(9, 12_340_000_000, 500_000_000, 20_000_000_000, 7_160_000_000)
    return {"cantor": tally}


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=100)


def text(console):
    return console.file.getvalue()


class TestSummary:
    def test_a_twin_that_sleeps_is_said_with_its_remedy(self, tallies, console):
        """The limit doing its work is a feature, and the reader must know what to do about it."""
        for part in screen.summary(tallies, [], elapsed_s=2.0, turns=5):
            console.print(part, soft_wrap=isinstance(part, str))

        assert "cantor is sleeping: the limit of $20.00 a month" in text(console)
        assert "`vito top-up cantor 25`" in text(console)
        assert "monthly_hard_limit_reached" in text(console)

    def test_money_and_verdicts_are_not_cut_off(self, tallies, console):
        """A pipe is 100 columns wide at most; a figure with dots in it is none."""
        console.print(screen.table(tallies))

        for figure in ("$12.34", "$0.50", "$7.16", "cantor"):
            assert figure in text(console)

    def test_a_finding_that_does_not_hold_is_marked(self, tallies, console):
        """The exit code says it too."""
        findings = [Finding("sums agree", holds=True), Finding("meters agree", holds=False)]
        for part in screen.summary(tallies, findings, elapsed_s=2.0, turns=5):
            console.print(part, soft_wrap=isinstance(part, str))

        assert "✓ sums agree" in text(console)
        assert "✗ meters agree" in text(console)


class TestLines:
    def test_a_pipe_gets_a_line_now_and_then(self, tallies, console):
        """A log of a demo must not hold a frame every quarter of a second."""
        shown = screen.screen_for(console)
        for tenths in range(120):
            moment = screen.Moment(tallies, elapsed_s=tenths / 10, in_flight=1, goal=False)
            shown.show(moment, rate=10.0)
        shown.close()

        lines = text(console).splitlines()
        assert [line.split()[0] for line in lines] == ["5", "10"]
        assert "deny 1" in lines[0]
        assert "cantor $12.34 of $20.00" in lines[0]

    def test_a_terminal_gets_a_table_that_is_taken_away(self, tallies):
        """What stays is the summary."""
        console = Console(file=io.StringIO(), force_terminal=True, width=100)
        shown = screen.screen_for(console)
        shown.show(screen.Moment(tallies, elapsed_s=1.0, in_flight=3, goal=True), rate=12.0)
        shown.close()

        assert "Goooool" in text(console)
        assert "turns in flight" in text(console)
