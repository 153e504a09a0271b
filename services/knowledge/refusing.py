"""Refusing: why a question about what a twin knows has no answer, in the words of the gate."""

from __future__ import annotations

from collections.abc import Mapping

from domain.refusal import Refusal


class LookupRefused(Exception):
    """There is no answer: *refusal* says why, *facts* about what."""

    def __init__(
        self,
        refusal: Refusal,
        facts: Mapping[str, int | str] | None = None,
        *,
        retry_after_ms: int | None = None,
    ) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal
        self.facts = dict(facts or {})
        self.retry_after_ms = retry_after_ms
