"""The closing check must notice a nano."""

import msgspec
import pytest

from contracts.views import BudgetView, Meter
from services.client.read_side import MeterRow, Meters
from services.demo.check import check
from services.demo.tally import Tally


def view(committed, *, spent_credits=0, held=0, period="2026-11"):
    return BudgetView(
        tenant="cantor",
        position=9,
        period=period,
        starts_us=0,
        resets_at_us=1,
        currency="USD",
        policy_version=1,
        meters=[
            _meter("money", committed, held),
            _meter("credits", spent_credits, 0),
            _meter("token_unit", 10**9, 10**9),
        ],
        remaining_nanos=0,
        open_holds=0,
        next_expiry_us=None,
        overruns=0,
        overrun_nanos=0,
        late_settlements=0,
    )


def _meter(name, committed, held):
    return Meter(
        meter=name, committed=committed, held=held, limit=None, remaining=None, scale=10**9
    )


def shown(money, spent_credits=0):
    figures = {"money": money, "credits": spent_credits}
    return Meters("cantor", 9, [MeterRow(u, n, 0, None, 10**9) for u, n in figures.items()])


@pytest.fixture
def tally():
    found = Tally()
    found.receipts, found.booked_nanos = 3, 700
    return found


def holds(findings):
    return all(finding.holds for finding in findings)


class TestCheck:
    def test_it_holds_when_three_figures_agree(self, tally):
        """Receipts, the gate and Postgres; spending from credits counts like any other."""
        assert holds(check("cantor", tally, view(100), view(800), shown(800)))
        assert holds(
            check("cantor", tally, view(100), view(500, spent_credits=300), shown(500, 300))
        )

    @pytest.mark.parametrize(
        "off",
        [
            {"after": view(801)},
            {"after": view(799)},
            {"shown": shown(801)},
            {"shown": shown(799)},
            {"after": view(800, held=1)},
        ],
    )
    def test_it_fails_by_one_nano(self, tally, off):
        """Also when the figures of the units agree: money is what is compared."""
        given = {"before": view(100), "after": view(800), "shown": shown(800), **off}

        assert not holds(check("cantor", tally, **given))

    def test_it_says_when_a_month_began(self, tally):
        """The gate's meters started again; nobody cheated."""
        findings = check("cantor", tally, view(100), view(5, period="2026-12"), None)

        assert "a new month began" in findings[0].what

    def test_without_a_read_side_two_figures_are_compared(self, tally):
        """A demo over the bus alone still checks what it can."""
        assert len(check("cantor", tally, view(100), view(800), None)) == 1
        assert msgspec.structs.asdict(check("cantor", tally, view(0), view(700), None)[0])["holds"]
