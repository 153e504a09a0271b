"""Price books: every version that ever priced a call, as it was set."""

from __future__ import annotations

from contracts.price_book import PriceBookSet
from projections.cells import (
    NUMBER,
    TEXT,
    copied,
    copied_json,
    copied_or_null,
    line_of,
    moment,
)
from projections.projection import Append, Commit, Write

NAME = "price_books"
DEFINITION = 1
CHANGED: tuple[str, ...] = ()

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

_COLUMNS = {
    "tenant": TEXT,
    "version": NUMBER,
    "price_book": TEXT,
    "note": TEXT,
    "actor": TEXT,
    "occurred_at": TEXT,
    "decision": NUMBER,
    "position": NUMBER,
}
_LINE = line_of(_COLUMNS)


class Fold:
    """A row for each version."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, commit: Commit) -> None:
        """See Folding."""
        for event in commit.events:
            if isinstance(event, PriceBookSet):
                self._lines.append(_line(commit, event))

    def writes(self) -> list[Write]:
        """See Folding."""
        return [Append("price_books", tuple(_COLUMNS), self._lines)]


def _line(commit: Commit, event: PriceBookSet) -> str:
    return _LINE % (
        commit.tenant,
        event.version,
        copied_json(event.price_book),
        copied_or_null(event.note),
        copied(event.actor),
        moment(event.at_us),
        event.decision,
        commit.position,
    )
