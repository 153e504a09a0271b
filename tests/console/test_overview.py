"""The overview: what the gate has, seen and switched by those who may."""

import pytest
from playwright.async_api import expect

from tests.console.conftest import ROLES


@pytest.mark.parametrize("role", ROLES)
async def test_each_role_sees_the_twin_and_is_offered_what_it_may(place, role):
    """A button that the gate would refuse is not there."""
    tab = await place.tab(role)
    await tab.page.goto(f"{place.url}/console/cantor")

    await expect(tab.page.get_by_role("heading", level=1)).to_be_visible()
    await expect(tab.page.get_by_text("Committed").first).to_be_visible()
    suspend = tab.page.get_by_role("button", name="Suspend the twin")
    await expect(suspend).to_have_count(1 if role == "owner" else 0)
    assert tab.refused == []


async def test_an_owner_suspends_and_wakes_the_twin(place):
    """The page says what was done, and shows the state that the gate has then."""
    tab = await place.tab("owner")
    await tab.page.goto(f"{place.url}/console/cantor")
    await tab.page.get_by_label("Why").fill("too loud")
    await tab.page.get_by_role("button", name="Suspend the twin").click()

    await expect(tab.page.get_by_text("every new call is refused")).to_be_visible()
    await expect(tab.page.locator(".card .state")).to_have_text("suspended")
    await tab.page.get_by_role("button", name="Wake the twin").click()
    await expect(tab.page.locator(".card .state")).to_have_text("active")
    assert tab.refused == []


async def test_the_page_follows_what_happens(place):
    """Somebody else's change is there without reloading."""
    watching, acting = await place.tab("viewer"), await place.tab("owner")
    await watching.page.goto(f"{place.url}/console/cantor")
    await expect(watching.page.locator(".card .state")).to_have_text("active")

    await acting.page.goto(f"{place.url}/console/cantor")
    await acting.page.get_by_role("button", name="Suspend the twin").click()
    await expect(watching.page.locator(".card .state")).to_have_text("suspended")


async def test_a_stranger_is_sent_to_sign_in_and_comes_back(place):
    """The address that they wanted is where they get."""
    tab = await place.tab()
    await tab.page.goto(f"{place.url}/console/cantor")
    await expect(tab.page.get_by_label("E-mail address")).to_be_visible()
    place.world.directory.add_person("ana", {"cantor": "viewer"}, password="correct horse battery")

    await tab.page.get_by_label("E-mail address").fill("ana@example.com")
    await tab.page.get_by_label("Password").fill("correct horse battery")
    await tab.page.get_by_role("button", name="Sign in").click()
    await tab.page.wait_for_url(f"{place.url}/console/cantor")


async def test_another_twin_is_not_even_there(place):
    """The words are those of the API: nothing tells whether there is such a twin."""
    tab = await place.tab("owner")
    said = []
    for twin in ("fernandez", "nobody-at-all"):
        await tab.page.goto(f"{place.url}/console/{twin}")
        said.append((await tab.page.locator("#problem").inner_text()).replace(twin, ""))
    assert said[0] == said[1]
    assert [status for status, _ in tab.refused] == [403, 403]
