"""Events in plain words: exact money, the tenant's own clock, and nothing that moves a cursor."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from contracts.budget import ExtendCall
from contracts.commit import AnyEvent
from contracts.data_key import DataKeyEvent
from contracts.policy import BudgetPolicy, Quotas, SetPolicy
from contracts.secret import SecretEvent
from contracts.tenant import ResumeTenant, SuspendTenant, TenantErased
from contracts.usage import Usage
from contracts.views import VIEWS
from domain.state import State
from domain.views import view
from services.audit import words
from services.audit.amounts import money, units
from services.audit.showing import screen
from services.audit.words import Where, mood, sentence
from tests import examples
from tests.audit.written_log import SECOND_US, WrittenLog
from tests.projections.twin_story import policy

POLICY = (
    "policy 2 in force: 1000000 calls per 1 s (burst 1000000, drop), at most $1.00 a month,"
    " from 80 % on only text, clock of America/Mexico_City (soft)"
)
VAULT = SecretEvent | DataKeyEvent | TenantErased
HERE = Where(ZoneInfo("America/Mexico_City"), "USD")


@pytest.fixture(scope="module")
def told() -> dict[str, tuple[str, str]]:
    """One event of each kind, with its sentence and its mood."""
    return {type(event).__name__: (sentence(event, HERE), mood(event)) for event in all_kinds()}


def all_kinds() -> list[AnyEvent]:
    log = WrittenLog(limit_nanos=40_000)
    granted = log.do(
        log.authorize(ttl_ms=1_000),
        log.authorize("voice", 9, session_id="s"),
        log.authorize(),
    )
    log.do(log.release(granted[2].reservation_id), log.top_up(5_000_000_000))
    log.do(log.settle(granted[1].reservation_id, 20, "voice"))
    log.do(extend(granted[0].reservation_id))
    log.do(log.authorize(amount=10**9), log.release("cantor.999"))
    log.later(3 * SECOND_US)
    log.do(
        SuspendTenant(command_id="suspend", mode="asleep", reason="too dear\x07"),
        ResumeTenant(command_id="resume"),
    )
    changed = policy(
        budget=BudgetPolicy(10**9, soft_cap_permille=800),
        quotas=Quotas(video_minute_units=7, data_requests=5),
    )
    log.do(SetPolicy(command_id="set", policy=changed, note="soft"))
    log.do(*(log.authorize(amount=10**9) for _ in range(22)))
    log.later(2 * SECOND_US)
    told = [event for stored in log.stored for event in log.events(stored.version)]
    return told + [event for event in examples.EVENTS if isinstance(event, VAULT)]


def extend(reservation_id: str) -> ExtendCall:
    return ExtendCall(
        command_id="extend",
        reservation_id=reservation_id,
        estimate=Usage(input_tokens=1),
        ttl_ms=1_000,
    )


def test_there_are_words_for_every_kind_of_event(told):
    """A kind that nobody has words for would end the tail when it comes."""
    assert set(words._WORDS) == {
        kind for union in AnyEvent.__args__ for kind in getattr(union, "__args__", (union,))
    }
    assert {kind.__name__ for kind in words._WORDS} == set(told)


@pytest.mark.parametrize(
    ("kind", "text", "feeling"),
    [
        ("TenantProvisioned", "provisioned 'Twin cantor' of 'Test'", "quiet"),
        (
            "PolicySet",
            POLICY,
            "quiet",
        ),
        ("PriceBookSet", "price book 1 in force: 4 products, in USD", "quiet"),
        ("PeriodOpened", "month 2026-09 begins; it ends 2026-10-01 00:00", "quiet"),
        (
            "MeterLimitsSet",
            "limits of 2026-09: $1.00, 7 video_minute_units, 5 data_requests; credits $5.00",
            "quiet",
        ),
        (
            "HoldsExpired",
            "ran out unsettled: call 2; $0.000001255 free again",
            "careful",
        ),
        ("TenantSuspended", "put to sleep (too dear\N{REPLACEMENT CHARACTER})", "refused"),
        ("TenantResumed", "resumed", "quiet"),
        ("CreditsAdded", "topped up $5.00 of credits, remaining $5.000038723", "good"),
        ("SecretPut", "put secret openai, version 3, by person_ana", "careful"),
        (
            "SecretRotated",
            "rotated secret openai to version 2, by person_ana; version 1 until 2026-11-10 06:01",
            "careful",
        ),
        (
            "SecretRevoked",
            "revoked secret openai, version 1, 2, by person_ana (leaked)",
            "refused",
        ),
        ("SecretOpened", "opened secret openai, version 2, to key_agent7 for call 40", "careful"),
        (
            "SecretReopened",
            "opened secret openai, version 2, to key_agent7 again for call 40, as decision 42 did",
            "careful",
        ),
        ("DataKeyRotated", "rotated the data key to version 2, by operator", "careful"),
        (
            "TenantErased",
            "erased by admin_eva (contract ended); its keys are destroyed next",
            "refused",
        ),
    ],
)
def test_what_is_said(told, kind, text, feeling):
    """Somebody who reads it at three in the morning must not have to guess."""
    assert told[kind] == (text, feeling)


def test_what_is_said_of_a_call(told):
    """Held, extended, settled above its hold, released: each with the money that is left."""
    assert told["CallAuthorized"][0].startswith("authorised text call 4 text-vendor/s: holds $0.0")
    # START_US is 08:13:20 in Mexico City, and a hold lasts two minutes.
    assert " until 08:15:20, remaining $" in told["CallAuthorized"][0]
    assert "extended text call 2: holds $0.000000005 more" in told["HoldExtended"][0]
    text, feeling = told["CallSettled"]
    assert text.startswith("settled voice call 3 voice-vendor/s: 20 ms cost $0.00000006 (")
    assert "$0.000000033 that no hold backed" in text
    assert feeling == "careful"
    assert told["HoldReleased"][0].startswith("released text call 4: $0.00000125 free again")


def test_a_refusal_says_its_code_its_reason_and_what_was_asked(told):
    """The code is for programs, the sentence for people."""
    text, feeling = told["CallRefused"]

    assert text.startswith(
        "refused to authorize text text-vendor/s: 402 monthly_hard_limit_reached. "
    )
    assert "It asked for $12.50." in text
    assert feeling == "refused"
    assert told["CommandRefused"][0].startswith("refused budget release: 404 hold_unknown. ")
    assert told["RefusalsCounted"][0].startswith("refused 2 more since ")
    assert "2 monthly_hard_limit_reached; they asked for $25.00" in told["RefusalsCounted"][0]


def test_nothing_a_caller_wrote_reaches_the_terminal_as_it_is(told):
    """An escape sequence in a reason could rewrite what an operator sees."""
    assert all(letter.isprintable() for text, _ in told.values() for letter in text)


@pytest.mark.parametrize(
    ("nanos", "currency", "text"),
    [
        (0, "USD", "$0.00"),
        (123_000, "USD", "$0.000123"),
        (4_210_000_000, "USD", "$4.21"),
        (1, "EUR", "€0.000000001"),
        (-1_500_000_000, "USD", "-$1.50"),
        (1_234_567_000_000_000, "MXN", "MXN 1,234,567.00"),
        (9_000_000_000_000_001, "", "9,000,000.000000001"),
    ],
)
def test_money_is_exact(nanos, currency, text):
    """A nano that is not shown is one that cannot be argued about."""
    assert money(nanos, currency) == text


@pytest.mark.parametrize(
    ("grains", "scale", "text"),
    [
        (0, 1_000, "0"),
        (1_500, 1_000, "1.5"),
        (12_345_678_000, 1_000, "12,345,678"),
        (1, 3, "0.333"),
    ],
)
def test_units_are_counted(grains, scale, text):
    """Minutes and tokens, not their thousandths."""
    assert units(grains, scale) == text


def test_every_view_has_a_screen():
    """Of a twin that is there, and of one that is not."""
    console = Console(width=120)
    for state in (WrittenLog().state, State("nobody")):
        views = {noun: view(noun, state, 10**15) for noun in VIEWS}
        with console.capture() as shown:
            console.print(screen(views, HERE.zone))
        assert all(noun.replace("_", " ") in shown.get() for noun in VIEWS)
