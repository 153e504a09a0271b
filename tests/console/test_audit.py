"""Audit: the log in plain words, found by what somebody looks for, and one decision followed."""

from playwright.async_api import expect

from contracts.access import AcceptInvitation, InviteMember
from contracts.prompt import SavePrompt
from services.identity import random_secret
from tests.console.calls import talked
from tests.http_door.conftest import OWN

_EVA = "person_eva"


async def _joined(place, person):
    """Invite somebody as an editor and let them in, in log and tables."""
    secret, secret_hash = random_secret.generate()
    soon_us = place.world.clock() + 3_600_000_000
    invite = InviteMember(
        command_id="invite",
        invitation_id="invitation00009",
        email=f"{person}@example.com",
        role="editor",
        secret_hash=secret_hash,
        expires_at_us=soon_us,
    )
    join = AcceptInvitation(
        command_id="join", invitation_id="invitation00009", secret=secret, person=person
    )
    for command, who in ((invite, "person_owner"), (join, f"person_{person}")):
        answer = await place.world.gate.command(OWN, command, who)
        assert answer["status"] == 200, answer


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


async def test_people_are_named_to_those_who_may_know_them_and_found_by_address(place):
    """An owner reads and asks by e-mail addresses; a viewer sees ids, and their own address."""
    await _joined(place, "eva")
    said = SavePrompt(command_id="said", text="Hi.", expected_version=0)
    assert (await place.world.gate.command(OWN, said, _EVA))["status"] == 200
    owner, viewer = await place.tab("owner"), await place.tab("viewer")
    audit = f"{place.url}/console/cantor/audit"
    await owner.page.goto(audit)
    by = owner.page.locator("#live .who")
    await expect(by.first).to_have_text("eva@example.com")
    await expect(by.first).to_have_attribute("title", _EVA)
    await owner.page.get_by_label("By").fill("Eva@example.com")
    await owner.page.get_by_role("button", name="Search").click()
    await expect(owner.page.locator("#live tbody tr")).to_have_count(2)
    await owner.page.locator("#live a").first.click()
    await expect(owner.page.get_by_text(_EVA)).to_be_visible()

    await viewer.page.goto(f"{audit}?actor=eva@example.com")
    await expect(viewer.page.locator("#problem")).to_contain_text("Nobody whom you can see here")
    await expect(viewer.page.get_by_label("By")).to_have_value("eva@example.com")
    await viewer.page.goto(audit)
    await expect(viewer.page.locator("#live .who").first).to_have_text(_EVA)
    assert "eva@" not in await viewer.page.content()
    assert viewer.refused == [(400, "/console/cantor/audit")]
    assert owner.refused == []
