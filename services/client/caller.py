"""
Somebody with an API key or a token: who they are, and a connection as they have one.

The bus lets it say what the key may and nothing else, and ends it after an hour at most, so that
nothing outlives its revocation unheard. So this one comes back by itself, with a new token if it is
given one, and says at once what the bus did not let pass.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import msgspec
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import StaleConnectionError

from contracts.access import OPERATOR
from services.embedded.nats_permissions import caller_inbox, inbox_prefix
from services.identity import api_key, tokens

EXPIRED_LOGIN: Final = "user authentication expired"
# As many requests on one subject can be in flight and be told that the bus refused them.
WAITING_MAX: Final = 1_024
# The server names the subject that it mapped to.
_REFUSED: Final = re.compile(
    r'permissions violation for publish to "(?:shard\.[0-9]+\.)?([^"]+)"', re.IGNORECASE
)
# A token, or who gives a new one each time the connection is made anew.
Token: TypeAlias = str | Callable[[], str]


class NotPermitted(NatsError):
    """The bus did not let a message pass."""


class Credential(msgspec.Struct, frozen=True):
    """
    Who connects, and how: a static role, a key, or a token.

    *principal* stands in the subject of whatever is sent; the bus lets no other pass.
    """

    principal: str = OPERATOR
    user: str | None = None
    password: Token | None = None

    def __repr__(self) -> str:
        return f"Credential({self.principal})"

    @property
    def inbox_prefix(self) -> str | None:
        """Where answers come: each may listen to a place of its own only."""
        if self.principal != OPERATOR:
            return caller_inbox(self.principal)
        return inbox_prefix(self.user) if self.user else None


def credential(
    *,
    user: str | None = None,
    password: str | None = None,
    key: str | None = None,
    token: Token | None = None,
) -> Credential:
    """
    Say who connects: with *user* and *password*, with an API *key*, or with a *token*.

    Raises:
        KeyUnusable, TokenRefused: the text is no key, or no token. Neither quotes it.
    """
    if sum(given is not None for given in (user, key, token)) > 1:
        raise ValueError("one of user, key and token")
    if key is not None:
        return Credential(f"key_{api_key.parse(key).key_id}", "key", key)
    if token is not None:
        text = token() if callable(token) else token
        return Credential(tokens.principal_in(text), "token", token)
    return Credential(user=user, password=password)


class CallerClient(Client):
    """A connection that a callout let in."""

    def __init__(self) -> None:
        super().__init__()
        # Per subject, in lower case as the library tells it: the requests that may be waiting.
        self._asked: dict[str, deque[str]] = {}

    async def publish(
        self,
        subject: str,
        payload: bytes = b"",
        reply: str = "",
        headers: dict[str, Any] | None = None,
    ) -> None:
        """Send a message; a request that the bus refuses ends with NotPermitted."""
        if reply:
            asked = self._asked.setdefault(subject.lower(), deque(maxlen=WAITING_MAX))
            asked.append(reply.rpartition(".")[2])
        await super().publish(subject, payload, reply, headers)

    async def _process_err(self, err_msg: str) -> None:
        if EXPIRED_LOGIN in err_msg.lower():
            # The library would close for good.
            await self._process_op_err(StaleConnectionError())
            return
        if refused := _REFUSED.search(err_msg):
            self._end(refused[1].lower())
        await super()._process_err(err_msg)

    def _end(self, subject: str) -> None:
        """End whoever waits for an answer to what was not let pass."""
        for token in self._asked.pop(subject, ()):
            waiting: asyncio.Future[Any] | None = self._resp_map.get(token)
            if waiting is not None and not waiting.done():
                waiting.set_exception(NotPermitted(f"the bus refused {subject}"))
