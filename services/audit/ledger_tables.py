"""
The tables that are compared with the log row by row, each with what its SQL does to a row.

Calls and sessions are not here: `outcomes`, `meters`, `session_rows`, `usage_rows` and `rows` look
at theirs.
What is here grows with what people decide, not with traffic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from projections import (
    access,
    account,
    deployments,
    knowledge,
    policies,
    price_books,
    prompts,
    tenant_secrets,
    topics,
    twins,
)
from projections.projection import Projection

Row: TypeAlias = dict[str, Any]
Key: TypeAlias = tuple[str, ...]
Shelf: TypeAlias = Mapping[Key, Row]
# Changes the row, as the statement of the projection does where there is one already.
Merge: TypeAlias = Callable[[Row, Row], None]
# What the public view makes of a row, given the other tables; None: it does not show it.
Show: TypeAlias = Callable[[Row, Mapping[str, Shelf]], Row | None]


def _coalesce(row: Row, change: Row) -> None:
    row.update({name: value for name, value in change.items() if value is not None})


def _new_if(column: str) -> Merge:
    def merge(row: Row, change: Row) -> None:
        if change[column] is not None:
            row.clear()
            row.update(change)
        else:
            _coalesce(row, change)

    return merge


def _counting(column: str) -> Merge:
    def merge(row: Row, change: Row) -> None:
        count = row[column] + change[column]
        _coalesce(row, change)
        row[column] = count

    return merge


def _deployment(row: Row, change: Row) -> None:
    _counting("admitted")(row, change)
    if change["version"] is not None:
        row["expires_at"] = change["expires_at"]


def _twin(row: Row, change: Row) -> None:
    first = {name: row[name] for name in ("activated_at", "retired_at") if row[name] is not None}
    _coalesce(row, change)
    row.update(first)


def _session(row: Row, change: Row) -> None:
    _coalesce(row, change)
    row["closed_at"] = change["closed_at"]


def _as_it_is(row: Row, _shelves: Mapping[str, Shelf]) -> Row:
    return row


def _member(row: Row, _shelves: Mapping[str, Shelf]) -> Row | None:
    return row if row["removed_at"] is None else None


def _shown_session(row: Row, _shelves: Mapping[str, Shelf]) -> Row:
    return row | {"closed": row["closed_at"] is not None}


def _prompt(row: Row, shelves: Mapping[str, Shelf]) -> Row:
    return row | {"active": row["version"] == _last(shelves["twin_prompt_activations"].values())}


def _topics(row: Row, shelves: Mapping[str, Shelf]) -> Row:
    set_or_put_back = (
        *shelves["twin_prohibited_topics"].values(),
        *shelves["twin_topics_rollbacks"].values(),
    )
    return row | {"active": row["version"] == _last(set_or_put_back)}


def _last(rows: Any) -> Any:
    """Return the version that the last decision named."""
    found = max(rows, key=lambda row: int(row["decision"]), default=None)
    return None if found is None else found["version"]


def _source(row: Row, shelves: Mapping[str, Shelf]) -> Row:
    reviews = shelves["twin_knowledge_reviews"]
    draft = reviews.get((row["source"], str(row["draft"])), {})
    approved = reviews.get((row["source"], str(row["approved"])), {})
    told = ("content_hash", "hash"), ("chunks", "chunks"), ("summary", "summary")
    return row | {
        "reason": row["reason"] or None,
        **{name: row[name] or None for name in ("ingestion", "upload", "step", "kept", "code")},
        "draft_language": draft.get("language") or None,
        **{f"draft_{name}": draft.get(name) for name in ("pages", "flags")},
        **{f"draft_{name}": draft.get(column) for column, name in told},
        **{f"approved_{name}": approved.get(column) for column, name in told},
        "approved_by": approved.get("decided_by"),
        "approved_at": approved.get("decided_at"),
    }


class Table(NamedTuple):
    """
    One table and the public view of the same name. *key* names a row within a twin.

    *fixed* are columns that a statement says instead of its rows; *new* is what it makes of null in
    a row that is new. *has_tenant* is false for what is the platform's alone.
    """

    name: str
    projection: Projection
    key: tuple[str, ...]
    merge: Merge = _coalesce
    show: Show = _as_it_is
    fixed: Row = {}
    new: Row = {}
    has_tenant: bool = True


_CHANGES: Final = ("shard", "stream_seq", "part")
_NO_DNA: Final = dict.fromkeys(("signed_off_by", "signed_off_at", "sign_off", "sign_off_note"))
_NO_REVIEW: Final = dict.fromkeys(("outcome", "note", "decided_by", "decided_at", "decision"))

TABLES: Final[Mapping[str, Table]] = {
    table.name: table
    for table in (
        Table("policies", policies, ("version",)),
        Table("price_books", price_books, ("version",)),
        Table("members", access, ("person",), _new_if("joined_at"), _member),
        Table("invitations", access, ("invitation_id",)),
        Table("api_keys", access, ("key_id",), _new_if("issued_at")),
        Table("access_changes", access, _CHANGES),
        Table(
            "accounts",
            account,
            ("person",),
            new={
                "password_hash": "",
                "is_admin": False,
                "locked": False,
                "failures": 0,
                "blocked_until_us": 0,
            },
            has_tenant=False,
        ),
        Table("sessions", account, ("session_hash",), _session, _shown_session, has_tenant=False),
        Table("sign_in_links", account, ("link_hash",), has_tenant=False),
        Table("account_changes", account, _CHANGES, has_tenant=False),
        Table("twin_system_prompts", prompts, ("version",), show=_prompt),
        Table("twin_prompt_activations", prompts, ("decision",)),
        Table("twin_prohibited_topics", topics, ("version",), show=_topics),
        Table("twin_topics_rollbacks", topics, ("decision",)),
        Table(
            "twins",
            twins,
            (),
            _twin,
            new={
                **dict.fromkeys(
                    (
                        *("live_version", "draft_version", "purpose_version"),
                        *("calibration", "calibration_version", "samples"),
                    ),
                    0,
                ),
                **dict.fromkeys(("modality", "provider_id", "sku"), ""),
            },
        ),
        Table("twin_dna", twins, ("part", "version"), fixed={"part": "identity"}, new=_NO_DNA),
        Table("twin_samples", twins, ("reservation",)),
        Table("twin_deployments", deployments, ("deployment",), _deployment),
        Table("twin_disclosures", deployments, ("deployment", "version")),
        Table("twin_knowledge_sources", knowledge, ("source",), show=_source),
        Table("twin_knowledge_reviews", knowledge, ("source", "ingestion"), new=_NO_REVIEW),
        Table("tenant_secrets", tenant_secrets, ("name", "version"), _counting("openings")),
    )
}
