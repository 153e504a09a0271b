"""
The tally: every call that a vendor counted, against the holds of the log and the rows of the table.

    a call that a vendor counted    is of exactly one hold, by the name that it was given
    its hold                        was settled; or it expired, because its process was killed
    a settlement                    is of exactly one call, and is exactly one row of `audit_logs`
    a hold that expired uncalled    its process was killed between the grant and the call

So calls == settlements + expired holds with a call, and settlements == rows. There is no slack:
whatever does not fit is a finding, with its name. Counted are calls that a vendor bills or refuses
to; asking how a session stands, listing and ending sessions are part of the call that began them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from contracts.budget import CallAuthorized, CallSettled, HoldReleased, HoldsExpired
from contracts.commit import AnyEvent
from services.sandbox.ledger import Call
from services.vendors.session_name import parse

BILLABLE: Final = frozenset(
    (("openai", "chat"), ("cartesia", "context"), ("tavus", "conversation.create"))
)
FINDINGS_MAX: Final = 20


class Holds(msgspec.Struct):
    """What became of the holds of one log, by reservation."""

    granted: set[str] = msgspec.field(default_factory=set)
    settled: Counter[str] = msgspec.field(default_factory=Counter)
    released: set[str] = msgspec.field(default_factory=set)
    expired: set[str] = msgspec.field(default_factory=set)


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """
    What was counted. *expired* holds were never settled; *expired_called* of them have a call.

    *late* of the *settled* were settled after their hold had expired. *difference* is 0 if
    everything fits; *findings* says what does not, the first of them by name.
    """

    calls: int
    rows: int
    settled: int
    late: int
    released: int
    expired: int
    expired_called: int
    difference: int
    findings: list[str]


def holds_of(tenant: str, events: Iterable[AnyEvent]) -> Holds:
    """Read a twin's log."""
    found = Holds()
    for event in events:
        match event:
            case CallAuthorized():
                found.granted.add(f"{tenant}.{event.decision}")
            case CallSettled():
                found.settled[f"{tenant}.{event.reservation}"] += 1
            case HoldReleased():
                found.released.add(f"{tenant}.{event.reservation}")
            case HoldsExpired():
                found.expired.update(f"{tenant}.{one.reservation}" for one in event.holds)
    return found


def reservation_of(call: Call) -> str:
    """Return the hold that a call names; each vendor takes names of another spelling."""
    match call.vendor:
        case "cartesia":
            tenant, _, number = call.named.rpartition("-")
            return f"{tenant}.{number}"
        case "tavus":
            session = parse(call.named)
            return "" if session is None else session.reservation_id
        case _:
            return call.named


def tally(
    calls: Iterable[Call], holds: Mapping[str, Holds], rows: Mapping[str, Iterable[str]]
) -> Tally:
    """Compare *calls* with the *holds* and the audit *rows* (their reservations) of each twin."""
    called = Counter(
        reservation_of(call) for call in calls if (call.vendor, call.operation) in BILLABLE
    )
    granted = {one for of in holds.values() for one in of.granted}
    released = {one for of in holds.values() for one in of.released}
    settled = Counter[str]()
    booked = Counter[str]()
    for tenant, of in holds.items():
        settled.update(of.settled)
        booked.update(rows[tenant])
    ever_expired = {one for of in holds.values() for one in of.expired}
    expired = ever_expired - settled.keys()
    ended = settled.keys() | released | expired
    findings = [
        *_named("called without a hold", called.keys() - granted),
        *_named("called twice with one hold", (one for one, n in called.items() if n > 1)),
        *_named("called and given back", called.keys() & released),
        *_named("called and neither settled nor expired", called.keys() - ended),
        *_named("settled without a call", settled.keys() - called.keys()),
        *_named("settled twice", (one for one, n in settled.items() if n > 1)),
        *_named("settled and not a row", (settled - booked).keys()),
        *_named("a row and not settled", (booked - settled).keys()),
        *_named("still held", granted - ended),
    ]
    return Tally(
        calls=called.total(),
        rows=booked.total(),
        settled=settled.total(),
        late=len(ever_expired & settled.keys()),
        released=len(released),
        expired=len(expired),
        expired_called=len(expired & called.keys()),
        difference=len(findings),
        findings=findings[:FINDINGS_MAX],
    )


def _named(what: str, reservations: Iterable[str]) -> list[str]:
    return [f"{one}: {what}" for one in sorted(reservations)]
