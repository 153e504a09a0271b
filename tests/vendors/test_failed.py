"""How vendors say no."""

import pytest

from services.vendors.adapter import VendorFailed
from services.vendors.failed import (
    RETRY_AFTER_MS_MAX,
    CreditUsedUp,
    KeyRefused,
    VendorBusy,
    failed,
    retry_after_ms,
)

NOON_US = 1_795_348_800 * 1_000_000  # 2026-11-22 12:00:00 UTC


@pytest.mark.parametrize(
    ("status", "code", "kind", "may_pass"),
    [
        (401, "invalid_api_key", KeyRefused, False),
        (403, "", KeyRefused, False),
        (402, None, CreditUsedUp, False),
        (429, "insufficient_quota", CreditUsedUp, False),
        (429, "rate_limit_exceeded", VendorBusy, True),
        (500, "", VendorFailed, True),
        (404, "model_not_found", VendorFailed, False),
    ],
)
def test_statuses_and_codes_have_kinds(status, code, kind, may_pass):
    """A caller acts on the kind; OpenAI says with 429 that an account is empty."""
    problem = failed("openai", status, code=code)

    assert type(problem) is kind
    assert problem.may_pass == may_pass


@pytest.mark.parametrize("code", ["a b\nc", "sk-" + "x" * 500, {"no": "word"}, ["x"], None, True])
def test_a_code_can_be_logged(code):
    """Whatever a vendor puts there."""
    problem = failed("acme", 400, code=code)

    assert len(problem.code) <= 64
    assert problem.code.isprintable()
    assert " " not in problem.code


@pytest.mark.parametrize(
    ("headers", "wait_ms"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7_000),
        ({"Retry-After": "0"}, 0),
        ({"Retry-After": "1.2"}, 2_000),
        ({"Retry-After": "9999999"}, RETRY_AFTER_MS_MAX),
        ({"Retry-After": "Sun, 22 Nov 2026 12:00:09 GMT"}, 9_000),
        ({"Retry-After": "Sun, 22 Nov 2026 11:00:00 GMT"}, 0),
        ({"Retry-After": "Sun, 22 Nov 2026 12:00:09"}, 9_000),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "\u0661"}, None),
        ({"Retry-After": "7", "retry-after-ms": "250"}, 250),
    ],
)
def test_when_to_come_back(headers, wait_ms):
    """Seconds, a date, or milliseconds; nothing that is no number is guessed at."""
    assert retry_after_ms(headers, lambda: NOON_US) == wait_ms
