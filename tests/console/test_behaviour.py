"""Behaviour: prompts are written, tried, compared, made live and taken back; topics likewise."""

from playwright.async_api import expect

from contracts.prompt import ActivatePrompt, SavePrompt
from contracts.session import BeatSession
from tests.console.calls import KEY, SESSION, talked


async def _saved(place, *texts, live=None):
    """Versions that the editor has saved, with one of them made live."""
    for number, text in enumerate(texts):
        note = f"note {number + 1}"
        command = SavePrompt(
            command_id=f"save-{number}", text=text, expected_version=number, note=note
        )
        await place.world.gate.command("cantor", command, "person_editor")
    if live:
        command = ActivatePrompt(command_id="live", version=live)
        await place.world.gate.command("cantor", command, "person_editor")


async def test_an_editor_writes_tries_publishes_and_takes_back_a_prompt(place):
    """From an empty page to a rollback that says since when, at which position."""
    tab = await place.tab("editor")
    page = tab.page
    await page.goto(f"{place.url}/console/cantor/behaviour")
    await expect(page.get_by_text("cannot speak before a version is live")).to_be_visible()
    await page.get_by_label("What the twin is told to be").fill("Greet {{user_name}}.")
    await page.get_by_role("button", name="Save as a new version").click()

    # Refused where it is wrong, with what was written.
    await expect(page.get_by_text("is not declared in variables").first).to_be_visible()
    await expect(page.get_by_label("What the twin is told to be")).to_have_value(
        "Greet {{user_name}}."
    )
    await page.get_by_role("group", name="Variable 1").get_by_label("Name").fill("user_name")
    await page.get_by_role("group", name="Variable 1").get_by_label("required").check()
    trial = page.get_by_role("group", name="Preview")
    await trial.get_by_role("button", name="Show what the model is told").click()
    await expect(trial.get_by_role("alert")).to_contain_text("user_name: is required")
    await trial.get_by_label("user_name").fill("{{Ben}} <i>")
    await trial.get_by_role("button", name="Show what the model is told").click()
    told = page.get_by_role("region", name="What the model is told")
    await expect(told).to_have_text("Greet {{Ben}} <i>.")
    assert place.world.gate.state("cantor").prompts.latest == 0
    await page.get_by_role("button", name="Save as a new version").click()
    await expect(page.locator("#said")).to_contain_text("Saved as version 1")

    await page.get_by_role("link", name="Version 1", exact=True).click()
    await page.get_by_role("button", name="Show with these values").click()
    await expect(page.get_by_text("user_name: is required").first).to_be_visible()
    await page.get_by_label("user_name").fill("{{Ana}} <b>")
    await page.get_by_role("button", name="Show with these values").click()
    await expect(page.get_by_role("region", name="What the model is told")).to_have_text(
        "Greet {{Ana}} <b>."
    )
    await page.get_by_role("button", name="Make version 1 live").click()
    await expect(page.locator("#said")).to_contain_text("Version 1 is live since")

    await page.get_by_label("What the twin is told to be").fill("Shout at {{user_name}}.")
    await page.get_by_role("button", name="Save as a new version").click()
    await page.get_by_role("button", name="Make version 2 live").click()
    await page.get_by_role("button", name="Revert to version 1").click()
    position = place.world.gate.state("cantor").position
    await expect(page.locator("#said")).to_contain_text(f"position {position} of the log")
    await expect(
        page.get_by_text("editor@example.com (you) went back to version 1")
    ).to_be_visible()
    assert place.world.gate.state("cantor").prompts.active == 1


async def test_it_says_when_a_version_took_effect_everywhere(place):
    """What the sessions have said themselves, with the time by the clock of the gate."""
    await _saved(place, "One.", "Two.", live=2)
    gate, clock = place.world.gate, place.world.clock
    await talked(place, 0)
    tab = await place.tab("editor")
    await tab.page.goto(f"{place.url}/console/cantor/behaviour")
    line = tab.page.locator("[data-of=spread]")
    await expect(line).to_contain_text("In force everywhere since")

    clock.pass_s(1)
    await tab.page.get_by_role("button", name="Revert to version 1").click()
    await expect(line).to_contain_text("In force in 0 of 1 open sessions. Not said yet by:")
    await expect(line.get_by_role("link", name=SESSION)).to_be_visible()
    clock.pass_s(0.25)
    beat = BeatSession(
        command_id="beat",
        session_id=SESSION,
        bundle_revision=gate.state("cantor").prompts.active_decision,
    )
    assert (await gate.command("cantor", beat, KEY))["status"] == 200
    await expect(line).to_contain_text("250 ms after it was made live: 1 open sessions")


async def test_two_people_who_edit_at_once_lose_nothing(place):
    """Both texts are shown, what was written stays, and saving again is a choice."""
    await _saved(place, "First.\nSecond.", live=1)
    ana, ben = await place.tab("editor"), await place.tab("owner")
    for tab in (ana, ben):
        await tab.page.goto(f"{place.url}/console/cantor/behaviour")
    await ana.page.get_by_label("What the twin is told to be").fill("First.\nOf Ana.")
    await ana.page.get_by_role("button", name="Save as a new version").click()
    await expect(ana.page.locator("#said")).to_contain_text("Saved as version 2")
    await expect(ben.page.locator("#newer")).to_contain_text("has saved version 2")

    await ben.page.get_by_label("What the twin is told to be").fill("First.\nOf Ben.")
    await ben.page.get_by_role("button", name="Save as a new version").click()
    conflict = ben.page.get_by_role("region", name="Somebody else has saved meanwhile")
    await expect(conflict.locator("td.old", has_text="Of Ana.")).to_contain_text("Removed:")
    await expect(conflict.locator("td.new", has_text="Of Ben.")).to_contain_text("Added:")
    await expect(ben.page.get_by_label("What the twin is told to be")).to_have_value(
        "First.\nOf Ben."
    )
    assert place.world.gate.state("cantor").prompts.latest == 2
    await ben.page.get_by_role("button", name="Save as a new version").click()
    await expect(ben.page.locator("#said")).to_contain_text("Saved as version 3")
    assert place.world.gate.state("cantor").prompts.kept[3].text == "First.\nOf Ben."


async def test_versions_are_compared_and_a_stale_button_says_so(place):
    """A revert from a page that is older than the twin is refused in words."""
    await _saved(place, "One.\nTwo.", "One.\n2.\nThree.", live=2)
    viewer, owner = await place.tab("viewer"), await place.tab("owner")
    await viewer.page.goto(f"{place.url}/console/cantor/behaviour/compare?left=1&right=2")
    await expect(viewer.page.get_by_text("1 lines are only on the left")).to_be_visible()
    await viewer.page.goto(f"{place.url}/console/cantor/behaviour")
    await expect(viewer.page.get_by_role("button", name="Revert")).to_have_count(0)
    await expect(viewer.page.get_by_text("This takes the role editor").first).to_be_visible()

    # Without scripts nothing moves under the reader's hands, so the page grows old.
    still = await place.tab("editor", java_script_enabled=False)
    await still.page.goto(f"{place.url}/console/cantor/behaviour")
    await owner.page.goto(f"{place.url}/console/cantor/behaviour")
    await owner.page.get_by_role("button", name="Revert to version 1").click()
    await expect(owner.page.locator("#said")).to_contain_text("Version 1 is live")
    await still.page.get_by_role("button", name="Revert to version 1").click()
    await expect(still.page.get_by_text("The page was older than the twin")).to_be_visible()


async def test_topics_are_changed_kept_through_a_conflict_and_taken_back(place):
    """The list is in force when it is saved, and an earlier one can be again."""
    tab, old = await place.tab("editor"), await place.tab("owner")
    for one in (tab, old):
        await one.page.goto(f"{place.url}/console/cantor/behaviour/topics")
    page = tab.page
    await page.get_by_label("Name").fill("betting")
    await page.get_by_label("Words that give it away").fill("odds\nstake")
    await page.get_by_role("button", name="Put this list in force").click()
    await expect(page.locator("#said")).to_contain_text("The new list is in force")

    await old.page.get_by_role("button", name="More topics").click()
    await old.page.get_by_label("Name").first.fill("politics")
    await old.page.get_by_label("Words that give it away").first.fill("party")
    await old.page.get_by_role("button", name="Put this list in force").click()
    region = old.page.get_by_role("region", name="Somebody else has saved meanwhile")
    await expect(region).to_contain_text("betting: odds, stake")
    await expect(old.page.get_by_label("Name").first).to_have_value("politics")
    await old.page.get_by_role("button", name="Put this list in force").click()
    await old.page.get_by_role("button", name="Put version 1 in force").click()
    await expect(old.page.locator("#said")).to_contain_text("Version 1 of the list is in force")
    assert place.world.gate.state("cantor").topics.active == 1
