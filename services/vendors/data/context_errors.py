"""
Why there is no live data. Each has a *code*, and when waiting helps *retry_after_ms*.

    refused       the gate did not grant the call; its decision is kept
    not_allowed   the vendor does not accept the twin's key, or its plan has no such data
    over_quota    the key has used what its plan allows
    too_fast      too many requests in a short time
    unavailable   the vendor was not reached, failed, or did not answer in time
    malformed     an answer that is not what the vendor documents
    stale         an answer that is older than the data may be
    bad_query     the vendor cannot answer this question
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from contracts.replies import Decision


class Headroom(msgspec.Struct, frozen=True):
    """What a vendor's headers say is left of the plan's limits; None: they say nothing."""

    minute_left: int | None = None
    day_left: int | None = None


NOTHING_SAID = Headroom()


class ContextError(Exception):
    """
    There is no live data; the books of the call are closed.

    *billed*: the vendor may count the request, so it is booked. *retry_after_ms* is None when
    waiting does not help, or nobody knows for how long.
    """

    code: ClassVar[str] = ""

    def __init__(
        self,
        provider_id: str,
        detail: str,
        *,
        retry_after_ms: int | None = None,
        billed: bool = False,
        headroom: Headroom = NOTHING_SAID,
    ) -> None:
        wait = "" if retry_after_ms is None else f" (again in {retry_after_ms} ms)"
        super().__init__(f"{provider_id}: {detail}{wait}")
        self.provider_id = provider_id
        self.detail = detail
        self.retry_after_ms = retry_after_ms
        self.billed = billed
        self.headroom = headroom


class ContextRefused(ContextError):
    """The gate did not grant the call; *decision* says why and what to do."""

    code = "refused"

    def __init__(self, provider_id: str, decision: Decision) -> None:
        super().__init__(
            provider_id,
            f"{decision.code}. {decision.message}",
            retry_after_ms=decision.retry_after_ms,
        )
        self.decision = decision


class ContextNotAllowed(ContextError):
    """The vendor does not accept the key, or the plan behind it has no such data."""

    code = "not_allowed"


class ContextOverQuota(ContextError):
    """The key has used what its plan allows for a day or longer."""

    code = "over_quota"


class ContextTooFast(ContextError):
    """Too many requests in a short time: said by the vendor, or by us before it has to say it."""

    code = "too_fast"


class ContextUnavailable(ContextError):
    """The vendor was not reached, failed, or did not answer whole and in time."""

    code = "unavailable"


class ContextMalformed(ContextError):
    """The answer is not what the vendor documents."""

    code = "malformed"


class ContextStale(ContextError):
    """The vendor's answer is older than data of its kind may be."""

    code = "stale"


class ContextBadQuery(ContextError):
    """The vendor cannot answer this question: an unknown match, a parameter out of its range."""

    code = "bad_query"
