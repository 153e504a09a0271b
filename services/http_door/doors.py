"""All doors together: every endpoint that is no question to the tables, and what they need."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from services.distribution.minting import TokenIssuer
from services.http_door import (
    commands,
    invitations,
    key_testing,
    knowledge,
    live,
    me,
    my_sessions,
    oidc_sign_in,
    password,
    prompt_trial,
    rooms,
    samples,
    sign_in,
    sign_in_page,
    token,
    visitors,
    webhooks,
)
from services.http_door.authentication import Identity
from services.http_door.doorman import Doorman
from services.http_door.endpoint import Endpoint, Handler
from services.http_door.gate_line import Gate
from services.http_door.idempotency import Idempotency
from services.http_door.oidc_sign_in import OidcSignIn
from services.http_door.opening import Accounts
from services.http_door.password import Choosing
from services.http_door.rooms import Rooms
from services.http_door.sign_in import Passwords, SignIn, SignInParts
from services.http_door.webhooks import Webhooks
from services.identity.oidc_code import CodeFlow
from services.twins.booth import Booth
from services.variables import Network

# In the order of the document.
ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    sign_in.SIGN_IN,
    sign_in.SIGN_IN_BY_LINK,
    sign_in.SIGN_OUT,
    invitations.ACCEPT,
    token.TOKEN,
    me.ME,
    my_sessions.LIST,
    my_sessions.END,
    password.CHOOSE,
    *commands.ENDPOINTS.values(),
    visitors.MINT,
    knowledge.SEARCH,
    knowledge.REVIEW,
    knowledge.UPLOAD,
    rooms.ROOM,
    key_testing.TEST,
    *samples.ENDPOINTS,
    prompt_trial.TRY,
    *live.ENDPOINTS.values(),
    webhooks.TAVUS,
    webhooks.LIVEKIT,
    me.JWKS,
    sign_in_page.PAGE,
    oidc_sign_in.BEGIN,
    oidc_sign_in.CALLBACK,
)


class Doors(msgspec.Struct, frozen=True):
    """
    What the doors of one server are made of. *clock_s*: monotonic seconds.

    *codes*: None where no browser signs in at an issuer; *rooms*: None where no agent waits;
    *tester* and *booth*: None where no vendor is called.
    """

    identity: Identity
    gate: Gate
    webhooks: Webhooks
    accounts: Accounts
    passwords: Passwords
    visits: TokenIssuer
    tokens: token.TokenIssuer
    jwks: Callable[[], dict[str, Any]]
    clock_s: Callable[[], float]
    proxies: Sequence[Network] = ()
    codes: CodeFlow | None = None
    rooms: Rooms | None = None
    tester: key_testing.Tester | None = None
    booth: Booth | None = None

    def sign_in(self) -> SignIn:
        """Make what signs people in."""
        return SignIn(self._sign_in_parts())

    def handlers(
        self, signing_in: SignIn, idempotency: Idempotency, doorman: Doorman
    ) -> Mapping[Endpoint, Handler]:
        """Who answers what."""
        parts = self._sign_in_parts()
        return {
            **signing_in.handlers(),
            **invitations.Invitations(parts, signing_in, self.gate).handlers(),
            **self._oidc(signing_in).handlers(),
            **token.handlers(self.tokens, self.identity.clock),
            **me.handlers(self.jwks),
            **Choosing(parts, signing_in).handlers(),
            **my_sessions.MySessionsDoor(parts, signing_in).handlers(),
            **commands.handlers(self.gate, idempotency),
            **knowledge.handlers(self.gate, commands.CommandDoor(self.gate, idempotency)),
            **visitors.handlers(self.gate, self.visits),
            **rooms.handlers(self.rooms, self.identity.clock),
            **key_testing.handlers(self.tester),
            **samples.handlers(self.booth, doorman),
            **prompt_trial.handlers(self.gate, doorman),
            **live.handlers(self.gate),
            **self.webhooks.handlers(),
            **sign_in_page.handlers(offers_oidc=self.codes is not None),
        }

    def _sign_in_parts(self) -> SignInParts:
        return SignInParts(
            self.identity.directory,
            self.accounts,
            self.passwords,
            self.identity.clock,
            self.clock_s,
            self.proxies,
        )

    def _oidc(self, signing_in: SignIn) -> OidcSignIn:
        return OidcSignIn(
            self.codes,
            signing_in.opening,
            signing_in.attempts,
            self.identity.directory,
            self.identity.clock,
        )
