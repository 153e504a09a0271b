"""What a door reports of those it has turned away: exactly once, and never more than fits."""

from __future__ import annotations

import msgspec
import pytest

from contracts.access import DenialReported, ReportDenial
from contracts.account import PLATFORM, FoundPlatform
from contracts.budget import RefusalsCounted
from contracts.tenant import EraseTenant
from domain.flood import REFUSALS_RECORDED_PER_S
from services.audit.findings import Findings
from services.audit.tenant_audit import TenantAudit
from services.gate.waiter import Waiter
from tests import examples
from tests.audit.written_log import SECOND_US, WrittenLog
from tests.gate.test_strangers import absent, all_events, asked

REPORT = next(one for one in examples.COMMANDS if isinstance(one, ReportDenial))


def report(number: int = 0, times: int = 1) -> ReportDenial:
    return msgspec.structs.replace(REPORT, command_id=f"r-{number}", times=times)


def reported(log: WrittenLog) -> list[DenialReported]:
    return [event for event in all_events(log) if isinstance(event, DenialReported)]


def test_a_denial_is_an_event_of_its_own():
    """All that the door knows, by the deployment's own credentials."""
    log = WrittenLog()
    (told,) = log.do(report(times=3))

    (event,) = reported(log)
    assert (told.status, told.code, told.position) == (200, "denial_reported", len(log.stored))
    assert (event.principal, event.noun, event.verb) == (REPORT.principal, "budget", "show")
    assert (event.door, event.code, event.status) == ("http", "caller_unknown", 403)
    assert (event.about, event.times, event.actor) == ("fernandez", 3, "operator")


def test_a_report_that_is_repeated_is_the_same_one():
    """The door asks again when an answer was lost."""
    log = WrittenLog()
    log.do(report())
    (again,) = log.do(report())

    assert again.replayed
    assert len(reported(log)) == 1


@pytest.mark.parametrize("principal", ["person_owner", "admin_root", "key_x", "visitor_x"])
def test_nobody_else_can_report(principal):
    """Or anybody could accuse anybody."""
    log = WrittenLog()
    asked(log.writer, principal, report())
    log.flush()

    assert reported(log) == []


def test_a_flood_of_reports_stays_bounded_and_is_counted_exactly():
    """Each as often as the door says; the log grows by 21 events in that second."""
    log = WrittenLog()
    before = len(all_events(log))
    for number in range(500):
        log.do(report(number, times=10))
    log.later(SECOND_US)

    new = all_events(log)[before:]
    (counted,) = [event for event in new if isinstance(event, RefusalsCounted)]
    assert len(reported(log)) == REFUSALS_RECORDED_PER_S
    assert counted.counts == {"caller_unknown": 10 * (500 - REFUSALS_RECORDED_PER_S)}
    assert len(new) == REFUSALS_RECORDED_PER_S + 1


def test_a_name_that_is_no_twin_gets_no_log():
    """A stranger's guess must not make one."""
    writer = absent()
    (told,) = asked(writer, "operator", report())

    assert (told.status, told.code) == (404, "twin_unknown")
    assert writer.is_idle


def test_an_erased_twin_gets_nothing_more():
    """Nothing follows the last event of a log."""
    log = WrittenLog()
    log.do(EraseTenant(command_id="e", confirm="cantor", reason="asked for"))
    commits = len(log.stored)
    (told,) = asked(log.writer, "operator", report())

    assert told.status == 410
    assert (len(log.stored), log.writer.has_work) == (commits, False)


def test_the_platform_has_denials_of_people():
    """Who belongs to no twin has an account there."""
    writer = absent(PLATFORM)
    writer._keys = WrittenLog().writer._keys
    found = FoundPlatform(command_id="found", person="root", email="root@example.com")
    answers: list = []
    for command in (found, report()):
        writer.offer(Waiter([command], "operator", answers.extend))
    while writer.has_work:
        writer.stored(writer.take().version)

    assert [answer.code for answer in answers] == ["founded", "denial_reported"]


async def test_a_log_with_reports_is_proved_like_any_other():
    """Numbers, digests and the chain hold, beside denials of the gate itself."""
    log = WrittenLog()
    log.do(report(1), report(2, times=5))
    asked(log.writer, "person_nobody", question="budget")
    log.do(log.top_up(5), report(3))
    findings = Findings("cantor")

    await TenantAudit("cantor", log.prefix, log, log, findings).run(len(log.stored))

    assert findings.listed == []
