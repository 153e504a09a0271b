"""System prompts: every save a version, one of them live, and no editor overwrites another."""

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from contracts.access import OPERATOR
from contracts.prompt import (
    ActivatePrompt,
    PromptActivated,
    PromptRolledBack,
    PromptSaved,
    RollBackPrompt,
    Variable,
)
from contracts.questions import PreviewPrompt
from contracts.tenant import SuspendTenant
from domain import versions
from domain.answer import answer
from domain.refusals import COMMAND_ID_REUSED
from domain.state import State
from domain.views import answer as told
from domain.views import view
from tests.domain.world import NOON, SECOND, Twin, snapshot

NAME = Variable(name="user_name", required=True)


class TestSave:
    def test_keeps_everything_that_the_editor_said(self):
        """Author, note, variables and what it was made from are what a history is for."""
        twin = Twin()

        event = twin.save("Hola {{user_name}}", variables=[NAME], note="¡Goooool!")

        assert type(event) is PromptSaved
        assert (event.version, event.base_version, event.actor) == (1, 0, "operator")
        assert (event.text, event.variables, event.note) == (
            "Hola {{user_name}}",
            [NAME],
            "¡Goooool!",
        )

    def test_makes_nothing_live(self):
        """A text is tried before a twin says it."""
        twin = Twin()

        twin.save("one")

        shown = view("prompt", twin.state, NOON)
        assert (shown.active, shown.latest.text, shown.kept_from) == (None, "one", 1)
        assert view("bundle", twin.state, NOON).content.prompt is None

    def test_of_two_editors_who_saw_the_same_version_the_second_is_told_who_was_first(self):
        """No update is lost: it is refused whole, and says what to look at."""
        twin = Twin()
        twin.save("one")
        twin.save("two", expected=1)

        refused = twin.save("three", expected=1)

        assert (refused.code, refused.status) == ("version_conflict", 409)
        assert refused.facts == {"current_version": 2, "saved_by": "operator"}
        assert twin.state.prompts.kept[2].text == "two"
        assert twin.save("three", expected=2).version == 3

    def test_may_be_made_from_an_older_version_by_who_has_seen_the_latest(self):
        """The difference is shown against what the editor began with."""
        twin = Twin()
        twin.save("one")
        twin.save("two")

        assert twin.save("one and a half", base_version=1).base_version == 1
        assert twin.save("from nothing", base_version=0).base_version == 0
        refused = twin.save("from tomorrow", base_version=9)
        assert (refused.code, refused.facts["field"]) == ("version_unknown", "base_version")

    @pytest.mark.parametrize(
        ("text", "variables", "field"),
        [
            ("Hola {{user}}", [], "text"),
            ("Hola {{user_name}} y {{ otra }}", [NAME], "text"),
            ("Hola {{user_name", [NAME], "text"),
            ("Hola {{}}", [], "text"),
            ("Hola", [NAME, NAME], "variables[1].name"),
            ("Hola", [Variable(name="a")], "variables[0]"),
            ("Hola", [Variable(name="a", required=True, default="x")], "variables[0]"),
            ("Hola", [Variable(name="a", type="integer", default="1")], "variables[0].default"),
            ("Hola", [Variable(name="a", type="boolean", default=1)], "variables[0].default"),
            ("Hola", [Variable(name="a", default="xx", max_length=1)], "variables[0].default"),
            ("Hola", [Variable(name="a", type="choice", default="x")], "variables[0].choices"),
            ("Hola", [Variable(name="a", default="x", choices=["x"])], "variables[0].choices"),
            (
                "Hola",
                [Variable(name="a", type="choice", default="y", choices=["x"])],
                "variables[0].default",
            ),
        ],
    )
    def test_what_could_not_be_rendered_is_never_saved(self, text, variables, field):
        """Found while it is written, not when a visitor is on the line."""
        refused = Twin().save(text, variables=variables)

        assert (refused.code, refused.status, refused.facts["field"]) == (
            "prompt_invalid",
            422,
            field,
        )
        assert refused.facts["rule"]

    def test_says_where_in_the_text_it_is_wrong(self):
        """A prompt has a hundred lines."""
        refused = Twin().save("uno\ndos {{nadie}}")

        assert refused.facts["rule"] == "line 2, column 5: `nadie` is not declared in variables"


class TestActivate:
    def test_is_one_event_with_what_was_live_before_and_who_did_it(self):
        """Who approved what is read from it years later."""
        twin = Twin()
        twin.save("one")
        twin.save("two")
        twin.activate(1)

        events = twin.do(ActivatePrompt(command_id="a", version=2, reason="semifinal"))

        (event,) = events
        assert type(event) is PromptActivated
        assert (event.version, event.previous_version) == (2, 1)
        assert (event.reason, event.actor) == ("semifinal", "operator")
        shown = view("prompt", twin.state, NOON)
        assert (shown.active.text, shown.active_by) == ("two", "operator")
        assert shown.active_since_us == NOON

    def test_a_rollback_is_as_instant_and_told_apart(self):
        """ "Revert to v12" is one event, and the history says that it was one."""
        twin = Twin()
        for text in ("one", "two", "three"):
            twin.activate(twin.save(text).version)

        (event,) = twin.do(RollBackPrompt(command_id="b", version=1, reason="too loud"))

        assert type(event) is PromptRolledBack
        assert (event.version, event.previous_version) == (1, 3)
        assert view("bundle", twin.state, NOON).content.prompt.text == "one"

    def test_of_two_who_change_what_is_live_the_second_is_told_what_is_live_now(self):
        """Two people who put out the same fire must not undo each other."""
        twin = Twin()
        twin.save("one")
        twin.save("two")
        twin.activate(1, expected_active=0)
        twin.activate(2, expected_active=1)

        refused = twin.roll_back(1, expected_active=1)

        assert (refused.code, refused.facts) == (
            "version_conflict",
            {"active_version": 2, "active_by": "operator"},
        )

    @pytest.mark.parametrize("act", [Twin.activate, Twin.roll_back])
    def test_a_version_that_is_live_or_was_never_saved_is_refused(self, act):
        """Each says which it is."""
        twin = Twin()
        twin.save("one")
        twin.activate(1)

        assert act(twin, 1).code == "already_in_force"
        unknown = act(twin, 2)
        assert (unknown.code, unknown.status) == ("version_unknown", 404)
        assert unknown.facts["latest_version"] == 1

    def test_a_suspended_twin_can_be_put_right(self):
        """That is what it was suspended for."""
        twin = Twin()
        twin.decide(SuspendTenant(command_id="s"))

        assert twin.save("better").version == 1
        assert twin.activate(1).version == 1


class TestAnswers:
    def test_say_the_version_and_the_one_before(self):
        """What a console shows without another question."""
        twin = Twin()
        saved = answer("cantor", twin.save("one"), 3)
        live = answer("cantor", twin.activate(1), 4)

        assert (saved.code, saved.version, saved.facts) == ("prompt_saved", 1, {"base_version": 0})
        assert (live.code, live.version, live.facts) == (
            "prompt_activated",
            1,
            {"previous_version": 0},
        )

    def test_a_repetition_gets_the_same_answer_and_no_second_copy_is_kept(self):
        """A text of 32,000 characters must not be kept twice for the sake of a retry."""
        twin = Twin()
        text = "x" * 32_000
        event = twin.save(text)
        command = msgspec.structs.replace(
            ActivatePrompt(command_id="a", version=1), command_id="again"
        )
        twin.decide(command)

        known = twin.again(command)

        assert known.event.version == 1
        assert answer("cantor", event, 2) == answer(
            "cantor", twin.state.memory.young[event.command_id][1], 2
        )
        assert len(snapshot(twin.state)) < 1.2 * len(text) + 4_000

    def test_an_activation_is_no_repetition_of_a_rollback(self):
        """Both have the same fields; they are two commands."""
        twin = Twin()
        twin.save("one")
        twin.decide(ActivatePrompt(command_id="same", version=1))

        assert twin.again(RollBackPrompt(command_id="same", version=1)) is COMMAND_ID_REUSED


class TestPreview:
    def test_of_the_latest_a_named_version_or_a_draft(self):
        """An editor looks before anybody is told."""
        twin = Twin()
        twin.save("Hola {{user_name}}", variables=[NAME])
        twin.save("Adiós")
        ana = {"user_name": "Ana"}

        assert told(PreviewPrompt(), twin.state, OPERATOR, NOON).text == "Adiós"
        first = told(PreviewPrompt(version=1, values=ana), twin.state, OPERATOR, NOON)
        assert (first.text, first.version, first.faults) == ("Hola Ana", 1, [])
        draft = PreviewPrompt(text="{{user_name}}!", variables=[NAME], values=ana)
        assert (
            told(draft, twin.state, OPERATOR, NOON).text,
            told(draft, twin.state, OPERATOR, NOON).version,
        ) == ("Ana!", None)

    def test_says_what_is_wrong(self):
        """With a draft as with a version, and with one that is not there."""
        twin = Twin()

        assert (
            told(PreviewPrompt(version=7), twin.state, OPERATOR, NOON).faults[0].field == "version"
        )
        assert told(PreviewPrompt(), twin.state, OPERATOR, NOON).faults[0].field == "version"
        assert (
            told(PreviewPrompt(text="{{x}}"), twin.state, OPERATOR, NOON).faults[0].field == "text"
        )
        missing = told(
            PreviewPrompt(text="{{user_name}}", variables=[NAME]), twin.state, OPERATOR, NOON
        )
        assert (missing.text, missing.faults[0].rule) == (None, "is required")


class TestKept:
    @pytest.fixture(autouse=True)
    def _small(self, monkeypatch):
        monkeypatch.setattr(versions, "KEPT_BYTES_MAX", 1_500)

    def test_the_oldest_go_first_but_never_the_live_one_nor_the_latest(self):
        """What agents get, and what an editor goes on from, is always there."""
        twin = Twin()
        for number in range(1, 21):
            twin.save("x" * 200)
            if number == 3:
                twin.activate(3)

        kept = twin.state.prompts.kept

        assert 3 in kept
        assert 20 in kept
        assert len(kept) < 8
        assert sorted(kept)[1:] == list(range(21 - (len(kept) - 1), 21))
        assert twin.state.prompts.kept_bytes <= 1_500
        assert twin.state.prompts.kept_bytes == sum(map(versions._size, kept.values()))

    def test_one_that_is_gone_is_refused_with_the_way_to_get_it_back(self):
        """Editing never ends for want of room; an old version costs one more command."""
        twin = Twin()
        for _ in range(12):
            twin.save("x" * 200)
        first_kept = min(twin.state.prompts.kept)

        refused = twin.roll_back(1)

        assert (refused.code, refused.status) == ("version_not_kept", 409)
        assert refused.facts == {"kept_from": first_kept}
        assert twin.roll_back(first_kept).version == first_kept

    def test_many_small_ones_are_bounded_in_number(self, monkeypatch):
        """A counter per version would be enough to fill a memory, too."""
        monkeypatch.setattr(versions, "KEPT_MAX", 3)
        twin = Twin()
        for _ in range(9):
            twin.save("x")

        assert sorted(twin.state.prompts.kept) == [7, 8, 9]


class Editors(RuleBasedStateMachine):
    """
    Goal: whatever editors do, in whatever order, nothing that was saved is lost or altered, and
    what is live is what was last put there.
    Method: a list of texts is the model; every command is compared with what it says.
    """

    @initialize()
    def begin(self):
        self.twin = Twin()
        self.texts: list[str] = []
        self.live = 0

    @rule(text=st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=40),
          seen=st.integers(0, 6))  # fmt: skip
    def save(self, text, seen):
        event = self.twin.save(text.replace("{", "("), expected=seen)
        if seen == len(self.texts):
            self.texts.append(text.replace("{", "("))
            assert event.version == len(self.texts)
        else:
            assert event.code == "version_conflict"
            assert event.facts["current_version"] == len(self.texts)

    @rule(version=st.integers(1, 7), seen=st.none() | st.integers(0, 4), back=st.booleans())
    def put_live(self, version, seen, back):
        event = (self.twin.roll_back if back else self.twin.activate)(version, expected_active=seen)
        if version > len(self.texts):
            assert event.code == "version_unknown"
        elif seen not in (None, self.live):
            assert event.facts["active_version"] == self.live
        elif version == self.live:
            assert event.code == "already_in_force"
        else:
            assert event.previous_version == self.live
            self.live = version

    @rule()
    def restart(self):
        self.twin.state = msgspec.msgpack.decode(snapshot(self.twin.state), type=State)
        self.twin.pass_time(SECOND)

    @invariant()
    def nothing_is_lost(self):
        if not hasattr(self, "twin"):
            return
        kept = self.twin.state.prompts.kept
        assert [kept[number].text for number in sorted(kept)] == self.texts
        shown = view("bundle", self.twin.state, 0).content.prompt
        assert (shown.text if shown else None) == (self.texts[self.live - 1] if self.live else None)


TestEditors = Editors.TestCase
TestEditors.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
