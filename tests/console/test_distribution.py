"""Distribution: a place is made, switched on, changed by those who may, and its code copied."""

from playwright.async_api import expect

from tests.http_door.conftest import OWN


async def test_a_deployment_is_made_and_switched_on(place):
    """It is off first; its code holds what every visitor is told."""
    tab = await place.tab("editor")
    page = tab.page
    await page.goto(f"{place.url}/console/cantor/distribution")
    await page.get_by_label("Its name").fill("kiosk-1")
    await page.get_by_label("Pages that may embed it").fill("https://fans.example/path")
    await page.get_by_label("What every visitor is told").fill("You speak with an AI <b>.")
    await page.get_by_role("button", name="Make it, switched off").click()
    await expect(page.locator("#problem")).to_be_visible()
    await expect(page.get_by_label("What every visitor is told")).to_have_value(
        "You speak with an AI <b>."
    )

    await page.get_by_label("Pages that may embed it").fill("https://fans.example")
    await page.get_by_role("button", name="Make it, switched off").click()
    await expect(page.locator("h1 .state")).to_have_text("off")
    await page.get_by_role("button", name="Switch on").click()
    await expect(page.locator("h1 .state")).to_have_text("on")

    await page.get_by_label("Address of the gateway").fill("https://twins.example")
    await page.get_by_role("button", name="Show the code").click()
    code = await page.locator("#snippet").inner_text()
    assert "https://twins.example/embed.js" in code
    assert "AI &lt;b&gt;." in code


async def test_terms_that_are_older_than_the_twin_are_not_saved_unseen(place):
    """Two people change one deployment: the second is told, and nothing they wrote is lost."""
    first, second = await place.tab("editor"), await place.tab("owner")
    page = first.page
    await page.goto(f"{place.url}/console/cantor/distribution")
    await page.get_by_label("Its name").fill("web")
    await page.get_by_label("Pages that may embed it").fill("https://fans.example")
    await page.get_by_label("What every visitor is told").fill("This is an AI.")
    await page.get_by_role("button", name="Make it, switched off").click()
    address = f"{place.url}/console/cantor/distribution/web"
    await second.page.goto(address)
    await page.goto(address)
    await page.get_by_label("New visitors a minute").fill("5")
    await page.get_by_role("button", name="Save the terms").click()
    await expect(page.get_by_text("The new terms count")).to_be_visible()

    await second.page.get_by_label("New visitors a minute").fill("7")
    await second.page.get_by_role("button", name="Save the terms").click()
    await expect(second.page.get_by_text("Somebody else has changed it")).to_be_visible()
    await expect(second.page.get_by_label("New visitors a minute")).to_have_value("7")
    await second.page.get_by_role("button", name="Save the terms").click()
    await expect(second.page.get_by_text("The new terms count")).to_be_visible()
    deployment = place.world.gate.state(OWN).deployments.deployments["web"]
    assert deployment.terms.mints_per_minute == 7

    viewer = await place.tab("viewer")
    await viewer.page.goto(address)
    await expect(viewer.page.get_by_role("button", name="Save the terms")).to_have_count(0)
