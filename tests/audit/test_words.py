"""Events in plain words: exact money, the tenant's own clock, and nothing that moves a cursor."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import msgspec
import pytest
from rich.console import Console

from contracts.budget import ExtendCall
from contracts.commit import AnyEvent
from contracts.data_key import DataKeyEvent
from contracts.examples import CONTENT
from contracts.policy import BudgetPolicy, Quotas, SetPolicy
from contracts.prompt import ActivatePrompt, RollBackPrompt, SavePrompt
from contracts.secret import SecretEvent
from contracts.tenant import ResumeTenant, SuspendTenant, TenantErased, TenantSuspended
from contracts.topics import RollBackTopics, SetTopics, Topic
from contracts.twin import (
    BeginCalibration,
    RecordSample,
    Refinement,
    RefineTwin,
    RetireTwin,
    SetIdentity,
    SetPurpose,
    SignOffTwin,
)
from contracts.usage import Usage
from contracts.views import VIEWS
from domain.state import State
from domain.views import view
from services.audit import words
from services.audit.amounts import money, units
from services.audit.showing import screen
from services.audit.teller import Where
from services.audit.words import mood, sentence
from tests import examples
from tests.audit.written_log import SECOND_US, WrittenLog
from tests.domain.dna import identity, purpose
from tests.projections.twin_story import policy

POLICY = (
    "policy 2 in force: 1000000 calls per 1 s (burst 1000000, drop), at most $1.00 a month,"
    " from 80 % on only text, clock of America/Mexico_City (soft)"
)
# 12:00 UTC, in Mexico City.
DAY = "2026-11-10 06:00"
DRAFTED = (
    "identity 1 drafted: Calm\N{REPLACEMENT CHARACTER}; Fast, high energy; es-AR"
    " (Rioplatense Spanish), 1 phrase (first)"
)
VAULT = SecretEvent | DataKeyEvent | TenantErased
HERE = Where(ZoneInfo("America/Mexico_City"), "USD")


@pytest.fixture(scope="module")
def told() -> dict[str, tuple[str, str]]:
    """One event of each kind, with its sentence and its mood."""
    events = [*examples.EVENTS, *all_kinds()]
    return {type(event).__name__: (sentence(event, HERE), mood(event)) for event in events}


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
        SuspendTenant(command_id="suspend", mode="asleep", reason="too dear"),
        ResumeTenant(command_id="resume"),
    )
    log.do(*prompts())
    changed = policy(
        budget=BudgetPolicy(10**9, soft_cap_permille=800),
        quotas=Quotas(video_minute_units=7, data_requests=5),
    )
    log.do(SetPolicy(command_id="set", policy=changed, note="soft"))
    log.do(*(log.authorize(amount=10**9) for _ in range(22)))
    log.later(2 * SECOND_US)
    return [*shaped(), *written(log)]


def shaped() -> list[AnyEvent]:
    """A twin from its first draft to its end."""
    log = WrittenLog()
    log.do(SetIdentity(command_id="i", identity=identity(tone="Calm\n"), note="first"))
    log.do(RefineTwin(command_id="f", refinement=Refinement(1_050, 900), note="higher"))
    log.do(SetPurpose(command_id="u", purpose=purpose()))
    log.do(BeginCalibration(command_id="b", version=2, provider_id="video-vendor", sku="s"))
    for number in range(3):
        (granted,) = log.do(log.authorize("video", 10, purpose="calibration"))
        name = granted.reservation_id
        log.do(log.settle(name, 10, "video"))
        command_id = f"sample-{number}"
        log.do(RecordSample(command_id=command_id, reservation_id=name, reference="v-1"))
    log.do(SignOffTwin(command_id="s", version=2, note="¡Soy yo!"))
    log.do(RetireTwin(command_id="r", reason="contract ended"))
    return written(log)


def written(log: WrittenLog) -> list[AnyEvent]:
    return [as_before(event) for stored in log.stored for event in log.events(stored.version)]


def as_before(event: AnyEvent) -> AnyEvent:
    """A reason as it could be written before texts had a rule; such logs are shown as well."""
    is_odd = isinstance(event, TenantSuspended)
    return msgspec.structs.replace(event, reason="too dear\x07") if is_odd else event


def prompts() -> list:
    topic = Topic(name="apuestas", phrases=["quiniela"])
    return [
        SavePrompt(command_id="save-1", text="Hola\x20", expected_version=0),
        ActivatePrompt(command_id="live-1", version=1),
        SavePrompt(command_id="save-2", text="Adiós", expected_version=1, note="más calma"),
        ActivatePrompt(command_id="live-2", version=2),
        RollBackPrompt(command_id="back", version=1, reason="too calm"),
        SetTopics(command_id="set-1", topics=[topic], expected_version=0, note="legal"),
        SetTopics(command_id="set-2", topics=[], expected_version=1),
        RollBackTopics(command_id="back-2", version=1),
    ]


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
        ("CallerRefused", "person_bob may not policy set: 403 caller_not_allowed", "refused"),
        (
            "DenialReported",
            (
                "key_k7f3a9c2d4e5 may not budget show of fernandez (http door):"
                " 403 caller_unknown, 3 times"
            ),
            "refused",
        ),
        ("GlassBroken", f"super admin root broke the glass until {DAY} (ticket 4711)", "careful"),
        (
            "KeyIssued",
            f"person_owner issued key k7f3a9c2d4e5 (livekit-agent; calls agent), valid until {DAY}",
            "quiet",
        ),
        (
            "SignInFailed",
            f"wrong password for ana-1, 6 in a row; the next try waits until {DAY}",
            "careful",
        ),
        (
            "PromptSaved",
            (
                "prompt 2 saved by operator: 5 characters, 0 variables, made from version 1"
                " (más calma)"
            ),
            "quiet",
        ),
        ("PromptActivated", "prompt 2 live in place of 1, by operator", "quiet"),
        (
            "PromptRolledBack",
            "prompt rolled back from 2 to 1, by operator (too calm)",
            "careful",
        ),
        ("TopicsSet", "prohibited topics 2 in force, by operator: none", "quiet"),
        (
            "TopicsRolledBack",
            "prohibited topics rolled back from 2 to 1, by operator",
            "careful",
        ),
        (
            "IdentityDrafted",
            DRAFTED,
            "quiet",
        ),
        ("IdentityRefined", "identity 2 drafted: pitch 105 %, speed 90 % (higher)", "quiet"),
        (
            "PurposeSet",
            "purpose 1 in force: entertainment for Soccer fans aged 18-50, “Download the app!”",
            "quiet",
        ),
        (
            "CalibrationBegun",
            "calibration 1 of identity 2 begins: 3 video samples by video-vendor/s",
            "quiet",
        ),
        ("SampleRecorded", "sample 3 of calibration 1 recorded: call 12 (v-1)", "quiet"),
        (
            "TwinSignedOff",
            "identity 2 signed off by operator after samples 6, 9, 12; it is live (¡Soy yo!)",
            "good",
        ),
        ("TwinRetired", "retired, for ever (contract ended)", "refused"),
        (
            "DeploymentCreated",
            (
                "created deployment web: web_widget up to voice on https://tvazteca.example,"
                " https://xn--ftbol-7ua.example:8443, at most 1200 visitors a minute, until"
                " 2026-11-30 18:00; it discloses 'Hablas con una IA.\\n¡Goooool!' (es-MX)"
                " (match day)"
            ),
            "quiet",
        ),
        (
            "DisclosureSet",
            "deployment web discloses, version 2: 'Soy una IA.' (es) (legal)",
            "quiet",
        ),
        ("DeploymentEnabled", "enabled deployment web (go)", "good"),
        ("DeploymentDisabled", "disabled deployment web (stop)", "careful"),
        (
            "VisitorAdmitted",
            (
                "admitted visitor 5f2a9c0d7be14c3f to web from https://tvazteca.example: up to"
                " voice, until 06:15:00, disclosure 2"
            ),
            "good",
        ),
        (
            "SourceAdded",
            "added source rules: web 'Reglas' at https://example.com/reglas",
            "quiet",
        ),
        ("IngestionBegun", "began ingestion 42 of source rules", "quiet"),
        (
            "SourceIngested",
            f"ingested source rules: 128 chunks, content {CONTENT}, waits for review",
            "quiet",
        ),
        ("IngestionFailed", "could not ingest source rules (404)", "careful"),
        (
            "SourceApproved",
            f"person_bea approved source rules, content {CONTENT} (read it all)",
            "good",
        ),
        (
            "SourceRejected",
            f"person_bea rejected source rules, content {CONTENT} (last year's)",
            "careful",
        ),
        ("SourceRetired", "retired source rules (World Cup is over)", "careful"),
        (
            "SessionBegun",
            (
                "opened session 5f2a9c0d7be14c3f at web by voice, until 06:01:00 unless it goes"
                " on; bundle 42, 1 approved sources; to disclose: version 2"
            ),
            "quiet",
        ),
        ("DisclosureShown", "session 5f2a9c0d7be14c3f was shown disclosure 2", "quiet"),
        ("SessionRenewed", "session 5f2a9c0d7be14c3f goes on until 06:01:30", "quiet"),
        (
            "SessionStepped",
            (
                "session 5f2a9c0d7be14c3f goes on by text instead of voice (quota_exhausted); the"
                " notice was spoken"
            ),
            "careful",
        ),
        (
            "SessionEnded",
            "session 5f2a9c0d7be14c3f ended: its visitor left (¡adiós!)",
            "quiet",
        ),
        ("SessionKilled", "stopped session 5f2a9c0d7be14c3f (abusive)", "refused"),
        ("SessionsKilled", "stopped every session: 2 of them (wrong prompt)", "refused"),
        (
            "SessionsEnded",
            (
                "sessions ended: 5f2a9c0d7be14c3f (its deployment was disabled), s-2 (nobody kept"
                " it alive)"
            ),
            "careful",
        ),
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
