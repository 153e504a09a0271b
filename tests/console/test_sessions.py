"""Sessions: the list, one story turn by turn, and the end of one."""

from playwright.async_api import expect

from services.console.sessions import in_turns
from tests.console.calls import SESSION, talked


async def test_an_approver_reads_a_story_and_ends_the_session(place):
    """Each turn has its decisions and its cost; ending it is one press."""
    await talked(place)
    tab = await place.tab("approver")
    await tab.page.goto(f"{place.url}/console/cantor/sessions")
    await tab.page.get_by_role("link", name=SESSION).click()
    await expect(tab.page.get_by_role("heading", level=3)).to_have_text(
        ["Turn 1 $0.0000010", "Turn 2 $0.0000010"]
    )
    await expect(tab.page.locator(".story li")).to_have_count(5)
    await expect(tab.page.locator(".story").last).to_contain_text("Settled the text call to p/s")

    await tab.page.get_by_label("Why").fill("off the point")
    await tab.page.get_by_role("button", name="End this session").click()
    await expect(tab.page.locator("#said")).to_have_text("The session was ended.")
    await expect(tab.page.locator(".card q")).to_have_text("off the point")
    assert tab.refused == []


async def test_an_editor_is_told_who_may_end_it(place):
    """What they cannot do is not offered."""
    await talked(place, turns=1)
    tab = await place.tab("editor")
    await tab.page.goto(f"{place.url}/console/cantor/sessions/{SESSION}")
    await expect(tab.page.get_by_text("This takes the role approver.")).to_be_visible()
    await expect(tab.page.get_by_role("button", name="End this session")).to_have_count(0)


def test_a_story_goes_on_counting_its_turns_and_their_cost():
    """A turn begins with the next call of the language model after one was settled."""

    def moment(verb, requested=None, cost=None, turns=None):
        return {"verb": verb, "requested": requested, "cost_nanos": cost, "turns": turns}

    moments = [
        moment("authorize", "text"),
        moment("settle", cost=3, turns=1),
        moment("authorize", "voice"),
        moment("settle", cost=4, turns=0),
        moment("authorize", "text"),
    ]
    parts = in_turns(moments, 7)
    assert [(one["number"], len(one["moments"]), one["cost_nanos"]) for one in parts] == [
        (7, 4, 7),
        (8, 1, 0),
    ]
