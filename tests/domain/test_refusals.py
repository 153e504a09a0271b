"""Refusals: every one of them can be reached, and each says what to do about it."""

import pytest

from contracts.data_key import RotateDataKey
from contracts.policy import BudgetPolicy, Quotas, RatePolicy, SessionLimits
from contracts.tenant import EraseTenant, ResumeTenant, SuspendTenant
from contracts.topics import Topic
from contracts.twin import RetireTwin
from contracts.usage import Usage
from domain import versions
from domain.answer import answer, not_decided
from domain.refusals import (
    BY_CODE,
    CALLER_NOT_ALLOWED,
    CALLER_UNKNOWN,
    CANNOT_VERIFY,
    LOOKUPS_TOO_FAST,
    OVERLOADED,
)
from domain.vault_refusals import SECRET_UNREADABLE, TWIN_ERASED
from tests.domain import dna, identity_refusals_reached
from tests.domain.governed import Governed, terms
from tests.domain.test_governance import provision
from tests.domain.world import NOON, SECOND, Twin, book, entry, option, policy


def settled(twin: Twin):
    grant = twin.authorize(1)
    twin.settle(grant, 1)
    return grant


def expired(twin: Twin):
    grant = twin.authorize(1, ttl_ms=1_000)
    twin.pass_time(2 * SECOND)
    return grant


def stopped(twin: Twin, mode: str):
    twin.decide(SuspendTenant(command_id="stop", mode=mode))
    return twin.authorize(1)


def rated() -> Twin:
    twin = Twin(policy(rate=RatePolicy(requests=1)))
    twin.authorize(0)
    return twin


def provisioned_again():
    return Twin().decide(provision(command_id="again"))


def too_large():
    twin = Twin(prices=book(entry("text", input_tokens=9 * 10**15)))
    return twin.settle(twin.authorize(0), usage=Usage(2))


def immediate_for_an_admin():
    twin = Twin(provisioned=False)
    twin.actor = "admin_ana"
    return twin.decide(provision())


def signed_by_an_admin():
    twin = dna.calibrated()
    twin.actor = "admin_ana"
    return dna.sign(twin)


def calibrating() -> Twin:
    twin = dna.fresh()
    dna.draft(twin)
    dna.aim(twin)
    dna.begin(twin)
    return twin


def retired() -> Twin:
    twin = Twin()
    twin.decide(RetireTwin(command_id="retire"))
    return twin


def old_version():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(versions, "KEPT_MAX", 1)
        twin = Twin()
        twin.save("one")
        twin.save("two")
        return twin.activate(1)


def visited(ceiling: str) -> Governed:
    twin = Governed()
    twin.opened(ceiling=ceiling)
    twin.mint(visitor_id=VISITOR)
    twin.actor = f"visitor_{VISITOR}"
    twin.visit(VISITOR)
    return twin


def not_visited(*, begun: bool = False) -> Governed:
    twin = Governed()
    twin.opened()
    twin.mint(visitor_id=VISITOR)
    twin.actor = f"visitor_{VISITOR}"
    if begun:
        twin.converse(VISITOR)
    return twin


def conversing(session_id: str = "s") -> Governed:
    twin = Governed()
    twin.converse(session_id)
    return twin


def as_key(twin: Governed) -> Governed:
    twin.actor = "key_k1"
    return twin


VISITOR = "v" * 16


def opened(twin: Twin, *names: str):
    """The last of several openings for one call."""
    grant = twin.authorize(1)
    return [twin.open(grant, name) for name in names][-1]


def keeping(*names: str) -> Twin:
    twin = Twin()
    for name in names:
        twin.put(name)
    return twin


def rotated_again():
    twin = Twin()
    twin.decide(RotateDataKey(command_id="one"))
    return twin.decide(RotateDataKey(command_id="two"))


CAPPED = BudgetPolicy(monthly_hard_limit_nanos=1_000, soft_cap_permille=1)
NO_VIDEO = Quotas(video_minute_units=0)

# How each refusal that the domain decides comes about.
REACHED = {
    "twin_unknown": lambda: Twin(provisioned=False).authorize(1),
    "twin_exists": provisioned_again,
    "twin_suspended": lambda: stopped(Twin(), "suspended"),
    "twin_sleeping": lambda: stopped(Twin(), "asleep"),
    "twin_not_activated": lambda: dna.fresh().authorize(1),
    "twin_retired": lambda: retired().authorize(1),
    "immediate_not_allowed": immediate_for_an_admin,
    "not_calibrating": lambda: dna.ask(dna.fresh()),
    "call_is_no_sample": lambda: calibrating().authorize(1, purpose="calibration"),
    "reconciliation_holds_nothing": lambda: Twin().authorize(1, purpose="reconciliation"),
    "samples_exhausted": lambda: dna.ask(dna.calibrated()),
    "sample_invalid": lambda: dna.record(calibrating(), "cantor.1"),
    "dna_invalid": lambda: dna.draft(Twin(), tone=" "),
    "dna_incomplete": lambda: dna.sign(Twin()),
    "sign_off_is_the_owners": signed_by_an_admin,
    "not_suspended": lambda: Twin().decide(ResumeTenant(command_id="r")),
    "modality_not_allowed": lambda: Twin(policy(modalities=["text"], ladder=[])).authorize(
        10, "voice"
    ),
    "not_priced": lambda: Twin().authorize(sku="nothing"),
    "rate_limited": lambda: rated().authorize(0),
    "session_limit_reached": lambda: Twin(
        policy(session=SessionLimits(max_token_units=0))
    ).authorize(1, session_id="s"),
    "quota_exhausted": lambda: Twin(policy(1_000, quotas=NO_VIDEO)).authorize(100, "video"),
    "soft_cap_reached": lambda: Twin(policy(budget=CAPPED)).authorize(10, "voice"),
    "monthly_hard_limit_reached": lambda: Twin(policy(1)).authorize(2),
    "hold_of_another_tenant": lambda: Twin().settle("fernandez.2"),
    "hold_unknown": lambda: Twin().settle("cantor.9"),
    "hold_expired": lambda: (t := Twin()).release(expired(t)),
    "hold_closed": lambda: (t := Twin()).release(settled(t)),
    "policy_invalid": lambda: Twin().set_policy(policy(time_zone="Mars/Olympus")),
    "price_book_invalid": lambda: Twin().set_prices(
        book(entry("text", requests=1), currency="EUR")
    ),
    "booking_too_large": too_large,
    "version_conflict": lambda: Twin().set_policy(policy(), expected_version=9),
    "version_unknown": lambda: Twin().activate(1),
    "version_not_kept": old_version,
    "already_in_force": lambda: (t := Twin(), t.save(), t.activate(1)) and t.activate(1),
    "prompt_invalid": lambda: Twin().save("{{nobody}}"),
    "topics_invalid": lambda: Twin().set_topics(Topic(name="t", phrases=["!"])),
    "credits_too_large": lambda: [t := Twin(), *(t.top_up(10**15) for _ in range(10))][-1],
    "confirmation_differs": lambda: Twin().decide(EraseTenant(command_id="e", confirm="other")),
    "secret_unknown": lambda: opened(Twin(), "openai"),
    "secret_unusable": lambda: [t := keeping("openai"), t.revoke(), opened(t, "openai")][-1],
    "secret_opened_before": lambda: opened(keeping("openai"), "openai", "openai"),
    "too_many_secrets_for_call": lambda: opened(keeping(*"abcdefghi"), *"abcdefghi"),
    "too_many_secrets": lambda: keeping(*(f"n{n}" for n in range(200))).put("one-more"),
    "too_many_overlaps": lambda: [t := keeping("openai"), *(t.rotate() for _ in range(3))][-1],
    "key_rotated_just_now": rotated_again,
    "modality_above_ceiling": lambda: visited("text").authorize(10, "voice", session_id=VISITOR),
    "session_of_another": lambda: visited("text").authorize(1, session_id="s"),
    "deployment_unknown": lambda: Governed().mint(),
    "deployment_exists": lambda: [t := Governed(), t.create(), t.create()][-1],
    "too_many_deployments": lambda: [
        t := Governed(),
        *(t.create(f"d-{n}") for n in range(51)),
    ][-1],
    "deployment_invalid": lambda: Governed().create(terms=terms(origins=["*"])),
    "deployment_is_so": lambda: [t := Governed(), t.create(), t.disable()][-1],
    "deployment_disabled": lambda: [t := Governed(), t.create(), t.mint()][-1],
    "deployment_expired": lambda: [
        t := Governed(),
        t.opened(expires_at_us=NOON + SECOND),
        t.pass_time(SECOND),
        t.mint(),
    ][-1],
    "origin_not_allowed": lambda: [t := Governed(), t.opened(), t.mint("null")][-1],
    "visitor_exists": lambda: visited("text").mint(visitor_id=VISITOR),
    "mints_too_fast": lambda: [t := Governed(), t.opened(mints_per_minute=1), t.mint(), t.mint()][
        -1
    ],
    "source_unknown": lambda: Governed().submit(),
    "source_exists": lambda: [t := Governed(), t.add(), t.add()][-1],
    "source_invalid": lambda: Governed().add(location="nowhere"),
    "source_not_at_stage": lambda: [t := Governed(), t.add(), t.approve()][-1],
    "ingestion_stale": lambda: [t := Governed(), t.add(), t.begin(), t.failed(ingestion=1)][-1],
    "progress_not_forward": lambda: [
        t := Governed(),
        t.add(),
        t.begin(),
        t.advanced("reading"),
        t.advanced("fetching"),
    ][-1],
    "flags_not_seen": lambda: [t := Governed(), t.reviewable(flags=2), t.approve(flags_seen=1)][-1],
    "content_not_reviewed": lambda: [t := Governed(), t.reviewable(), t.approve("f" * 64)][-1],
    "person_needed": lambda: as_key((t := Governed(), t.reviewable())[0]).approve(),
    "approver_needed": lambda: as_key((t := Governed(), t.reviewable(), t.approve())[0]).retire(),
}
REACHED |= {
    "session_unknown": lambda: Governed().beat("s"),
    "session_exists": lambda: conversing("s").converse("s"),
    "session_closed": lambda: [t := conversing("s"), t.close("s"), t.authorize(1, session_id="s")][
        -1
    ],
    "session_not_open": lambda: not_visited().authorize(1, session_id=VISITOR),
    "session_invalid": lambda: not_visited().converse(VISITOR, deployment="kiosk"),
    "disclosure_due": lambda: not_visited(begun=True).authorize(1, session_id=VISITOR),
    "disclosure_not_due": lambda: conversing("s").show("s"),
    "disclosure_differs": lambda: not_visited(begun=True).show(VISITOR, 2),
    "rung_is_so": lambda: conversing("s").step("s", "text"),
}
REACHED |= identity_refusals_reached.REACHED
# What answers without a decision: nothing of it is in the log.
UNDECIDED = {
    "command_id_reused",
    "secret_reopened_too_often",
    LOOKUPS_TOO_FAST.code,
    OVERLOADED.code,
    CANNOT_VERIFY.code,
    CALLER_UNKNOWN.code,
    CALLER_NOT_ALLOWED.code,
    SECRET_UNREADABLE.code,
    TWIN_ERASED.code,
}
# Of these, what may be better in a moment.
PASSING = {OVERLOADED.code, CANNOT_VERIFY.code}
# Reached with a smaller bound, in the tests of authorisations, of accounts and of the vault.
BOUNDED = {
    "too_many_holds",
    "too_many_accounts",
    "too_many_visitors",
    "too_many_sources",
    "too_many_sessions",
    "too_many_secret_versions",
    "too_many_key_versions",
}
# Why a caller is not heard at all; reached in the tests of visitors.
BARRED = {"visit_over"}


def test_every_refusal_has_a_way_to_be_reached():
    """A refusal that nothing reaches is a promise that nothing keeps."""
    assert REACHED.keys() | UNDECIDED | BOUNDED | BARRED == BY_CODE.keys()


@pytest.mark.parametrize("code", REACHED)
def test_refusal_is_reached_and_answered(code):
    """The event has its code and status, the answer its message and remedy."""
    event = REACHED[code]()
    refusal = BY_CODE[code]

    reply = answer("cantor", event, 9)

    assert (event.code, event.status) == (code, refusal.status)
    assert (reply.status, reply.code, reply.message, reply.remedy) == (
        refusal.status,
        code,
        refusal.message,
        refusal.remedy,
    )


@pytest.mark.parametrize("code", sorted(UNDECIDED))
def test_undecided_is_answered_without_a_decision(code):
    """The caller learns that nothing was decided."""
    reply = not_decided("c", BY_CODE[code], retry_after_ms=None)

    assert (reply.code, reply.decision_id, reply.position) == (code, None, None)


@pytest.mark.parametrize("refusal", BY_CODE.values(), ids=lambda r: r.code)
def test_refusal_says_what_is_the_case_and_what_to_do(refusal):
    """Branch on the code, show the message, follow the remedy."""
    assert refusal.status in {402, 403, 404, 409, 410, 422, 429, 503}
    assert refusal.message.endswith(".")
    assert refusal.remedy.endswith(".")
    assert refusal.code == refusal.code.lower()


@pytest.mark.parametrize("refusal", BY_CODE.values(), ids=lambda r: r.code)
def test_remedy_of_a_decided_refusal_never_says_to_repeat_the_same_id(refusal):
    """A decided refusal stays one for its id, so repeating it cannot help."""
    if refusal.code in PASSING:
        assert "with the same command_id" in refusal.remedy
    else:
        assert "same command_id" not in refusal.remedy


def test_a_fallback_is_offered_where_a_remedy_says_so():
    """The remedy of an exhausted quota works."""
    twin = Twin(policy(1_000, quotas=NO_VIDEO))

    assert twin.authorize(100, "video", fallbacks=[option(1, "text")]).modality == "text"
