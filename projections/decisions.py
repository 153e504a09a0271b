"""
Decisions: one row for every answer of the gate that is in the log.

That is every numbered decision but settlements, whose rows are those of the audit log: a decision
id is in exactly one of the two. *verdict* is set where a call was asked for; *fingerprint* is the
command's payload, where the decision is the answer to its id. Refusals of a flood
are not listed but counted, per minute and code, in `refusal_counts`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from contracts.access import CallerRefused, DenialReported
from contracts.budget import (
    CallAuthorized,
    CallRefused,
    CommandRefused,
    CreditsAdded,
    HoldExtended,
    HoldReleased,
    RefusalsCounted,
    Standing,
)
from contracts.policy import PolicySet
from contracts.price_book import PriceBookSet
from contracts.replies import Verdict
from contracts.session import SessionBegun, SessionRenewed, SessionStepped
from contracts.tenant import TenantProvisioned, TenantResumed, TenantSuspended
from projections.cells import (
    NULL,
    NUMBER,
    TEXT,
    copied,
    copied_json,
    copied_name,
    line_of,
    moment,
    moment_or_null,
    name_or_null,
    text,
)
from projections.decided import DECIDED
from projections.projection import Append, Change, Commit, Write

NAME = "decisions"
DEFINITION = 4
CHANGED: tuple[str, ...] = ("refusal_counts",)

GRANTED = 200
# Changes of a session that say which rung it is on from then on.
_ON_A_RUNG: Final = (SessionBegun, SessionRenewed, SessionStepped)
_Values: TypeAlias = tuple[object, ...]
_MINUTE_US = 60_000_000

TABLES = """
CREATE TABLE {schema}.decisions (
    tenant          text        NOT NULL,
    decision        bigint      NOT NULL,
    position        bigint      NOT NULL,
    ordinal         integer     NOT NULL,
    occurred_at     timestamptz NOT NULL,
    command_id      text        NOT NULL,
    noun            text        NOT NULL,
    verb            text        NOT NULL,
    verdict         text CHECK (verdict IN ('PASS', 'THROTTLE', 'DOWNGRADE', 'DENY')),
    status          integer     NOT NULL,
    code            text        NOT NULL,
    reservation     bigint,
    requested       text,
    modality        text,
    provider_id     text,
    sku             text,
    amount_nanos    numeric     NOT NULL,
    credit_nanos    bigint      NOT NULL,
    delay_us        bigint      NOT NULL,
    retry_after_us  bigint      NOT NULL,
    expires_at      timestamptz,
    session_id      text,
    policy_version  integer,
    price_version   integer,
    committed_nanos numeric,
    held_nanos      numeric,
    limit_nanos     bigint,
    credits_nanos   bigint,
    resets_at       timestamptz,
    actor           text,
    facts           jsonb       NOT NULL,
    fingerprint     text,
    PRIMARY KEY (tenant, decision)
);
CREATE INDEX ON {schema}.decisions (tenant, occurred_at, decision);
CREATE INDEX ON {schema}.decisions (tenant, session_id, decision) WHERE session_id IS NOT NULL;
CREATE INDEX ON {schema}.decisions (tenant, noun, decision) WHERE noun <> 'budget';
CREATE INDEX ON {schema}.decisions (tenant, actor, decision) WHERE actor IS NOT NULL;
CREATE INDEX ON {schema}.decisions (tenant, decision) WHERE status >= 400;
CREATE INDEX ON {schema}.decisions USING hash (command_id); -- the cheapest of random ids
CREATE TABLE {schema}.refusal_counts (
    tenant   text        NOT NULL,
    minute   timestamptz NOT NULL,
    code     text        NOT NULL,
    refusals bigint      NOT NULL,
    position bigint      NOT NULL,
    PRIMARY KEY (tenant, minute, code)
);
"""

VIEWS = {
    "decisions": """
SELECT tenant, decision, tenant || '.' || decision AS decision_id, position, ordinal, occurred_at,
    command_id, noun, verb, verdict, status, code,
    reservation, tenant || '.' || reservation AS reservation_id,
    requested, modality, provider_id, sku, amount_nanos, credit_nanos, delay_us, retry_after_us,
    expires_at, session_id, policy_version, price_version, committed_nanos, held_nanos,
    limit_nanos, credits_nanos, resets_at, actor, facts, fingerprint
FROM {schema}.decisions
""",
    "refusal_counts": """
SELECT tenant, minute, code, refusals, position FROM {schema}.refusal_counts
""",
}

_COUNT = """
INSERT INTO {schema}.refusal_counts AS r (tenant, minute, code, refusals, position)
SELECT tenant, minute, code, refusals, position FROM json_to_recordset(%s::json) AS c(
    tenant text, minute timestamptz, code text, refusals bigint, position bigint)
ON CONFLICT (tenant, minute, code) DO UPDATE SET
    refusals = r.refusals + excluded.refusals, position = excluded.position
"""


class _Decision(NamedTuple):
    """A line's values, in the order of the columns; what a decision does not have stays null."""

    tenant: str
    decision: int
    position: int
    ordinal: int
    occurred_at: str
    command_id: str
    noun: str
    verb: str
    verdict: str = NULL
    status: int = GRANTED
    code: str = ""
    reservation: int | str = NULL
    requested: str = NULL
    modality: str = NULL
    provider_id: str = NULL
    sku: str = NULL
    amount_nanos: int = 0
    credit_nanos: int = 0
    delay_us: int = 0
    retry_after_us: int = 0
    expires_at: str = NULL
    session_id: str = NULL
    policy_version: int | str = NULL
    price_version: int | str = NULL
    committed_nanos: int | str = NULL
    held_nanos: int | str = NULL
    limit_nanos: int | str = NULL
    credits_nanos: int | str = NULL
    resets_at: str = NULL
    actor: str = NULL
    facts: str = "{}"
    fingerprint: str = NULL


_NUMBERS = {field for field, kind in _Decision.__annotations__.items() if kind == "int"}
_LINE = line_of({f: NUMBER if f in _NUMBERS else TEXT for f in _Decision._fields})


class _Count(msgspec.Struct, gc=False):
    """Refusals that were only counted, of one minute and code."""

    tenant: str
    minute: str
    code: str
    refusals: int = 0
    position: int = 0


class Fold:
    """A row for each decision, and by how much the counts of refusals grow."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._counts: dict[tuple[str, str, str], _Count] = {}

    def add(self, commit: Commit) -> None:
        """See Folding."""
        latest: object = 0
        for ordinal, event in enumerate(commit.events):
            values_of = _VALUES_OF.get(type(event))
            if values_of is not None:
                values = values_of(commit, ordinal, event)
                # Provisioning is one decision of several events; the first of them names it.
                if values[1] != latest:
                    latest = values[1]
                    self._lines.append(_LINE % values)
            elif isinstance(event, RefusalsCounted):
                self._count(commit, event)

    def writes(self) -> list[Write]:
        """See Folding."""
        return [
            Append("decisions", _Decision._fields, self._lines),
            Change(_COUNT, list(self._counts.values())),
        ]

    def _count(self, commit: Commit, event: RefusalsCounted) -> None:
        minute = moment(event.from_us - event.from_us % _MINUTE_US)
        for code, refusals in event.counts.items():
            key = (commit.tenant, minute, text(code))
            count = self._counts.get(key)
            if count is None:
                count = self._counts[key] = _Count(*key)
            count.refusals += refusals
            count.position = commit.position


def _authorized(commit: Commit, ordinal: int, event: CallAuthorized) -> _Values:
    standing = event.standing
    facts = {"stepped_down_for": event.stepped_down_for} if event.stepped_down_for else {}
    if event.purpose != "live":
        facts["purpose"] = event.purpose
    # A plain tuple in the order of the columns: a named one takes twice as long to make.
    return (
        commit.tenant,
        event.decision,
        commit.position,
        ordinal,
        moment(event.at_us),
        copied(event.command_id),
        "budget",
        "authorize",
        _verdict(event),
        GRANTED,
        "granted",
        event.decision,
        event.requested,
        event.modality,
        copied_name(event.provider_id),
        copied_name(event.sku),
        event.amount_nanos,
        event.credit_nanos,
        event.delay_us,
        0,
        moment(event.expires_at_us),
        name_or_null(event.session_id),
        event.policy_version,
        event.price_version,
        standing.committed_nanos,
        standing.held_nanos,
        standing.limit_nanos,
        standing.credits_nanos,
        moment_or_null(standing.resets_at_us),
        NULL,
        copied_json(facts) if facts else "{}",
        event.fingerprint.hex(),
    )


def _verdict(event: CallAuthorized) -> Verdict:
    if event.modality != event.requested:
        return "DOWNGRADE"
    return "THROTTLE" if event.delay_us else "PASS"


def _refused(commit: Commit, ordinal: int, event: CallRefused) -> _Decision:
    return _row(commit, ordinal, event, "budget", event.verb, event.code)._replace(
        verdict="DENY",
        status=event.status,
        requested=name_or_null(event.requested),
        provider_id=name_or_null(event.provider_id),
        sku=name_or_null(event.sku),
        amount_nanos=event.amount_nanos,
        retry_after_us=event.retry_after_us,
        session_id=name_or_null(event.session_id),
        policy_version=event.policy_version,
        price_version=event.price_version,
        facts=copied_json(event.facts) if event.facts else "{}",
        **_stood(event.standing),
    )


def _extended(commit: Commit, ordinal: int, event: HoldExtended) -> _Decision:
    return _row(commit, ordinal, event, "budget", "extend", "extended")._replace(
        verdict="PASS",
        reservation=event.reservation,
        requested=event.modality,
        modality=event.modality,
        amount_nanos=event.amount_nanos,
        credit_nanos=event.credit_nanos,
        expires_at=moment(event.expires_at_us),
        session_id=name_or_null(event.session_id),
        policy_version=event.policy_version,
        **_stood(event.standing),
    )


def _released(commit: Commit, ordinal: int, event: HoldReleased) -> _Decision:
    return _row(commit, ordinal, event, "budget", "release", "released")._replace(
        reservation=event.reservation,
        modality=event.modality,
        amount_nanos=event.held_nanos,
        credit_nanos=event.held_credit_nanos,
        session_id=name_or_null(event.session_id),
        facts=copied_json({"reason": event.reason}) if event.reason else "{}",
        **_stood(event.standing),
    )


def _topped_up(commit: Commit, ordinal: int, event: CreditsAdded) -> _Decision:
    return _row(commit, ordinal, event, "budget", "top_up", "topped_up")._replace(
        amount_nanos=event.amount_nanos,
        actor=copied(event.actor),
        facts=copied_json({"reason": event.reason}) if event.reason else "{}",
        **_stood(event.standing),
    )


def _command_refused(commit: Commit, ordinal: int, event: CommandRefused) -> _Decision:
    about = event.facts.get("session_id") if event.noun == "session" else None
    return _row(commit, ordinal, event, event.noun, event.verb, event.code)._replace(
        status=event.status,
        session_id=name_or_null(str(about or "")),
        facts=copied_json(event.facts) if event.facts else "{}",
        **_stood(event.standing),
    )


def _provisioned(commit: Commit, ordinal: int, event: TenantProvisioned) -> _Decision:
    facts = {
        "display_name": event.display_name,
        "organisation": event.organisation,
        "activation": event.activation,
    }
    return _row(commit, ordinal, event, "tenant", "provision", "provisioned")._replace(
        actor=copied(event.actor), facts=copied_json(facts)
    )


def _suspended(commit: Commit, ordinal: int, event: TenantSuspended) -> _Decision:
    facts = {"mode": event.mode, "reason": event.reason}
    return _row(commit, ordinal, event, "tenant", "suspend", "suspended")._replace(
        actor=copied(event.actor), facts=copied_json(facts)
    )


def _resumed(commit: Commit, ordinal: int, event: TenantResumed) -> _Decision:
    return _row(commit, ordinal, event, "tenant", "resume", "resumed")._replace(
        actor=copied(event.actor), facts=copied_json({"reason": event.reason})
    )


def _policy_set(commit: Commit, ordinal: int, event: PolicySet) -> _Decision:
    return _row(commit, ordinal, event, "policy", "set", "policy_set")._replace(
        policy_version=event.version,
        actor=copied(event.actor),
        facts=copied_json({"note": event.note}) if event.note else "{}",
    )


def _prices_set(commit: Commit, ordinal: int, event: PriceBookSet) -> _Decision:
    return _row(commit, ordinal, event, "price_book", "set", "price_book_set")._replace(
        price_version=event.version,
        actor=copied(event.actor),
        facts=copied_json({"note": event.note}) if event.note else "{}",
    )


def _decided(commit: Commit, ordinal: int, event: Any) -> _Decision:
    told = DECIDED[type(event)]
    row = _row(commit, ordinal, event, told.noun, told.verb, told.code)
    return row._replace(
        # A sample is a call that was paid for.
        reservation=getattr(event, "reservation", NULL),
        session_id=_session_of(event),
        modality=event.modality if isinstance(event, _ON_A_RUNG) else NULL,
        actor=copied(event.actor),
        facts=copied_json(told.shown(event)),
    )


def _session_of(event: Any) -> str:
    return name_or_null(getattr(event, "session_id", ""))


def _caller_refused(commit: Commit, ordinal: int, event: CallerRefused) -> _Decision:
    row = _row(commit, ordinal, event, event.noun, event.verb, event.code)
    return row._replace(status=event.status, actor=copied(event.principal))


def _denial_reported(commit: Commit, ordinal: int, event: DenialReported) -> _Decision:
    # Told like a denial of the gate: what was asked and by whom, not that a door said so.
    told = {"door": event.door, "about": event.about, "times": event.times}
    facts = {name: value for name, value in told.items() if value not in ("", 1)}
    row = _row(commit, ordinal, event, event.noun, event.verb, event.code)
    return row._replace(
        status=event.status, actor=copied(event.principal), facts=copied_json(facts)
    )


def _row(commit: Commit, ordinal: int, event: Any, noun: str, verb: str, code: str) -> _Decision:
    return _Decision(
        commit.tenant,
        event.decision,
        commit.position,
        ordinal,
        moment(event.at_us),
        copied(event.command_id),
        copied_name(noun),
        copied_name(verb),
        code=copied_name(code),
        # What a stranger was told is no answer to the command's id.
        fingerprint=NULL if isinstance(event, CallerRefused) else event.fingerprint.hex(),
    )


def _stood(standing: Standing) -> dict[str, Any]:
    return {
        "committed_nanos": standing.committed_nanos,
        "held_nanos": standing.held_nanos,
        "limit_nanos": standing.limit_nanos,
        "credits_nanos": standing.credits_nanos,
        "resets_at": moment_or_null(standing.resets_at_us),
    }


# Settlements are not here: each has its row in the audit log.
_VALUES_OF: Mapping[type, Callable[[Commit, int, Any], _Values]] = {
    CallAuthorized: _authorized,
    CallRefused: _refused,
    CommandRefused: _command_refused,
    CreditsAdded: _topped_up,
    HoldExtended: _extended,
    HoldReleased: _released,
    PolicySet: _policy_set,
    PriceBookSet: _prices_set,
    TenantProvisioned: _provisioned,
    TenantResumed: _resumed,
    TenantSuspended: _suspended,
    CallerRefused: _caller_refused,
    DenialReported: _denial_reported,
    **dict.fromkeys(DECIDED, _decided),
}
