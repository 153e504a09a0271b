"""A problem: why something was refused, as every door of ours says it."""

from __future__ import annotations

import msgspec


class FieldFault(msgspec.Struct, frozen=True, gc=False):
    """One field that cannot be used, as in the problems of the HTTP API."""

    field: str
    rule: str
    remedy: str


class ProblemBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """
    A problem (RFC 9457): the very body that the HTTP API answers with. Branch on *code*.

    *retry_after_ms* is there where waiting helps. A visitor sees no money.
    """

    type: str
    title: str
    status: int
    code: str
    detail: str
    remedy: str
    instance: str | None = None
    errors: list[FieldFault] | None = None
    position: int | None = None
    min_position: int | None = None
    command_id: str | None = None
    decision_id: str | None = None
    retry_after_ms: int | None = None
    facts: dict[str, int | str] | None = None
    committed_nanos: int | None = None
    held_nanos: int | None = None
    limit_nanos: int | None = None
    credits_nanos: int | None = None
    remaining_nanos: int | None = None
    resets_at_us: int | None = None
    replayed: bool | None = None
