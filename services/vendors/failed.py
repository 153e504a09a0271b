"""
How vendors say no, in kinds that a caller can act on.

    KeyRefused      the twin's key is wrong, revoked or may not do this: somebody must put another
    CreditUsedUp    the twin's account at the vendor has no money left: waiting does not help
    VendorBusy      too many requests at once: *retry_after_ms* says when, if the vendor said it
    VendorFailed    everything else; *may_pass* says whether a later call can do better

A later call is a new call: it needs a grant of its own. Of what the vendor wrote only its code is
kept, because vendors put parts of keys and of what people said into their messages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from services.vendors.adapter import VendorFailed

RETRY_AFTER_MS_MAX = 3_600_000
CODE_CHARACTERS_MAX = 64
# What OpenAI calls an empty account, with status 429 of all; and what Cartesia calls it.
_NO_CREDIT = frozenset({"insufficient_quota", "quota_exceeded", "credit_balance_exhausted"})
_MS = 1_000


class KeyRefused(VendorFailed):
    """The vendor does not accept the key, or not for this."""


class CreditUsedUp(VendorFailed):
    """The account at the vendor is empty."""

    @property
    def may_pass(self) -> bool:
        """No: OpenAI says it with 429, and means that somebody has to pay first."""
        return False


class VendorBusy(VendorFailed):
    """Too many requests; see *retry_after_ms*."""


def failed(
    provider_id: str, status: int, *, code: object = "", retry_after_ms: int | None = None
) -> VendorFailed:
    """Make the failure that *status* and the vendor's own *code* mean."""
    word = code_of(code)
    kind: type[VendorFailed] = VendorFailed
    if status == HTTPStatus.PAYMENT_REQUIRED or word in _NO_CREDIT:
        kind = CreditUsedUp
    elif status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        kind = KeyRefused
    elif status == HTTPStatus.TOO_MANY_REQUESTS:
        kind = VendorBusy
    return kind(provider_id, status, code=word, retry_after_ms=retry_after_ms)


def code_of(found: object) -> str:
    """A vendor's code as a word that can be logged; empty when it is none."""
    text = str(found) if isinstance(found, str | int) else ""
    return re.sub("[^A-Za-z0-9_.-]", "_", text[:CODE_CHARACTERS_MAX])


def retry_after_ms(headers: Mapping[str, str], wall_us: Callable[[], int]) -> int | None:
    """
    How long the vendor wants us to wait, at most `RETRY_AFTER_MS_MAX`; None when it does not say.

    `Retry-After` is seconds or a date (RFC 9110, 10.2.3); `retry-after-ms` is OpenAI's finer one.
    """
    fine, coarse = headers.get("retry-after-ms", ""), headers.get("Retry-After", "")
    if (exact := _whole(fine, 1)) is not None:
        return exact
    if (seconds := _whole(coarse, _MS)) is not None:
        return seconds
    try:
        until = parsedate_to_datetime(coarse)
    except ValueError:
        return None
    until = until if until.tzinfo is not None else until.replace(tzinfo=UTC)
    left_ms = int(until.timestamp() * _MS) - wall_us() // _MS
    return max(0, min(left_ms, RETRY_AFTER_MS_MAX))


def _whole(text: str, scale: int) -> int | None:
    """A number of at most seven digits, and perhaps a fraction, which is rounded up."""
    found = re.fullmatch(r"(\d{1,7})(\.\d{1,9})?", text.strip(), re.ASCII)
    if found is None:
        return None
    return min(int(found[1]) * scale + (scale if found[2] else 0), RETRY_AFTER_MS_MAX)
