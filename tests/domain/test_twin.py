"""Twin: its DNA, its mirror test, and what the gate refuses until it is passed."""

import msgspec
import pytest

from contracts.access import OPERATOR
from contracts.message import refuse_odd_text
from contracts.tenant import ResumeTenant, SuspendTenant
from contracts.twin import RetireTwin, SetIdentity
from contracts.usage import Usage
from domain import twin as rules
from domain.answer import answer
from domain.views import view
from tests.domain.dna import (
    SAMPLE_NANOS,
    activated,
    aim,
    ask,
    begin,
    calibrated,
    draft,
    fresh,
    identity,
    purpose,
    record,
    refine,
    sample,
    sign,
)
from tests.domain.test_governance import provision
from tests.domain.world import SECOND, Twin, option, policy


def missing(twin: Twin) -> list[str]:
    shown = view("twin", twin.state, twin.now_us)
    return [step.command.removeprefix("twin.") for step in shown.missing]


def suspend(twin: Twin, mode: str = "suspended"):
    return twin.decide(SuspendTenant(command_id=twin.new_id(), mode=mode))


def resume(twin: Twin):
    return twin.decide(ResumeTenant(command_id=twin.new_id()))


def retire(twin: Twin):
    return twin.decide(RetireTwin(command_id=twin.new_id(), reason="contract ended"))


class TestTheWay:
    def test_leads_from_nothing_to_a_live_call(self):
        """The wizard, step by step: each one is named as missing until it is done."""
        twin = fresh()
        last = ["record_sample", "sign_off"]
        assert missing(twin) == ["set_identity", "set_purpose", "begin_calibration", *last]
        draft(twin)
        assert missing(twin) == ["set_purpose", "begin_calibration", *last]
        aim(twin)
        assert missing(twin) == ["begin_calibration", *last]
        begin(twin)
        assert missing(twin) == last
        for _ in range(3):
            sample(twin)
        assert missing(twin) == ["sign_off"]
        signed = sign(twin)

        assert (signed.version, signed.status, len(signed.samples)) == (1, "active", 3)
        assert missing(twin) == []
        assert twin.authorize(1).identity_version == 1

    def test_nothing_is_called_before_its_end(self):
        """Before a twin streams its first pixel: refused by name at every step but the last."""
        twin = fresh()
        for step in (draft, aim, begin, sample, sample, sample):
            refusal = twin.authorize(1)
            assert (refusal.code, refusal.status) == ("twin_not_activated", 403)
            step(twin)
        assert twin.authorize(1).code == "twin_not_activated"

    def test_samples_are_held_and_debited_like_any_call(self):
        """A calibration costs money, and the month's limit holds for it too."""
        twin = fresh()
        draft(twin), aim(twin), begin(twin)

        grant = ask(twin)
        assert (grant.purpose, grant.identity_version) == ("calibration", 1)
        assert twin.totals.held_nanos == SAMPLE_NANOS
        twin.settle(grant, SAMPLE_NANOS)
        assert (twin.totals.held_nanos, twin.totals.committed_nanos) == (0, SAMPLE_NANOS)

        poor = fresh(limit=SAMPLE_NANOS - 1)
        draft(poor), aim(poor), begin(poor)
        assert ask(poor).code == "monthly_hard_limit_reached"

    def test_immediate_is_for_the_deployments_own_credentials(self):
        """An admin or an owner must not be able to leave the sign-off out."""
        twin = Twin(provisioned=False)
        twin.actor = "admin_ana"
        assert twin.decide(provision(command_id="p1")).code == "immediate_not_allowed"
        assert twin.state.tenant.status == "absent"

        twin.actor = OPERATOR
        event = twin.decide(provision(command_id="p2"))
        assert (event.activation, event.actor) == ("immediate", OPERATOR)
        assert missing(twin) == []
        assert twin.authorize(1).purpose == "live"


class TestSamples:
    def test_are_three_at_a_time(self):
        """A fourth is refused while three are open, settled or recorded."""
        twin = fresh()
        draft(twin), aim(twin), begin(twin)
        grants = [ask(twin) for _ in range(3)]
        assert ask(twin).code == "samples_exhausted"
        twin.settle(grants[0], SAMPLE_NANOS)
        assert ask(twin).code == "samples_exhausted"
        record(twin, grants[0])
        assert ask(twin).code == "samples_exhausted"

    @pytest.mark.parametrize("ending", ["released", "failed", "cut_off", "expired"])
    def test_that_came_to_nothing_may_be_tried_again(self, ending):
        """A vendor's bad minute must not cost the round."""
        twin = fresh()
        draft(twin), aim(twin), begin(twin)
        grants = [ask(twin, ttl_ms=1_000) for _ in range(3)]
        match ending:
            case "released":
                twin.release(grants[0])
            case "expired":
                twin.pass_time(2 * SECOND)
            case _:
                twin.settle(grants[0], 0, outcome=ending)

        assert ask(twin).purpose == "calibration"
        assert record(twin, grants[0]).facts == {
            "rule": "the call was released, failed, cut off or expired"
        }

    def test_cannot_be_tried_for_ever(self):
        """A calibration of endless failures would be a stream that nobody has signed off."""
        twin = fresh()
        draft(twin), aim(twin), begin(twin)
        for _ in range(rules.CALLS_MAX):
            twin.settle(ask(twin), SAMPLE_NANOS, outcome="failed")

        refusal = ask(twin)
        assert (refusal.code, refusal.facts) == ("samples_exhausted", {"samples": 0, "calls": 9})
        begin(twin)
        assert ask(twin).purpose == "calibration"

    def test_that_are_settled_late_count_while_there_is_room(self):
        """The vendor was paid for it; but three are three."""
        twin = fresh()
        draft(twin), aim(twin), begin(twin)
        late = [ask(twin, ttl_ms=1_000) for _ in range(2)]
        twin.pass_time(2 * SECOND)
        for _ in range(2):
            sample(twin)
        twin.settle(late[0], SAMPLE_NANOS)
        twin.settle(late[1], SAMPLE_NANOS)

        assert record(twin, late[0]).number == 3
        assert record(twin, late[1]).code == "sample_invalid"

    @pytest.mark.parametrize(
        ("field", "call"),
        [
            ("modality", {"amount": 10, "modality": "voice"}),
            ("sku", {"amount": 100, "modality": "video", "sku": "other"}),
            ("fallbacks", {"amount": 100, "modality": "video", "fallbacks": [option(1, "text")]}),
            ("estimate.stream_ms", {"modality": "video", "estimate": Usage(stream_ms=60_001)}),
            ("estimate.requests", {"modality": "video", "estimate": Usage(requests=2)}),
            ("estimate", {"modality": "video", "estimate": Usage(characters=4_001)}),
        ],
    )
    def test_are_what_the_round_is_for(self, field, call):
        """Else `calibration` would be a word that opens the gate."""
        twin = fresh()
        draft(twin), aim(twin), begin(twin)

        refusal = twin.authorize(**call, purpose="calibration")

        assert (refusal.code, refusal.facts["field"]) == ("call_is_no_sample", field)

    def test_do_not_go_on(self):
        """A sample that is extended again and again would be a stream, too."""
        for twin in (calibrated(), calibrated(activated())):
            begin(twin)
            refusal = twin.extend(ask(twin), 100)
            assert refusal.code in {"twin_not_activated", "call_is_no_sample"}

    def test_are_recorded_once_and_only_from_this_round(self):
        """The Owner must see three samples of this draft, not one of them three times."""
        twin = fresh()
        draft(twin), aim(twin), begin(twin)
        old = ask(twin)
        twin.settle(old, SAMPLE_NANOS)
        begin(twin)
        grant = ask(twin)

        assert record(twin, old).code == "sample_invalid"
        assert record(twin, grant).facts == {"rule": "settle the call first"}
        twin.settle(grant, SAMPLE_NANOS)
        assert record(twin, grant).number == 1
        assert record(twin, grant).code == "sample_invalid"
        assert record(twin, "cantor.999").code == "sample_invalid"
        assert record(twin, "fernandez.2").code == "hold_of_another_tenant"

    def test_of_a_live_call_is_none(self):
        """A live call shows the live identity, not the draft."""
        twin = activated()
        draft(twin)
        begin(twin)
        live = twin.authorize(SAMPLE_NANOS, "video")
        twin.settle(live, SAMPLE_NANOS)

        assert record(twin, live).code == "sample_invalid"

    @pytest.mark.parametrize(
        ("modalities", "shown"),
        [
            (["data", "text", "voice", "video"], "video"),
            (["text", "voice"], "voice"),
            (["text", "data"], "text"),
        ],
    )
    def test_are_of_the_dearest_modality_that_the_policy_allows(self, modalities, shown):
        """Nobody may pass a video twin by a line of text."""
        twin = fresh(modalities=modalities, ladder=[])
        draft(twin), aim(twin)

        assert begin(twin, sku=shown).modality == shown

    def test_of_a_twin_that_is_only_data_cannot_be(self):
        """There is nothing to see or hear."""
        twin = fresh(modalities=["data"], ladder=[])
        draft(twin), aim(twin)

        assert begin(twin, sku="data").code == "modality_not_allowed"

    def test_need_a_price(self):
        """What cannot be priced cannot be held, so the round could never end."""
        twin = fresh()
        draft(twin), aim(twin)

        assert begin(twin, sku="nothing").code == "not_priced"


class TestVersions:
    def test_the_old_identity_stays_live_until_the_new_one_is_signed_off(self):
        """Editing must not silence a twin, nor let an unsigned face go out."""
        twin = activated()
        assert draft(twin, tone="Calm").version == 2

        shown = view("twin", twin.state, twin.now_us)
        assert (shown.live.version, shown.draft.version) == (1, 2)
        assert (shown.status, twin.authorize(1).identity_version) == ("active", 1)

        begin(twin)
        for _ in range(3):
            sample(twin)
        sign(twin)
        shown = view("twin", twin.state, twin.now_us)
        assert (shown.live.version, shown.live.identity.tone, shown.draft) == (2, "Calm", None)
        assert twin.authorize(1).identity_version == 2

    @pytest.mark.parametrize("edit", [draft, refine])
    def test_any_edit_needs_samples_of_its_own(self, edit):
        """What the Owner signs is exactly what the samples show."""
        twin = calibrated()
        edit(twin)

        refusal = sign(twin)

        assert (refusal.code, refusal.facts) == (
            "dna_incomplete",
            {"missing": "twin.begin_calibration, twin.record_sample"},
        )
        assert sign(twin, version=1).code == "version_conflict"

    def test_refinement_keeps_the_identity_and_an_edit_keeps_the_refinement(self):
        """Pitch and speed are found by ear; a new phrase must not lose them."""
        twin = fresh()
        draft(twin)
        refined = refine(twin, pitch=1_100, speed=900)
        assert (refined.version, refined.identity) == (2, identity())
        edited = draft(twin, signature_phrases=["¡Goooool!", "¡Qué golazo!"])

        assert (edited.version, edited.refinement) == (3, refined.refinement)

    def test_refinement_starts_from_the_live_identity_when_there_is_no_draft(self):
        """A signed-off twin can be made a little slower."""
        twin = activated()

        assert refine(twin).identity == twin.state.twin.live.identity

    def test_a_purpose_is_in_force_at_once_and_needs_no_samples(self):
        """No sample can show what a twin is for."""
        twin = activated()
        changed = aim(twin, call_to_action="Book a strategy call.")

        shown = view("twin", twin.state, twin.now_us)
        assert (changed.version, shown.purpose.version, shown.missing) == (2, 2, [])
        assert shown.purpose.purpose.call_to_action == "Book a strategy call."

    def test_two_editors_do_not_overwrite_each_other(self):
        """The second one learns which version there is now."""
        twin = fresh()
        draft(twin)
        command = SetIdentity(command_id="late", identity=identity(), expected_version=0)

        refusal = twin.decide(command)

        assert (refusal.code, refusal.facts) == ("version_conflict", {"current_version": 1})

    def test_a_receipt_has_the_number_of_the_new_version(self):
        """Whoever saves wants to name what they have saved."""
        twin = fresh()

        assert answer("cantor", draft(twin), 1).version == 1
        aim(twin)
        assert answer("cantor", begin(twin), 1).facts == {"calibration": 1, "modality": "video"}

    @pytest.mark.parametrize(
        ("step", "code", "lacks"),
        [
            (begin, "dna_incomplete", "twin.set_identity"),
            (refine, "dna_incomplete", "twin.set_identity"),
            (sign, "dna_incomplete", "twin.set_identity"),
            (lambda twin: record(twin, "cantor.1"), "not_calibrating", None),
            (ask, "not_calibrating", None),
            (lambda twin: (draft(twin), begin(twin))[1], "dna_incomplete", "twin.set_purpose"),
        ],
    )
    def test_a_step_too_early_says_what_comes_first(self, step, code, lacks):
        """The wizard can always be followed by its refusals alone."""
        refusal = step(fresh())

        assert (refusal.code, refusal.facts.get("missing")) == (code, lacks)


class TestSignOff:
    @pytest.mark.parametrize("actor", ["admin_ana", "key_k1", "visitor_v1"])
    def test_is_the_owners_word_whatever_glass_was_broken(self, actor):
        """A platform's admin may look in an emergency; this is not their face."""
        twin = calibrated()
        twin.actor = actor

        assert sign(twin).code == "sign_off_is_the_owners"

    def test_says_who_and_when(self):
        """What a lawyer asks first."""
        twin = calibrated()
        twin.actor = "person_andres"
        sign(twin)

        live = view("twin", twin.state, twin.now_us).live
        assert (live.signed_off_by, live.signed_off_at_us) == ("person_andres", twin.now_us)
        assert live.drafted_by == OPERATOR


class TestLife:
    @pytest.mark.parametrize("mode", ["suspended", "asleep"])
    def test_a_suspension_is_no_way_around_the_sign_off(self, mode):
        """Suspended and resumed, a twin is again what it was."""
        twin = fresh()
        suspend(twin, mode)
        assert twin.authorize(1).status in (402, 403)
        assert resume(twin).status == "provisioned"
        assert twin.authorize(1).code == "twin_not_activated"

    def test_a_suspended_twin_can_be_signed_off_and_stays_suspended(self):
        """The signature says who it is, not that it may speak again."""
        twin = calibrated()
        suspend(twin)
        assert sign(twin).status == "suspended"
        assert twin.authorize(1).code == "twin_suspended"
        assert missing(twin) == ["tenant.resume"]
        assert resume(twin).status == "active"
        assert twin.authorize(1).purpose == "live"

    def test_a_suspended_twin_makes_no_samples(self):
        """A stop is a stop for every vendor call."""
        twin = fresh()
        draft(twin), aim(twin), begin(twin)
        suspend(twin)

        assert ask(twin).code == "twin_suspended"

    @pytest.mark.parametrize("twin", [fresh, activated], ids=["before", "after"])
    def test_a_retired_twin_refuses_everything_for_ever(self, twin):
        """Final means final: there is no command that brings it back."""
        twin = twin()
        retire(twin)

        for refused in (
            *(lambda t, f=f: f(t) for f in (draft, aim, refine, begin, sign, ask, suspend)),
            *(lambda t, f=f: f(t) for f in (resume, retire)),
            lambda t: t.authorize(1),
            lambda t: t.top_up(1),
            lambda t: t.set_policy(policy()),
            lambda t: record(t, "cantor.1"),
        ):
            event = refused(twin)
            assert (event.code, event.status) == ("twin_retired", 403)
        assert twin.decide(provision(command_id="again")).code == "twin_exists"
        assert view("twin", twin.state, twin.now_us).missing == []

    def test_what_a_retired_twin_has_called_is_still_booked(self):
        """The vendor sends its bill all the same."""
        twin = activated()
        one, two, three = (twin.authorize(10) for _ in range(3))
        retire(twin)

        assert twin.settle(one, 7).cost_nanos == 7
        assert twin.release(two).held_nanos == 10
        assert twin.extend(three, 1).code == "twin_retired"


class TestDocuments:
    @pytest.mark.parametrize(
        ("field", "document"),
        [
            ("identity.tone", identity(tone=" \t")),
            ("identity.pacing", identity(pacing="\n")),
            ("identity.signature_phrases[1]", identity(signature_phrases=["a", "\u2003"])),
            ("identity.signature_phrases[1]", identity(signature_phrases=["¡Gol!", "¡Gol!"])),
            ("purpose.audience", purpose(audience=" ")),
            ("purpose.goal_note", purpose(conversion_goal="other")),
        ],
    )
    def test_that_say_nothing_or_contradict_themselves_are_refused(self, field, document):
        """The refusal says where."""
        assert rules.contradiction(document)[0] == field

    def test_that_are_well_are_accepted(self):
        """The control."""
        assert rules.contradiction(identity(accent="")) is None
        assert rules.contradiction(purpose(conversion_goal="other", goal_note="a vote")) is None

    @pytest.mark.parametrize(
        "mark", ["\0", "\x07", "\r", "\x7f", "\x85", "\u202e", "\u2066", "\ud800"]
    )
    @pytest.mark.parametrize("field", ["tone", "pacing", "accent"])
    def test_odd_characters_are_refused_by_field(self, field, mark):
        """A text that reads differently from what it is must not be signed off."""
        with pytest.raises(ValueError, match=rf"`identity.{field}` has U\+{ord(mark):04X}"):
            SetIdentity(command_id="c", identity=identity(**{field: f"a{mark}b"}))

    def test_odd_characters_in_a_list_are_refused_by_index(self):
        """The editor must find the one of fifty phrases."""
        with pytest.raises(ValueError, match=r"`identity.signature_phrases\[1\]` has U\+202E at"):
            SetIdentity(
                command_id="c", identity=identity(signature_phrases=["¡Goooool!", "gol\u202e!"])
            )

    @pytest.mark.parametrize(
        "text",
        [
            "¡Goooool!",
            "Fernández",
            "e\u0301",
            "👩‍👩‍👧‍👦",
            "שלום",
            "مرحبا",
            "a\tb\nc",
            "\u200f",
            "ñ" * 200,
        ],
    )
    def test_every_other_text_is_kept_to_the_letter(self, text):
        """No normalising, no trimming: it is somebody's catchphrase."""
        refuse_odd_text("text", text)
        command = SetIdentity(command_id="c", identity=identity(signature_phrases=[text]))

        for codec in (msgspec.json, msgspec.msgpack):
            again = codec.decode(codec.encode(command), type=SetIdentity)
            assert again.identity.signature_phrases == [text]

    @pytest.mark.parametrize(
        "tag",
        [
            "es",
            "es-AR",
            "es-419",
            "zh-Hant-TW",
            "sl-rozaj-biske",
            "de-CH-1901",
            "en-US-u-ca-gregory",
            "qaa-x-rioplat",
            "zh-cmn-Hans-CN",
        ],
    )
    def test_language_tags_are_bcp_47(self, tag):
        """Examples of RFC 5646, appendix A."""
        assert msgspec.convert(
            {**msgspec.to_builtins(identity()), "language": tag}, type(identity())
        )

    @pytest.mark.parametrize(
        "tag", ["", "e", "español", "es_AR", "es-", "-AR", "es--AR", "es-A", "a-DE", "es-AR\n"]
    )
    def test_what_is_no_language_tag_is_refused(self, tag):
        """`Rioplatense` is an accent; a tag is for the provider's machine."""
        with pytest.raises(msgspec.ValidationError, match="language"):
            msgspec.convert({**msgspec.to_builtins(identity()), "language": tag}, type(identity()))

    @pytest.mark.parametrize(
        "tag", ["a" * 36, "ab" + "-a1b2c" * 5 + "!", "ab" + "-1a1a" * 6 + "-", "ab-a-" + "bb-" * 9]
    )
    def test_a_tag_that_is_nearly_one_is_refused_at_once(self, tag):
        """A pattern that tries everything would let one message stop a shard."""
        with pytest.raises(msgspec.ValidationError, match="language"):
            msgspec.convert({**msgspec.to_builtins(identity()), "language": tag}, type(identity()))

    @pytest.mark.parametrize(
        ("field", "values"),
        [
            ("pitch_permille", (499, 2_001, 1.0, "1000", None)),
            ("speed_permille", (499, 2_001, 0)),
        ],
    )
    def test_refinements_are_bounded_whole_numbers(self, field, values):
        """In thousandths: half to double of what the provider's voice is."""
        kind = type(fresh().state.twin.live.refinement)
        for value in values:
            with pytest.raises(msgspec.ValidationError, match=field):
                msgspec.json.decode(msgspec.json.encode({field: value}), type=kind)

    def test_phrases_are_bounded(self):
        """Every collection is."""
        for phrases in (["x" * 201], [""], [str(n) for n in range(51)]):
            raw = {**msgspec.to_builtins(identity()), "signature_phrases": phrases}
            with pytest.raises(msgspec.ValidationError, match="signature_phrases"):
                msgspec.convert(raw, type(identity()))
