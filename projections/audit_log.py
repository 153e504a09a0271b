"""
Audit log: exactly one row for the outcome of each vendor call, that is for each settlement.

Units are kept in thousandths of the base quantity, as the log has them: a minute_unit is
60,000,000 of *stream_ms_milli*, which no decimal fraction divides. The view shows them in units,
rounded to 9 places, and the cost in the currency that the call's price book is in.
"""

from __future__ import annotations

from contracts.budget import CallSettled
from contracts.price_book import PriceBookSet
from projections.cells import (
    NUMBER,
    TEXT,
    copied,
    copied_name,
    copied_or_null,
    line_of,
    moment,
    name_or_null,
)
from projections.projection import Append, Commit, Write

NAME = "audit_log"
DEFINITION = 2
CHANGED: tuple[str, ...] = ()

TABLES = """
CREATE TABLE {schema}.audit_logs (
    tenant            text        NOT NULL,
    decision          bigint      NOT NULL,
    reservation       bigint      NOT NULL,
    position          bigint      NOT NULL,
    ordinal           integer     NOT NULL,
    stream_seq        bigint      NOT NULL,
    occurred_at       timestamptz NOT NULL,
    command_id        text        NOT NULL,
    provider_id       text        NOT NULL,
    sku               text        NOT NULL,
    modality          text        NOT NULL,
    outcome           text        NOT NULL,
    period            text        NOT NULL,
    input_tokens      bigint      NOT NULL,
    output_tokens     bigint      NOT NULL,
    stream_ms         bigint      NOT NULL,
    characters        bigint      NOT NULL,
    requests          bigint      NOT NULL,
    turns             bigint      NOT NULL,
    tokens_milli      bigint      NOT NULL,
    stream_ms_milli   bigint      NOT NULL,
    turns_milli       bigint      NOT NULL,
    requests_milli    bigint      NOT NULL,
    cost_nanos        bigint      NOT NULL,
    credit_nanos      bigint      NOT NULL,
    overrun_nanos     bigint      NOT NULL,
    held_nanos        bigint      NOT NULL,
    held_credit_nanos bigint      NOT NULL,
    late              boolean     NOT NULL,
    session_id        text,
    vendor_ref        text,
    policy_version    integer     NOT NULL,
    price_version     integer     NOT NULL,
    PRIMARY KEY (tenant, decision)
);
CREATE INDEX ON {schema}.audit_logs (tenant, occurred_at, decision);
CREATE INDEX ON {schema}.audit_logs (tenant, provider_id, decision);
CREATE INDEX ON {schema}.audit_logs (tenant, reservation);
CREATE INDEX ON {schema}.audit_logs (tenant, session_id, decision) WHERE session_id IS NOT NULL;
CREATE TABLE {schema}.currencies (
    tenant        text    NOT NULL,
    price_version integer NOT NULL,
    currency      text    NOT NULL,
    PRIMARY KEY (tenant, price_version)
);
"""

VIEWS = {
    "audit_logs": """
SELECT a.tenant, a.decision, a.reservation,
    a.tenant || '.' || a.decision AS decision_id,
    a.tenant || '.' || a.reservation AS reservation_id,
    a.position, a.ordinal, a.stream_seq, a.occurred_at, a.command_id,
    a.provider_id, a.sku, a.modality, a.outcome, a.period,
    a.input_tokens, a.output_tokens, a.stream_ms, a.characters, a.requests, a.turns,
    a.tokens_milli, a.stream_ms_milli, a.turns_milli, a.requests_milli,
    round(a.tokens_milli * 0.000001, 9) AS token_units,
    round(a.stream_ms_milli / 60000000.0, 9) AS minute_units,
    round(a.turns_milli * 0.001, 9) AS interaction_units,
    a.cost_nanos * 0.000000001 AS cost_amount, a.cost_nanos, c.currency,
    a.credit_nanos, a.overrun_nanos, a.held_nanos, a.held_credit_nanos, a.late,
    a.session_id, a.vendor_ref, a.policy_version, a.price_version
FROM {schema}.audit_logs a LEFT JOIN {schema}.currencies c USING (tenant, price_version)
""",
}

_COLUMNS = {
    "tenant": TEXT,
    "decision": NUMBER,
    "reservation": NUMBER,
    "position": NUMBER,
    "ordinal": NUMBER,
    "stream_seq": NUMBER,
    "occurred_at": TEXT,
    "command_id": TEXT,
    "provider_id": TEXT,
    "sku": TEXT,
    "modality": TEXT,
    "outcome": TEXT,
    "period": TEXT,
    "input_tokens": NUMBER,
    "output_tokens": NUMBER,
    "stream_ms": NUMBER,
    "characters": NUMBER,
    "requests": NUMBER,
    "turns": NUMBER,
    "tokens_milli": NUMBER,
    "stream_ms_milli": NUMBER,
    "turns_milli": NUMBER,
    "requests_milli": NUMBER,
    "cost_nanos": NUMBER,
    "credit_nanos": NUMBER,
    "overrun_nanos": NUMBER,
    "held_nanos": NUMBER,
    "held_credit_nanos": NUMBER,
    "late": TEXT,
    "session_id": TEXT,
    "vendor_ref": TEXT,
    "policy_version": NUMBER,
    "price_version": NUMBER,
}
_LINE = line_of(_COLUMNS)


class Fold:
    """One row for each settlement, and the currency of each price book."""

    def __init__(self) -> None:
        self._outcomes: list[str] = []
        self._currencies: list[str] = []

    def add(self, commit: Commit) -> None:
        """See Folding."""
        for ordinal, event in enumerate(commit.events):
            if isinstance(event, CallSettled):
                self._outcomes.append(_outcome(commit, ordinal, event))
            elif isinstance(event, PriceBookSet):
                currency = copied(event.price_book.currency)
                self._currencies.append(f"{commit.tenant}\t{event.version}\t{currency}\n")

    def writes(self) -> list[Write]:
        """See Folding."""
        return [
            Append("audit_logs", tuple(_COLUMNS), self._outcomes),
            Append("currencies", ("tenant", "price_version", "currency"), self._currencies),
        ]


def _outcome(commit: Commit, ordinal: int, event: CallSettled) -> str:
    usage, units = event.usage, event.units
    return _LINE % (
        commit.tenant,
        event.decision,
        event.reservation,
        commit.position,
        ordinal,
        commit.stream_seq,
        moment(event.at_us),
        copied(event.command_id),
        copied_name(event.provider_id),
        copied_name(event.sku),
        event.modality,
        event.outcome,
        copied_name(event.period),
        usage.input_tokens,
        usage.output_tokens,
        usage.stream_ms,
        usage.characters,
        usage.requests,
        usage.turns,
        units.tokens_milli,
        units.stream_ms_milli,
        units.turns_milli,
        units.requests_milli,
        event.cost_nanos,
        event.credit_nanos,
        event.overrun_nanos,
        event.held_nanos,
        event.held_credit_nanos,
        event.late,
        name_or_null(event.session_id),
        copied_or_null(event.vendor_ref),
        event.policy_version,
        event.price_version,
    )
