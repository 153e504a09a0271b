"""The token of a visitor: what the gate has admitted, signed with the keys of all our tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from services.distribution.minting import Visit
from services.identity.tokens import LIFE_MAX_S, Claims, TokenIssuer

_US: Final = 1_000_000


class VisitTokens:
    """See minting.TokenIssuer. *clock*: microseconds since 1970, as *tokens* has it."""

    def __init__(self, tokens: TokenIssuer, *, clock: Callable[[], int]) -> None:
        self._tokens = tokens
        self._clock = clock

    def issue(self, visit: Visit) -> str:
        """
        Sign a visit as a token for the HTTP door; raises Failure when no key is at hand.

        JWT counts in whole seconds, so what is left of the visit is rounded down, to no less than
        one; the gate ends each visit to the microsecond.
        """
        left_s = visit.expires_at_us // _US - self._clock() // _US
        claims = Claims(
            principal=visit.principal,
            tenant=visit.tenant,
            deployment=visit.deployment,
            origin=visit.origin,
            ceiling=visit.ceiling,
        )
        return self._tokens.issue(claims, "api", life_s=max(1, min(left_s, LIFE_MAX_S)))
