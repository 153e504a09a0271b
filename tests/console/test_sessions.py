"""Sessions: the list, one story turn by turn, and the end of one."""

import re

from playwright.async_api import expect

from contracts.budget import AuthorizeCall
from contracts.citation import Citation
from contracts.session import CiteAnswer
from contracts.usage import Usage
from services.console.sessions import in_turns
from tests.console.calls import KEY, SESSION, talked


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


async def test_a_story_says_what_to_do_and_what_an_answer_went_by(place):
    """A refusal with its remedy; each citation leads to its source, and says where in it."""
    await talked(place, turns=1)
    call = AuthorizeCall(
        command_id="no-price",
        modality="text",
        provider_id="p",
        sku="free",
        estimate=Usage(requests=1),
        session_id=SESSION,
    )
    of = {"source": "rules", "content_hash": f"{1:064x}", "score_permille": 870}
    found = [Citation(**of, chunk=2, page=12), Citation(**of, chunk=3, second=65)]
    cite = CiteAnswer(command_id="cite", session_id=SESSION, turn="t-1", citations=found)
    for command, status in ((call, 403), (cite, 200)):
        assert (await place.world.gate.command("cantor", command, KEY))["status"] == status
    tab = await place.tab("viewer")
    await tab.page.goto(f"{place.url}/console/cantor/sessions/{SESSION}")
    refused = tab.page.locator(".story li", has=tab.page.locator(".refused"))
    await expect(refused).to_contain_text("What to do")
    cited = tab.page.locator(".citations li")
    await expect(cited).to_have_text(["rules, page 12 · match 87%", "rules, 1:05 · match 87%"])
    link = cited.first.get_by_role("link")
    await expect(link).to_have_attribute("href", re.compile("sources/rules.*#chunk-2$"))


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
