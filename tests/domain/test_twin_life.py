"""
No way around the mirror test.

Goal: whatever anybody asks in whatever order, a live call is granted only with an identity version
that an Owner has signed off, after three settled samples of exactly that version.
Method: a state machine sends commands of random callers through the same doors as the worker
(`barred`, then `decide`) and keeps books of its own, from the log alone.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from contracts.access import OPERATOR, ROLES
from contracts.budget import CallAuthorized, CallSettled
from contracts.tenant import ProvisionTenant, ResumeTenant, SuspendTenant
from contracts.twin import (
    BeginCalibration,
    IdentityDrafted,
    IdentityRefined,
    RecordSample,
    Refinement,
    RefineTwin,
    RetireTwin,
    SampleRecorded,
    SetIdentity,
    SetPurpose,
    SignOffTwin,
    TwinRetired,
    TwinSignedOff,
)
from domain import gate, twin
from domain.access import Key, Member
from tests.domain.dna import SAMPLE_NANOS, identity, purpose
from tests.domain.world import PRICES, SECOND, Twin, policy, unchanged

PEOPLE = tuple(f"person_{role}" for role in ROLES)
# An admin with a broken glass, and one without; a key of every scope; somebody who is nobody.
OTHERS = ("admin_broken", "admin_whole", "key_k1", "person_nobody", "visitor_v1")
CALLERS = st.sampled_from((*PEOPLE, *OTHERS))
# Who gets somewhere, so that a run does more than being refused.
LIKELY = st.one_of(st.sampled_from(("person_owner", "person_approver")), CALLERS)
CALLING = st.one_of(st.just("key_k1"), CALLERS)


class Life(RuleBasedStateMachine):
    """One twin, its log, and what the log says of who may be heard."""

    def __init__(self) -> None:
        super().__init__()
        self.twin = Twin(provisioned=False)
        access = self.twin.state.access
        access.members = {role: Member(role, f"{role}@example.com") for role in ROLES}
        access.keys = {"k1": Key(["calls", "agent", "read", "mint"])}
        access.opened = {"broken": self.twin.now_us * 2}
        self.granted: list[CallAuthorized] = []
        self.checked = 0
        self.signed: set[int] = set()
        self.live = 0
        self.draft = 0
        self.samples: dict[int, set[int]] = {}
        self.made: dict[int, int] = {}
        self.completed: set[int] = set()
        self.is_retired = False
        self.lives = 0

    def ask(self, caller: str, command) -> None:
        """As the worker does: the caller's right first, then the decision."""
        self.twin.actor = caller
        envelope = self.twin.envelope(command)
        state = self.twin.state
        if unchanged(state, lambda: gate.barred(state, command, envelope)) is None:
            event = self.twin.decide(command)
            if isinstance(event, CallAuthorized):
                self.granted.append(event)
        self.nobody_is_heard_who_is_not_signed_off()

    def new_id(self) -> str:
        return self.twin.new_id()

    @initialize(caller=CALLERS, activation=st.sampled_from(("immediate", "after_sign_off")))
    def provision(self, caller, activation):
        for actor, how in ((caller, activation), ("admin_whole", "after_sign_off")):
            self.ask(
                actor,
                ProvisionTenant(
                    command_id=self.new_id(),
                    display_name="Andrés Cantor",
                    organisation="Studio",
                    policy=policy(10_000_000),
                    price_book=PRICES,
                    activation=how,
                ),
            )

    @rule(caller=LIKELY, tone=st.sampled_from(("Euphoric", "Calm")))
    def set_identity(self, caller, tone):
        self.ask(caller, SetIdentity(command_id=self.new_id(), identity=identity(tone=tone)))

    @rule(caller=LIKELY)
    def set_purpose(self, caller):
        self.ask(caller, SetPurpose(command_id=self.new_id(), purpose=purpose()))

    @rule(caller=CALLERS)
    def refine(self, caller):
        self.ask(caller, RefineTwin(command_id=self.new_id(), refinement=Refinement(1_100, 900)))

    @rule(caller=LIKELY)
    def begin(self, caller):
        command = BeginCalibration(
            command_id=self.new_id(), version=self.draft, provider_id="acme", sku="video"
        )
        self.ask(caller, command)

    @rule(caller=CALLING, purpose=st.sampled_from(("live", "calibration")))
    def authorize(self, caller, purpose):
        call = self.twin.call(SAMPLE_NANOS, "video", purpose=purpose, ttl_ms=5_000)
        self.ask(caller, call)

    @precondition(lambda self: self.granted)
    @rule(
        caller=CALLING,
        which=st.integers(0, 5),
        outcome=st.sampled_from(("completed", "completed", "failed", "released")),
    )
    def close(self, caller, which, outcome):
        grant = self.granted[-1 - which % len(self.granted)]
        self.twin.actor = caller
        if outcome == "released":
            self.twin.release(grant)
        else:
            self.twin.settle(grant, SAMPLE_NANOS, outcome=outcome)

    @precondition(lambda self: self.granted)
    @rule(caller=LIKELY, which=st.integers(0, 5))
    def record(self, caller, which):
        grant = self.granted[-1 - which % len(self.granted)]
        name = self.twin.reservation(grant)
        self.ask(caller, RecordSample(command_id=self.new_id(), reservation_id=name))

    @rule(caller=CALLING)
    def sample(self, caller):
        """Three steps that only together lead on; a run of single ones seldom gets there."""
        before = len(self.granted)
        self.authorize(caller, "calibration")
        if len(self.granted) > before:
            self.close(caller, 0, "completed")
            self.record(caller, 0)

    @rule(steps=st.integers(3, 6))
    def advance(self, steps):
        """What the wizard lists as missing, by those who may; others come in between."""
        state = self.twin.state
        for _ in range(steps):
            made = twin.progress(state.twin, is_activated=state.tenant.is_activated)
            missing = [step for step, _ in twin.steps(made._replace(is_live=False), "active")]
            if missing[:1] == ["twin.set_identity"]:
                self.set_identity("person_editor", "Euphoric")
            elif missing[:1] == ["twin.set_purpose"]:
                self.set_purpose("person_approver")
            elif missing[:1] == ["twin.begin_calibration"]:
                self.begin("person_approver")
            elif missing[:1] == ["twin.record_sample"]:
                self.sample("key_k1")

    @rule(caller=st.one_of(st.just("person_owner"), CALLERS), behind=st.sampled_from((0, 0, 1)))
    def sign(self, caller, behind):
        version = max(0, self.draft - behind)
        self.ask(caller, SignOffTwin(command_id=self.new_id(), version=version))

    @rule(caller=LIKELY, mode=st.sampled_from(("suspended", "asleep")))
    def suspend_and_resume(self, caller, mode):
        self.ask(caller, SuspendTenant(command_id=self.new_id(), mode=mode))
        self.ask(caller, ResumeTenant(command_id=self.new_id()))

    @rule(caller=CALLERS)
    def suspend_for_long(self, caller):
        self.ask(caller, SuspendTenant(command_id=self.new_id()))

    @rule(caller=LIKELY)
    def resume(self, caller):
        self.ask(caller, ResumeTenant(command_id=self.new_id()))

    @rule(us=st.sampled_from((0, SECOND, 6 * SECOND)))
    def time_passes(self, us):
        self.twin.pass_time(us)

    @precondition(lambda self: len(self.twin.log) > 40)
    @rule(caller=CALLERS)
    def retire(self, caller):
        self.ask(caller, RetireTwin(command_id=self.new_id()))

    @invariant()
    def a_live_call_is_tried_after_every_step(self):
        self.authorize("key_k1", "live")
        if self.granted and self.granted[-1].purpose == "live":
            self.lives += 1
            self.twin.release(self.granted.pop())

    @invariant()
    def nobody_is_heard_who_is_not_signed_off(self):
        log = self.twin.log
        for event in log[self.checked :]:
            self._check(event)
        self.checked = len(log)

    def _check(self, event) -> None:
        match event:
            case IdentityDrafted() | IdentityRefined():
                self.draft = event.version
            case CallSettled() if event.outcome == "completed":
                self.completed.add(event.reservation)
            case SampleRecorded():
                assert event.reservation in self.completed
                assert event.version == self.draft
                assert self.made[event.reservation] == event.version
                self.samples.setdefault(event.version, set()).add(event.reservation)
            case TwinSignedOff():
                assert event.actor == "person_owner"
                assert event.version == self.draft
                assert len(set(event.samples)) == 3
                assert set(event.samples) <= self.samples[event.version]
                self.signed.add(event.version)
                self.live = event.version
            case TwinRetired():
                self.is_retired = True
            case CallAuthorized(purpose="live"):
                assert not self.is_retired
                assert event.identity_version == self.live
                assert event.identity_version in self.signed
            case CallAuthorized(purpose="calibration"):
                assert not self.is_retired
                assert event.identity_version == self.draft
                self.made[event.decision] = event.identity_version
                under_way = self.twin.state.twin.calibration
                if under_way is not None:
                    assert len(under_way.calls) <= twin.CALLS_MAX
                    assert twin.usable_samples(under_way) <= 3


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=120, stateful_step_count=50, deadline=None)


def test_the_machine_reaches_a_live_call():
    """The control: a machine in which nobody ever gets through would prove nothing."""
    life = Life()
    life.provision("person_owner", "immediate")
    life.set_identity("person_editor", "Euphoric")
    life.set_purpose("person_approver")
    life.begin("person_approver")
    for _ in range(3):
        life.sample("key_k1")
        life.authorize("key_k1", "live")
    for caller in (*PEOPLE[:3], *OTHERS):
        life.sign(caller, 0)
        life.authorize("key_k1", "live")
    assert not [one for one in life.granted if one.purpose == "live"]
    life.sign("person_owner", 0)
    life.authorize("key_k1", "live")

    assert (life.live, life.granted[-1].purpose) == (1, "live")


def test_the_deployments_own_credentials_may_sign_and_the_log_says_so():
    """An emergency and a demonstration need them; an auditor finds them by their name."""
    life = Life()
    life.provision("admin_whole", "after_sign_off")
    life.set_identity("person_editor", "Euphoric")
    life.set_purpose("person_approver")
    life.begin("person_approver")
    for _ in range(3):
        life.sample("key_k1")
    life.twin.actor = OPERATOR
    signed = life.twin.decide(SignOffTwin(command_id="sign", version=1))

    assert (type(signed), signed.actor) == (TwinSignedOff, OPERATOR)
