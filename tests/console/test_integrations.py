"""Integrations: secrets that go in and never come out, and the price book."""

import pytest
from playwright.async_api import expect

from services.console.forms import Form, WrongField
from services.console.integrations import entry_of, spelled
from services.vendors.key_trial import KeyTested

VALUE = "sk-never-again-4d1f0c"


async def test_an_owner_puts_rotates_and_revokes_a_secret_that_is_never_shown(place):
    """No answer of the server has the value, also not the one to a form that was refused."""
    tab = await place.tab("owner")
    seen = []

    async def note(response):
        if "text/html" in response.headers.get("content-type", ""):
            seen.append(await response.text())

    page = tab.page
    await page.goto(f"{place.url}/console/cantor/integrations")
    page.on("response", note)
    await page.get_by_label("Name").fill("Not a name!")
    await page.get_by_label("Value").fill(VALUE)
    await page.get_by_role("button", name="Put it into the vault").click()
    await expect(page.locator("#problem")).to_contain_text("name")
    await expect(page.get_by_label("Name")).to_have_value("Not a name!")
    await expect(page.get_by_label("Value")).to_have_value("")

    await page.get_by_label("Name").fill("openai")
    await page.get_by_label("Value").fill(VALUE)
    await page.get_by_role("button", name="Put it into the vault").click()
    await expect(page.locator("#said")).to_have_text("The secret is in the vault.")

    await page.get_by_text("Change openai").click()
    await page.locator("#rotate-openai").fill(f"{VALUE}-2")
    await page.get_by_role("button", name="Rotate").click()
    await expect(page.locator("tbody tr")).to_have_count(2)
    await page.get_by_text("Change openai").click()
    await page.get_by_label("Why it is revoked").fill("leaked")
    await page.get_by_role("button", name="Revoke every version").click()
    await expect(page.locator("tbody tr", has_text="revoked")).to_have_count(2)
    assert seen
    assert VALUE not in "".join(seen)


async def test_an_owner_sees_how_a_key_ends_and_whether_its_vendor_takes_it(place):
    """What the test found is said in words, and what to do; a short value shows nothing."""
    tab = await place.tab("owner")
    page = tab.page
    await page.goto(f"{place.url}/console/cantor/integrations")
    for name, value in (("openai", VALUE), ("tavus", "short-4d1f0c")):
        await page.locator("#f-name").fill(name)
        await page.locator("#f-value").fill(value)
        await page.get_by_role("button", name="Put it into the vault").click()
    row = page.locator("tbody tr", has_text="openai")
    await expect(row.locator("code")).to_have_text("…1f0c")
    await expect(page.locator("tbody tr", has_text="tavus").locator("code")).to_have_count(0)

    found = {"name": "openai", "title": "", "remedy": ""}
    place.world.tester.answers = [
        KeyTested(**found, outcome="works", cost_nanos=4_000_000),
        KeyTested(**found, outcome="key_refused", code="key_refused"),
        KeyTested(**found, outcome="refused", code="monthly_hard_limit_reached"),
    ]
    test = page.get_by_role("button", name="Test the key openai")
    await test.click()
    await expect(page.locator("#said")).to_contain_text("The vendor accepts the key.")
    await expect(page.locator("main .card")).to_contain_text("The test cost $0.004")
    await test.click()
    await expect(page.locator("main .advice")).to_contain_text("The vendor refuses the key.")
    await expect(page.locator("main .advice")).to_contain_text("Put the key")
    await test.click()
    await expect(page.locator("main .advice")).to_contain_text("limit")
    assert place.world.tester.asked == [("cantor", "openai")] * 3


async def test_a_viewer_sees_names_and_no_form(place):
    """What is in the vault is known; changing it is an Owner's."""
    tab = await place.tab("viewer")
    await tab.page.goto(f"{place.url}/console/cantor/integrations")
    await expect(tab.page.get_by_text("The vault is empty.")).to_be_visible()
    await expect(tab.page.get_by_text("This takes the role owner.")).to_be_visible()
    await tab.page.get_by_role("link", name="See the prices").click()
    await expect(tab.page.get_by_text("This takes the role admin.")).to_be_visible()
    assert tab.refused == []


async def test_an_admin_changes_a_price_and_a_stale_form_is_told(place):
    """Who edits an older list is told, and keeps what they wrote."""
    tab, late = await place.tab("admin"), await place.tab("admin")
    for page in (tab.page, late.page):
        await page.goto(f"{place.url}/console/cantor/integrations/prices")
        await page.get_by_role("link", name="Change p/s/text").click()
        await expect(page.get_by_label("requests", exact=True)).to_have_value("0.000001")
        await page.get_by_label("requests", exact=True).fill("0.00025")
        await page.get_by_label("Where the price was read").fill("https://example.com/prices")
    save = "Put these prices in force"
    await tab.page.get_by_role("button", name=save).click()
    await expect(tab.page.locator("#said")).to_contain_text("in force")
    await expect(tab.page.locator("tbody")).to_contain_text("$0.00025 per 1 requests")
    source = tab.page.locator("tbody a").first
    await expect(source).to_have_attribute("href", "https://example.com/prices")

    await late.page.get_by_role("button", name=save).click()
    await expect(late.page.locator("#problem")).to_be_visible()
    await expect(late.page.get_by_label("requests", exact=True)).to_have_value("0.00025")
    assert [status for status, _ in late.refused] == [409]


def test_a_price_is_exact_or_refused():
    """Nothing is rounded: money is whole nanos of the quantity that it is said for."""
    fields = {
        "provider_id": "openai",
        "sku": "gpt-5-mini",
        "modality": "text",
        "price_input_tokens": "0.00000025",
        "per_input_tokens": "1",
        "source": "price page",
        "retrieved_on": "2026-11-22",
    }
    entry = entry_of(Form(fields))
    assert entry["prices"] == {"input_tokens": {"nanos": 250, "per": 1}}
    assert spelled(250) == "0.00000025"
    for name, wrong in {
        "price_input_tokens": "0.0000000001",
        "per_input_tokens": "many",
        "price_requests": "NaN",
    }.items():
        with pytest.raises(WrongField, match="422"):
            entry_of(Form({**fields, name: wrong}))
    for wrong in ("", "Infinity", "1e999999"):
        with pytest.raises(WrongField):
            entry_of(Form({**fields, "price_input_tokens": wrong}))
