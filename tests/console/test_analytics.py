"""Analytics: what calls used and cost, as tables, charts and a file."""

from datetime import date, timedelta
from decimal import Decimal

from playwright.async_api import expect

from services.console.analytics import sums
from tests.console.calls import SESSION, talked

# Whether anything was drawn on a chart.
_DRAWN = """() => [...document.querySelectorAll(".chart canvas")].map((canvas) =>
  canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean))"""


async def test_what_was_spent_is_seen_by_day_and_session_and_can_be_taken_along(place):
    """A viewer reads the sums of the days of a range; a wrong range is said beside its field."""
    await talked(place)
    tab = await place.tab("viewer")
    page = tab.page
    day = place.world.gate.state("cantor").clock_us // 86_400_000_000
    since, until = (f"{_day(day + more)}" for more in (-3, 1))
    address = f"{place.url}/console/cantor/analytics"
    await page.goto(f"{address}?since={since}&until={until}")
    await expect(page.locator("#of-days-USD tbody tr")).to_have_count(1)
    await expect(page.locator("#of-days-USD tbody td").first).to_have_text("2")
    await expect(page.get_by_role("link", name=SESSION)).to_be_visible()
    await expect(page.locator(".chart canvas")).to_have_count(2)
    assert await page.evaluate(_DRAWN) == [True, True]

    async with page.expect_download() as download:
        await page.get_by_role("link", name="Download as CSV").click()
    file = await (await download.value).path()
    assert file.read_text().splitlines()[1].startswith(f"{_day(day)},p,text,")

    await page.get_by_label("Last day").fill("2020-01-01")
    await page.get_by_role("button", name="Show", exact=True).click()
    await expect(page.locator("#fault-until")).to_contain_text("by at most 91 days")
    await expect(page.get_by_label("Last day")).to_have_value("2020-01-01")
    assert [status for status, _ in tab.refused] == [400]


def _day(number):
    return date(1970, 1, 1) + timedelta(days=number)


def test_money_of_two_currencies_is_never_added():
    """Each has a row of its own; the dearest comes first where rows are ordered by cost."""
    units = {"token_units": "0.5", "minute_units": "0", "interaction_units": "1", "requests": 1}
    rows = [
        {"day": "d", "currency": currency, "cost_nanos": cost, "calls": 1, **units}
        for currency, cost in (("USD", 1), ("EUR", 5), ("USD", 2))
    ]
    found = sums(rows, lambda one: one["day"], by_cost=True)
    assert [(one["currency"], one["cost_nanos"], one["calls"]) for one in found] == [
        ("EUR", 5, 1),
        ("USD", 3, 2),
    ]
    assert found[1]["token_units"] == Decimal("1.0")
