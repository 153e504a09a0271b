"""
Answers from the tables: what the gate said to a command that it may have forgotten since.

The same as `domain.answer` makes of the event, made of the row instead. Of a settlement the tables
do not keep how the month stood just after it, so that is left out rather than invented.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from contracts.budget import NO_STANDING, SettleCall, Standing
from contracts.replies import Decision, Receipt
from contracts.usage import Usage
from domain.refusals import BY_CODE
from services.http_door.gate_line import Reply
from services.http_door.idempotency import Earlier
from services.query_api.read_side import ReadSide
from services.query_api.rows import Reader
from services.query_api.statements import Row

_GRANTED: Final = 200
_MS: Final = 1_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_US: Final = timedelta(microseconds=1)
_STANDING: Final = (
    "committed_nanos",
    "held_nanos",
    "limit_nanos",
    "credits_nanos",
    "remaining_nanos",
    "resets_at_us",
)
# Where the version of what was set stands.
_VERSIONS: Final = {"policy_set": "policy_version", "price_book_set": "price_version"}


class TableAnswers:
    """See idempotency.Answers."""

    def __init__(self, read_side: ReadSide) -> None:
        self._read_side = read_side

    async def find(self, tenant: str, command_id: str) -> Earlier | None:
        """See Answers."""

        async def work(reader: Reader) -> Row | None:
            return await reader.decided(tenant, command_id)

        row = await self._read_side.read(work)
        if row is None:
            return None
        reply = _decision(row) if row["verdict"] else _receipt(row)
        return Earlier(
            row["noun"], row["verb"], msgspec.to_builtins(reply), bytes.fromhex(row["fingerprint"])
        )

    async def settlement(self, tenant: str, command: SettleCall) -> Earlier | None:
        """See Answers."""
        owner, _, number = command.reservation_id.rpartition(".")
        if owner != tenant:
            return None

        async def work(reader: Reader) -> Row | None:
            return await reader.settlement_of(tenant, int(number))

        row = await self._read_side.read(work)
        if row is None or not _is_of(command, row):
            return None
        return Earlier("budget", "settle", _settled(row))


def _is_of(command: SettleCall, row: Row) -> bool:
    return (
        row["command_id"] == command.command_id
        and row["outcome"] == command.outcome
        and (row["vendor_ref"] or "") == command.vendor_ref
        and all(row[name] == getattr(command.usage, name) for name in Usage.__struct_fields__)
    )


def _decision(row: Row) -> Decision:
    retry_after_us = row["retry_after_us"]
    return Decision(
        decision=row["verdict"],
        status=row["status"],
        code=row["code"],
        command_id=row["command_id"],
        decision_id=row["decision_id"],
        position=row["position"],
        reservation_id=row["reservation_id"],
        requested=row["requested"] or "",
        modality=row["modality"],
        provider_id=row["provider_id"] or "",
        sku=row["sku"] or "",
        delay_us=row["delay_us"],
        expires_at_us=_us(row["expires_at"]),
        amount_nanos=int(row["amount_nanos"]),
        policy_version=row["policy_version"] or 0,
        price_version=row["price_version"] or 0,
        retry_after_ms=-(-retry_after_us // _MS) if retry_after_us else None,
        facts=row["facts"],
        **_stood(row),
        **_said(row),
    )


def _receipt(row: Row) -> Receipt:
    is_done = row["status"] == _GRANTED
    facts = row["facts"]
    version = row[_VERSIONS[row["code"]]] if row["code"] in _VERSIONS else facts.get("version")
    return Receipt(
        status=row["status"],
        code=row["code"],
        command_id=row["command_id"],
        decision_id=row["decision_id"],
        position=row["position"],
        reservation_id=row["reservation_id"],
        version=version if is_done else None,
        # Of what was done the tables keep facts that the answer did not repeat.
        facts={} if is_done else facts,
        **_stood(row),
        **_said(row),
    )


def _settled(row: Row) -> Reply:
    receipt = Receipt(
        status=_GRANTED,
        code="settled",
        command_id=row["command_id"],
        decision_id=row["decision_id"],
        position=row["position"],
        reservation_id=row["reservation_id"],
        cost_nanos=row["cost_nanos"],
        overrun_nanos=row["overrun_nanos"],
        late=row["late"],
    )
    reply: Reply = msgspec.to_builtins(receipt)
    return {name: value for name, value in reply.items() if name not in _STANDING}


def _stood(row: Row) -> dict[str, Any]:
    standing = NO_STANDING
    if row["limit_nanos"] is not None:
        standing = Standing(
            int(row["committed_nanos"]),
            int(row["held_nanos"]),
            row["limit_nanos"],
            row["credits_nanos"],
            _us(row["resets_at"]) or 0,
        )
    return {
        "committed_nanos": standing.committed_nanos,
        "held_nanos": standing.held_nanos,
        "limit_nanos": standing.limit_nanos,
        "credits_nanos": standing.credits_nanos,
        "remaining_nanos": standing.remaining_nanos,
        "resets_at_us": standing.resets_at_us or None,
    }


def _said(row: Row) -> dict[str, Any]:
    refusal = BY_CODE.get(row["code"])
    if refusal is None:
        return {}
    return {"message": refusal.message, "remedy": refusal.remedy}


def _us(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - _EPOCH) // _US
