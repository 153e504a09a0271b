"""
What the gate answers.

A refusal is an answer, not an error: it comes as the same reply with its own status and code.
`Problem` is for messages that could not be understood at all.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from contracts.message import Modality, Reply

Verdict: TypeAlias = Literal["PASS", "THROTTLE", "DOWNGRADE", "DENY"]


class Decision(Reply, frozen=True):
    """
    The answer to `authorize` and `extend`.

    *status* is HTTP-like: 200 granted; 402 money; 403 not allowed; 409 and 422 idempotency;
    429 too fast (then *retry_after_ms*); 503 cannot be verified. *delay_us* is exact: wait it
    before calling the vendor. *position* is the commit of the tenant's log that holds this
    decision; it is null for refusals of a flood, which are counted, not listed.
    """

    decision: Verdict
    status: int
    code: str
    command_id: str
    decision_id: str | None
    position: int | None
    reservation_id: str | None = None
    requested: str = ""
    modality: Modality | None = None
    provider_id: str = ""
    sku: str = ""
    delay_us: int = 0
    expires_at_us: int | None = None
    amount_nanos: int = 0
    policy_version: int = 0
    price_version: int = 0
    committed_nanos: int = 0
    held_nanos: int = 0
    limit_nanos: int = 0
    credits_nanos: int = 0
    remaining_nanos: int = 0
    resets_at_us: int | None = None
    retry_after_ms: int | None = None
    message: str = ""
    remedy: str = ""
    facts: dict[str, int | str] = {}
    replayed: bool = False


class Receipt(Reply, frozen=True):
    """
    The answer to every other command.

    For `settle`: *cost_nanos* was booked, *overrun_nanos* of it without a hold behind it.
    """

    status: int
    code: str
    command_id: str
    decision_id: str | None
    position: int | None
    reservation_id: str | None = None
    cost_nanos: int = 0
    overrun_nanos: int = 0
    late: bool = False
    version: int | None = None
    committed_nanos: int = 0
    held_nanos: int = 0
    limit_nanos: int = 0
    credits_nanos: int = 0
    remaining_nanos: int = 0
    resets_at_us: int | None = None
    message: str = ""
    remedy: str = ""
    facts: dict[str, int | str] = {}
    replayed: bool = False


class OpenedSecret(Reply, frozen=True):
    """
    The answer to `secret.open` that opened something; a refusal is a Receipt.

    *value* is kept by nobody: what is told again of a decision is told without it.
    """

    status: int
    code: str
    command_id: str
    decision_id: str | None
    position: int | None
    reservation_id: str | None = None
    name: str = ""
    version: int | None = None
    value: str | None = None
    message: str = ""
    remedy: str = ""
    facts: dict[str, int | str] = {}
    replayed: bool = False

    def __repr__(self) -> str:
        return f"OpenedSecret(status={self.status}, code={self.code!r}, name={self.name!r}, …)"


class Problem(Reply, frozen=True):
    """A message that could not be decided: which field, which rule, what to do (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    remedy: str
