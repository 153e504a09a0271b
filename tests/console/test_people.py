"""People and keys: who comes in, what opens the twin, and what is shown only once."""

import pytest
from playwright.async_api import Error, expect

from contracts.access import AcceptInvitation, InviteMember
from domain.rights import RIGHTS
from services.console.role_words import WORDS, matrix
from tests.http_door.conftest import OWN
from tests.http_door.test_invitations import Inviting

PASSWORD = "a password nobody has"


def test_every_right_of_people_has_words():
    """What the table of rights gains is said on the page, or this fails."""
    of_people = {name for name, right in RIGHTS.items() if right.role or right.admin}
    assert of_people == set(WORDS)
    assert len(matrix()) == len({one.words for one in matrix()})


@pytest.fixture
async def inviting(place):
    """The site's directory follows what the twin's log says of invitations and roles."""
    command = place.world.gate.command

    async def followed(tenant, sent, principal):
        reply = await command(tenant, sent, principal)
        if isinstance(sent, InviteMember) and reply["status"] == 200:
            place.world.directory.add_invitation(tenant, sent)
        return reply

    place.world.gate.command = followed
    return Inviting(place.site)


async def test_somebody_who_is_invited_joins(place, inviting):
    """From the form to the twin's page, with a new account and the link alone."""
    owner = await place.tab("owner")
    page = owner.page
    await page.goto(f"{place.url}/console/cantor/people")
    await page.get_by_label("E-mail address").fill("eva@example.com")
    await page.get_by_label("Role", exact=True).select_option("editor")
    await page.get_by_role("button", name="Invite, and show the link").click()
    link = (await page.locator("#secret").inner_text()).strip()
    assert link.startswith(f"{place.url}/console/-/join#")

    await page.get_by_role("link", name="I have kept it").click()
    await expect(page.get_by_role("cell", name="editor").first).to_be_visible()
    # No browser has kept it: going back would mean sending the form again.
    with pytest.raises(Error, match="ERR_CACHE_MISS"):
        await page.go_back()

    guest = await place.tab()
    await guest.page.goto(link)
    assert "#" not in guest.page.url
    await guest.page.get_by_label("Password").fill("short")
    await guest.page.get_by_role("button", name="Join").click()
    await expect(guest.page.get_by_role("alert")).to_contain_text("12")
    await guest.page.get_by_label("Password").fill(PASSWORD)
    await guest.page.get_by_role("button", name="Join").click()
    await expect(guest.page.get_by_role("heading", level=1)).to_be_visible()
    await guest.page.wait_for_url("**/console/cantor")
    assert inviting.members()["eva@example.com"] == "editor"


async def test_a_key_is_shown_once_and_opens_nothing_once_revoked(place):
    """Sent again, by reload, the form makes no second key and shows none."""
    tab = await place.tab("owner")
    page = tab.page
    await page.goto(f"{place.url}/console/cantor/people/keys")
    await page.get_by_label("What it is for").fill("livekit-agent")
    await page.get_by_role("button", name="Issue, and show the key").click()
    await expect(page.locator("#problem")).to_contain_text("ticked")
    await page.get_by_role("checkbox", name="calls", exact=False).first.check()
    await page.get_by_role("button", name="Issue, and show the key").click()
    secret = (await page.locator("#secret").inner_text()).strip()
    assert secret.startswith("vito_test_")

    await page.reload()
    await expect(page.get_by_role("heading", name="This form was sent before")).to_be_visible()
    keys = place.world.gate.state(OWN).access.keys
    made = set(keys)
    assert len(made) == 1
    assert secret not in await page.content()

    await page.goto(f"{place.url}/console/cantor/people/keys")
    await page.get_by_role("button", name="Revoke livekit-agent").click()
    await expect(page.get_by_text("The key opens nothing any more.")).to_be_visible()
    await expect(page.locator(".state.retired")).to_have_text("revoked")
    assert set(place.world.gate.state(OWN).access.keys) != made


async def test_a_rotated_key_ends_after_its_overlap(place):
    """The new one is another, and both are listed."""
    tab = await place.tab("owner")
    page = tab.page
    await page.goto(f"{place.url}/console/cantor/people/keys")
    await page.get_by_label("What it is for").fill("reporting")
    await page.locator("input[value=read]").check()
    await page.get_by_role("button", name="Issue, and show the key").click()
    first = await page.locator("#secret").inner_text()
    await page.get_by_role("link", name="I have kept it").click()
    await page.get_by_text("Rotate", exact=True).click()
    await page.get_by_role("button", name="Rotate reporting").click()
    assert await page.locator("#secret").inner_text() != first
    await page.get_by_role("link", name="I have kept it").click()
    await expect(page.get_by_text("replaced by")).to_be_visible()
    await expect(page.locator("tbody tr")).to_have_count(2)


async def _joined(inviting, person):
    """Let somebody be a viewer, in log and tables."""
    code = await inviting.invite(f"{person}@example.com", "viewer")
    invitation_id, _, secret = code.partition(".")
    accept = AcceptInvitation(
        command_id=f"join-{person}", invitation_id=invitation_id, secret=secret, person=person
    )
    reply = await inviting.gate.command(OWN, accept, f"person_{person}")
    assert reply["status"] == 200


async def test_the_last_owner_stays_and_others_change_or_go(place, inviting):
    """What would be refused is not offered, and the page says why."""
    await _joined(inviting, "eva")
    tab = await place.tab("owner")
    page = tab.page
    await page.goto(f"{place.url}/console/cantor/people")
    await expect(page.get_by_text("The last Owner stays")).to_be_visible()
    await expect(page.get_by_role("button", name="Remove owner")).to_have_count(0)
    await page.get_by_label("Role of eva@example.com", exact=True).select_option("approver")
    await page.get_by_role("button", name="Change the role of eva@example.com").click()
    await expect(page.get_by_text("The role was changed")).to_be_visible()
    assert inviting.members()["eva@example.com"] == "approver"
    await page.get_by_role("button", name="Remove eva@example.com").click()
    await expect(page.get_by_text("do not belong to the twin")).to_be_visible()
    assert "eva@example.com" not in inviting.members()
    assert tab.refused == []


async def test_a_super_admin_breaks_the_glass_with_a_reason(place):
    """And is offered nothing that is the Owner's."""
    tab = await place.tab("admin")
    page = tab.page
    await page.goto(f"{place.url}/console/cantor/people")
    await expect(page.get_by_role("button", name="Remove viewer")).to_have_count(0)
    await page.get_by_label("Reason").fill("ticket 4711")
    await page.get_by_role("button", name="Break the glass").click()
    await expect(page.get_by_text("sees what an Owner sees")).to_be_visible()

    editor = await place.tab("editor")
    await editor.page.goto(f"{place.url}/console/cantor")
    await expect(editor.page.get_by_role("link", name="People and keys")).to_have_count(0)
