"""Audit: the log in plain words, found by what somebody looks for, and one decision followed."""

from playwright.async_api import expect

from tests.console.calls import talked


async def test_somebody_searches_the_log_and_follows_a_call_to_its_meters(place):
    """From the list to the grant, what it held, what it cost and where it counts."""
    grant, _ = await talked(place)
    tab = await place.tab("viewer")
    await tab.page.goto(f"{place.url}/console/cantor/audit")
    rows = tab.page.locator("#live tbody tr")
    await expect(rows).to_have_count(6)

    await tab.page.get_by_label("Words").fill("settled p/s")
    await tab.page.get_by_role("button", name="Search").click()
    await expect(rows).to_have_count(2)
    await expect(rows.first).to_contain_text("Settled the text call to p/s: it cost $0.000001")
    await expect(tab.page.get_by_label("Words")).to_have_value("settled p/s")

    await rows.last.get_by_role("link", name="cantor.").click()
    await expect(tab.page.get_by_text("What the call cost in the end")).to_be_visible()
    await tab.page.get_by_role("link", name=grant, exact=True).click()
    stood = tab.page.locator("[aria-labelledby=stood] tbody tr")
    await expect(stood.nth(1)).to_have_text("Held$0.00$0.0000020")
    await expect(tab.page.locator("[aria-labelledby=meters]")).to_contain_text("$0.0000010")
    assert tab.refused == []


async def test_filters_keep_what_was_asked_for_and_a_wrong_day_is_named(place):
    """By noun, by refusal; a day that is none leaves the rest of the form as it was."""
    tab = await place.tab("owner")
    audit = f"{place.url}/console/cantor/audit"
    await tab.page.goto(audit)
    await tab.page.get_by_label("About").select_option("tenant")
    await tab.page.get_by_role("button", name="Search").click()
    await expect(tab.page.locator("#live tbody tr")).to_have_count(1)
    await expect(tab.page.locator("#live")).to_contain_text("Provisioned Twin of Test")

    await tab.page.goto(f"{audit}?since=2026-02-30&text=call")
    await expect(tab.page.locator("#problem")).to_contain_text("must be a day of the calendar")
    await expect(tab.page.get_by_label("Words")).to_have_value("call")
    assert tab.refused == [(400, "/console/cantor/audit")]


async def test_the_list_follows_the_log(place):
    """What somebody else does is there without reloading."""
    watching, acting = await place.tab("viewer"), await place.tab("owner")
    await watching.page.goto(f"{place.url}/console/cantor/audit")
    await expect(watching.page.locator("#live tbody tr")).to_have_count(1)
    await acting.page.goto(f"{place.url}/console/cantor")
    await acting.page.get_by_label("Why").fill("too loud")
    await acting.page.get_by_role("button", name="Suspend the twin").click()
    await expect(watching.page.locator("#live q")).to_have_text("too loud")


async def test_the_chain_is_verified_from_the_page(place):
    """What was proved is told area by area, and what could not be checked is not called proved."""
    tab = await place.tab("viewer")
    await tab.page.goto(f"{place.url}/console/cantor/audit")
    await tab.page.get_by_role("button", name="Verify the log").click()
    proof = tab.page.locator("#proof")
    await expect(proof).to_contain_text("not everything could be checked")
    await expect(proof.get_by_role("row", name="live")).to_contain_text("the gate does not answer")
    await expect(proof.get_by_role("row", name="content")).to_contain_text("proved")
    assert tab.refused == []
