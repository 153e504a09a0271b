"""Which refusals of the gate end a conversation, and as what."""

from __future__ import annotations

from typing import Final

from domain import refusals, session_refusals

# Nothing cheaper is left to try: the twin sleeps until there is money again.
ASLEEP: Final = frozenset(
    refusal.code
    for refusal in (
        refusals.TWIN_SLEEPING,
        refusals.HARD_LIMIT_REACHED,
        refusals.QUOTA_EXHAUSTED,
        refusals.SOFT_CAP_REACHED,
    )
)
# This conversation has used what one may use.
SPENT: Final = frozenset((refusals.SESSION_LIMIT.code,))
# The gate has ended it already.
OVER: Final = frozenset(
    refusal.code
    for refusal in (
        refusals.TWIN_SUSPENDED,
        refusals.TWIN_RETIRED,
        refusals.VISIT_OVER,
        session_refusals.SESSION_CLOSED,
        session_refusals.SESSION_UNKNOWN,
        session_refusals.SESSION_NOT_OPEN,
    )
)
