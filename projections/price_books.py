"""Price books: every version that ever priced a call, as it was set."""

from __future__ import annotations

from contracts.price_book import PriceBookSet
from projections.cells import json_text, moment, text, text_or_null
from projections.projection import Append, Commit, Row, Write

NAME = "price_books"
DEFINITION = 1

TABLES = """
CREATE TABLE {schema}.price_books (
    tenant      text        NOT NULL,
    version     integer     NOT NULL,
    price_book  jsonb       NOT NULL,
    note        text,
    actor       text        NOT NULL,
    occurred_at timestamptz NOT NULL,
    decision    bigint      NOT NULL,
    position    bigint      NOT NULL,
    PRIMARY KEY (tenant, version)
);
"""

VIEWS = {
    "price_books": """
SELECT tenant, version, price_book, note, actor, occurred_at, decision,
    tenant || '.' || decision AS decision_id, position
FROM {schema}.price_books
""",
}

_COLUMNS = (
    "tenant",
    "version",
    "price_book",
    "note",
    "actor",
    "occurred_at",
    "decision",
    "position",
)


class Fold:
    """A row for each version."""

    def __init__(self) -> None:
        self._rows: list[Row] = []

    def add(self, commit: Commit) -> None:
        """See Folding."""
        for event in commit.events:
            if isinstance(event, PriceBookSet):
                self._rows.append(_row(commit, event))

    def writes(self) -> list[Write]:
        """See Folding."""
        return [Append("price_books", _COLUMNS, self._rows)]


def _row(commit: Commit, event: PriceBookSet) -> Row:
    return (
        commit.tenant,
        event.version,
        json_text(event.price_book),
        text_or_null(event.note),
        text(event.actor),
        moment(event.at_us),
        event.decision,
        commit.position,
    )
