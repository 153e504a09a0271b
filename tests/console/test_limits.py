"""Cost & limits: what is spent, tried, changed and gone back to, by those who may."""

import msgspec
import pytest
from playwright.async_api import expect

from contracts.budget import AuthorizeCall
from contracts.policy import BudgetPolicy, Policy
from contracts.usage import Usage
from services.console import policy_form
from services.console.forms import Form, WrongField
from tests.console.calls import KEY, made_call
from tests.domain.world import policy
from tests.http_door.memory_gate import PRICE_NANOS

LIMIT = "Limit of a month, in USD"
PUT = "Put these limits in force"


async def _asked(place, command_id):
    """Ask for a call of one request; the answer."""
    call = AuthorizeCall(
        command_id=command_id,
        modality="text",
        provider_id="p",
        sku="s",
        estimate=Usage(requests=1),
    )
    return await place.world.gate.command("cantor", call, KEY)


async def test_an_owner_tries_a_limit_puts_it_in_force_hits_it_and_tops_up(place):
    """From a preview to the refusal that it foretold, and on with credits."""
    place.world.gate.admit("cantor", keys={"k1": ["agent"]})
    for number in range(3):
        await made_call(place, number, session_id=None)
    tab = await place.tab("owner")
    page = tab.page
    await page.goto(f"{place.url}/console/cantor/limits")
    await page.get_by_role("button", name="See what they would have done").click()
    await expect(page.locator("#tried")).to_contain_text("answered as it was")
    await page.get_by_label(LIMIT).fill("lots")
    await page.get_by_role("button", name="See what they would have done").click()
    await expect(page.get_by_text("must be a number like 12 or 0.5").last).to_be_visible()
    await expect(page.get_by_label(LIMIT)).to_have_value("lots")

    # What two calls cost, of which each holds for two requests: the third is refused.
    await page.get_by_label(LIMIT).fill(policy_form.spelled(3 * PRICE_NANOS, 10**9))
    await page.get_by_role("button", name="See what they would have done").click()
    tried = page.locator("#tried")
    await expect(tried.get_by_role("row", name="refused")).to_have_text("refused01")
    await expect(tried).to_contain_text("first-order estimate")
    assert place.world.gate.state("cantor").policy.version == 1

    await page.get_by_label("Why it is changed").fill("a quiet month")
    await page.get_by_role("button", name=PUT).click()
    await expect(page.locator("#said")).to_have_text("The new limits are in force: version 2.")
    refused = await _asked(place, "too-much")
    assert (refused["status"], refused["code"]) == (402, "monthly_hard_limit_reached")
    await place.follow()
    await page.goto(f"{place.url}/console/cantor")
    await expect(page.locator("section", has_text="Last refusals").last).to_contain_text("limit")
    await expect(page.locator(".card .state")).to_have_text("asleep")
    await expect(page.locator(".ladder li").last).to_contain_text("hard limit")

    await page.goto(f"{place.url}/console/cantor/limits")
    await page.get_by_label("Amount in USD").fill("0")
    await page.get_by_role("button", name="Add credits").click()
    await expect(page.locator("#fault-amount")).to_contain_text("must be more than 0")
    # The bound is said in the unit of the field: an hour, which the document has in milliseconds.
    await page.get_by_label("In so many seconds").fill("3601")
    await page.get_by_role("button", name=PUT).click()
    await expect(page.get_by_text("This must be at most 3600.").last).to_be_visible()
    await page.get_by_label("Amount in USD").fill("5")
    await page.get_by_role("button", name="Add credits").click()
    await expect(page.locator("#said")).to_contain_text("The credits were added")
    await expect(page.locator(".card", has_text="Prepaid credits")).to_contain_text("$5.00")
    assert (await _asked(place, "paid"))["status"] == 200
    await page.goto(f"{place.url}/console/cantor")
    await expect(page.locator(".card .state")).to_have_text("active")
    await expect(page.locator(".ladder li").last).to_contain_text("open")
    assert [status for status, _ in tab.refused] == [422, 422, 400]


async def test_two_edit_one_is_told_and_an_owner_goes_back(place):
    """Who edits older limits is told, keeps what they wrote, and sees the difference."""
    tab, late = await place.tab("owner"), await place.tab("owner")
    for page, limit in ((tab.page, "7"), (late.page, "8")):
        await page.goto(f"{place.url}/console/cantor/limits")
        await page.get_by_label(LIMIT).fill(limit)
    await tab.page.get_by_role("button", name=PUT).click()
    await expect(tab.page.locator("#said")).to_contain_text("version 2")
    await late.page.get_by_role("button", name=PUT).click()
    await expect(late.page.get_by_text("Somebody else has saved meanwhile")).to_be_visible()
    await expect(late.page.locator("table.diff")).to_contain_text("Money: limit of a month: 7")
    await expect(late.page.get_by_label(LIMIT)).to_have_value("8")
    assert [status for status, _ in late.refused] == [409]

    page = tab.page
    await page.get_by_role("link", name="Version 1").click()
    await expect(page.locator("table.diff")).to_contain_text("Money: limit of a month: 5")
    await page.get_by_role("button", name="Put version 1 in force again").click()
    await expect(page.locator("#said")).to_have_text(
        "The earlier limits are in force again, as version 3."
    )
    await expect(page.get_by_label(LIMIT)).to_have_value("5")

    viewer = await place.tab("viewer")
    await viewer.page.goto(f"{place.url}/console/cantor/limits")
    await expect(viewer.page.get_by_text("This takes the role owner.")).to_have_count(2)
    await expect(viewer.page.get_by_label(LIMIT)).to_be_disabled()


def test_a_policy_is_in_its_form_exactly_as_it_is():
    """Shown and sent again it is the same; what could not be kept is a fault of its field."""
    budget = BudgetPolicy(monthly_hard_limit_nanos=1_234_567_891, soft_cap_permille=805)
    given = msgspec.structs.replace(policy(1), budget=budget)
    fields = policy_form.fields_of(msgspec.to_builtins(given))
    assert fields["policy.budget.monthly_hard_limit_nanos"] == "1.234567891"
    lists = {name: fields.pop(name) for name in policy_form.LISTS}
    form = Form(fields, lists)
    assert msgspec.convert(policy_form.read(form), Policy) == given
    for wrong in ("0.0000000001", "1e99", "1e999999", "Infinity", "NaN", "some", ""):
        name = "policy.budget.monthly_hard_limit_nanos"
        with pytest.raises(WrongField) as found:
            policy_form.read(Form({**fields, name: wrong}, lists))
        assert found.value.problem["errors"][0]["field"] == name
