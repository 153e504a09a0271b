"""Twin: its DNA, its mirror test, and what the gate refuses until it is passed."""

import pytest

from contracts.access import OPERATOR
from contracts.tenant import ResumeTenant, SuspendTenant
from contracts.twin import RetireTwin, SetIdentity
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
    record,
    refine,
    sample,
    sign,
)
from tests.domain.test_governance import provision
from tests.domain.world import Twin, policy


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
