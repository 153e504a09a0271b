"""
What a writer tells people who may not: strangers nothing at all, members why; all of it on record.
"""

from __future__ import annotations

import msgspec
import pytest

from contracts.access import CallerRefused
from contracts.account import PLATFORM, FoundPlatform
from contracts.budget import RefusalsCounted
from contracts.commands import NOUN_AND_VERB
from contracts.views import VIEWS, AccountView
from domain.flood import REFUSALS_RECORDED_PER_S
from domain.state import State
from services.audit.findings import Findings
from services.audit.tenant_audit import TenantAudit
from services.gate.writer import TenantWriter, Waiter
from services.tenant_log.codec import GENESIS
from tests import examples
from tests.audit.written_log import SECOND_US, WrittenLog
from tests.domain.people import People, invitation_of, key_of, secret
from tests.projections.twin_story import START_US

STRANGERS = ("person_nobody", f"key_{key_of('nobody')}", "visitor_1", "admin_", "nonsense")


def absent(tenant: str = "cantor") -> TenantWriter:
    """The writer of a name that nobody provisioned."""
    return TenantWriter(
        State(tenant),
        GENESIS,
        0,
        key=None,
        key_version=0,
        actor="worker-test",
        clock=lambda: START_US,
    )


def asked(writer: TenantWriter, principal: str, *commands, question: str = "") -> list:
    """What the writer answers at once; nothing if it waits for the log."""
    answers: list = []
    writer.offer(Waiter(list(commands), principal, answers.extend, question=question))
    return answers


@pytest.mark.parametrize("principal", STRANGERS)
@pytest.mark.parametrize("command", examples.COMMANDS, ids=lambda c: "_".join(of(c)))
def test_a_stranger_is_answered_alike_whether_there_is_a_twin_or_not(command, principal):
    """Byte for byte, and at once: an answer that waits for the log would tell as well."""
    log = WrittenLog()

    told = asked(log.writer, principal, command)

    assert len(told) == 1
    assert told[0].code == "caller_unknown"
    assert msgspec.json.encode(told) == msgspec.json.encode(asked(absent(), principal, command))
    log.flush()
    assert log.events(len(log.stored))[-1] == denial(log, principal, command)


def of(command) -> tuple[str, str]:
    return NOUN_AND_VERB[type(command)]


def denial(log: WrittenLog, principal: str, command) -> CallerRefused:
    number = log.state.decisions
    refused = ("caller_unknown", 403)
    return CallerRefused(number, command.command_id, START_US, principal, *of(command), *refused)


@pytest.mark.parametrize("principal", STRANGERS)
@pytest.mark.parametrize("noun", list(VIEWS))
def test_a_stranger_learns_nothing_from_a_question_either(noun, principal):
    """And the question is on record: looking is what most strangers want."""
    log = WrittenLog()

    told = asked(log.writer, principal, question=noun)

    assert msgspec.json.encode(told) == msgspec.json.encode(
        asked(absent(), principal, question=noun)
    )
    log.flush()
    (event,) = log.events(len(log.stored))
    assert (event.principal, event.noun, event.verb) == (principal, noun, "show")


def test_a_guessed_invitation_is_a_strangers_question():
    """Right id and wrong secret, no such id, no such twin: one and the same answer."""
    log = WrittenLog()
    people = People()
    people.invite("ana", expires_at_us=people.now_us + SECOND_US)
    log.state.access.invitations = people.state.access.invitations
    guess = examples.COMMANDS[
        [type(c).__name__ for c in examples.COMMANDS].index("AcceptInvitation")
    ]
    guesses = [
        msgspec.structs.replace(guess, invitation_id=invitation_of("ana"), person="eve"),
        msgspec.structs.replace(guess, secret=secret("ana"), person="eve"),
    ]

    for command in guesses:
        told = asked(log.writer, "person_eve", command)
        assert msgspec.json.encode(told) == msgspec.json.encode(
            asked(absent(), "person_eve", command)
        )


def test_a_flood_of_strangers_stays_bounded_and_is_counted_exactly():
    """At most 21 events a second, whoever asks for whatever how often."""
    log = WrittenLog()
    before = len(all_events(log))
    for number in range(3_000):
        if number % 3:
            asked(log.writer, STRANGERS[number % 5], examples.COMMANDS[number % 30])
        else:
            asked(log.writer, STRANGERS[number % 5], question="budget")
    log.later(SECOND_US)

    new = all_events(log)[before:]

    recorded = [event for event in new if isinstance(event, CallerRefused)]
    (counted,) = [event for event in new if isinstance(event, RefusalsCounted)]
    assert len(recorded) == REFUSALS_RECORDED_PER_S
    assert counted.counts == {"caller_unknown": 3_000 - REFUSALS_RECORDED_PER_S}
    assert len(new) == REFUSALS_RECORDED_PER_S + 1


def test_strangers_to_a_name_that_is_no_twin_write_nothing():
    """No log is begun for a name that somebody made up."""
    writer = absent()
    for number in range(1_000):
        asked(writer, "person_nobody", examples.COMMANDS[number % 30])

    assert writer.is_idle
    assert writer.next_deadline_us() is None


def test_a_denial_to_a_member_is_answered_when_it_is_on_record():
    """They know the twin; for them the record comes first, as for any decision."""
    log = WrittenLog()
    people = People()
    people.join("ana", "viewer")
    log.state.access.members = people.state.access.members
    top_up = next(c for c in examples.COMMANDS if of(c) == ("budget", "top_up"))
    answers: list = []

    log.writer.offer(Waiter([top_up], "person_ana", answers.extend))
    assert not answers
    log.flush()

    assert (answers[0].code, answers[0].status) == ("caller_not_allowed", 403)


async def test_a_log_with_denials_is_proved_like_any_other():
    """Numbers, digests and the chain hold with events that answer no command."""
    log = WrittenLog()
    asked(log.writer, "person_nobody", examples.COMMANDS[1])
    asked(log.writer, "person_nobody", question="budget")
    log.do(log.top_up(5))
    asked(log.writer, "person_nobody", question="budget")
    log.do(log.top_up(5), log.top_up(6))
    findings = Findings("cantor")

    await TenantAudit("cantor", log.prefix, log, log, findings).run(len(log.stored))

    assert findings.listed == []


class TestPlatform:
    FOUND = FoundPlatform(command_id="found", person="root", email="root@example.com")

    def test_it_is_absent_until_it_is_founded(self):
        """By the operator only; a twin cannot be provisioned under its name."""
        told = asked(absent(PLATFORM), "operator", examples.COMMANDS[0])
        assert told[0].code == "twin_unknown"
        assert asked(absent(PLATFORM), "admin_root", self.FOUND)[0].code == "caller_unknown"
        assert asked(absent("cantor"), "operator", self.FOUND)[0].code == "twin_unknown"

    def test_founding_begins_its_log_and_may_be_repeated(self):
        """`vito up` says it at every start."""
        writer = TenantWriter(
            State(PLATFORM),
            GENESIS,
            0,
            key=bytes(32),
            key_version=1,
            actor="worker-test",
            clock=lambda: START_US,
        )
        answers: list = []
        for _ in range(2):
            writer.offer(Waiter([self.FOUND], "operator", answers.extend))
        append = writer.take()
        writer.stored(1)

        assert append.noun == "account"
        assert [(a.code, a.replayed) for a in answers] == [("founded", False), ("founded", True)]
        (shown,) = asked(writer, "admin_root", question="account")
        assert isinstance(shown, AccountView)


def all_events(log: WrittenLog) -> list:
    return [event for stored in log.stored for event in log.events(stored.version)]
