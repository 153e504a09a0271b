"""What a worker cannot read is answered with what is wrong with it."""

from __future__ import annotations

import pytest

from services.gate.endpoints import MSGPACK
from tests.gate.served import AUTHORIZE, ONE, ask, authorize, connected, json_of, problem_in

MALFORMED = {
    "empty": (b"", "truncated"),
    "no JSON": (b"{", "truncated"),
    "nothing": (b"null", "Expected `object`"),
    "unknown field": (json_of(authorize("a", model="x")), "unknown field `model`"),
    "missing field": (json_of({"command_id": "a"}), "missing required field `modality`"),
    "wrong type": (json_of(authorize("a", ttl_ms="1")), "$.ttl_ms"),
    "below its bound": (json_of(authorize("a", ttl_ms=1)), "$.ttl_ms"),
    "above its bound": (json_of(authorize("a", ttl_ms=10**9)), "$.ttl_ms"),
    "negative": (json_of(authorize("a", estimate={"requests": -1})), "$.estimate.requests"),
    "a fraction": (json_of(authorize("a", estimate={"requests": 0.5})), "$.estimate.requests"),
    "an id with a line end": (json_of(authorize("a\n")), "`command_id` must be 1 to 64 of"),
    "an id that is too long": (json_of(authorize("a" * 65)), "$.command_id"),
    "an unknown modality": (json_of(authorize("a", modality="smell")), "$.modality"),
    "too many fallbacks": (json_of(authorize("a", fallbacks=[ONE] * 4)), "$.fallbacks"),
    "no text": (b'{"command_id":"\xff"}', "utf-8"),
    "very deep": (b'{"estimate":' + b"[" * 100_000, "$.estimate"),
}


@pytest.mark.parametrize("case", MALFORMED)
async def test_what_is_malformed_is_answered_with_what_is_wrong(served, case):
    """
    A caller corrects its program by the answer: field, rule, remedy, and headers as NATS has them.
    """
    payload, expected = MALFORMED[case]
    async with connected(served) as bus:
        problem = problem_in(await ask(bus, "anybody", AUTHORIZE, payload))
    assert (problem.code, problem.status) == ("malformed_command", 400)
    assert expected in problem.detail
    assert "AuthorizeCall" in problem.remedy


@pytest.mark.parametrize(
    "payload", [b"", b"\xc1", b"\x81\xa2\xff\xff\x01", b"\xdf\xff\xff\xff\xff", b"[1]"]
)
async def test_malformed_messagepack_is_answered_in_json(served, payload):
    """
    Who cannot write an encoding may not be able to read it either.
    """
    async with connected(served) as bus:
        reply = await ask(bus, "anybody", AUTHORIZE, payload, content_type=MSGPACK)
    assert problem_in(reply).status == 400
