"""
The accounts in the log of the platform, as signing in writes to them.

The door itself asks, as the operator: whoever signs in is nobody yet. So nobody else may send
these commands over HTTP (`commands.OPERATORS_ONLY`): a session is begun by signing in only, and a
password is hashed here only.
"""

from __future__ import annotations

import secrets
from hashlib import sha256
from typing import Final

from contracts.access import OPERATOR
from contracts.account import (
    PLATFORM,
    AccountCommand,
    CloseSessions,
    CountSignInFailure,
    OpenSession,
    RegisterAccount,
    RehashPassword,
    SetPassword,
)
from domain.identity_refusals import (
    EMAIL_TAKEN,
    PASSWORD_CHANGED,
    SESSION_UNKNOWN,
    SIGN_IN_BLOCKED,
)
from services.client.errors import CannotVerify as NotAnswered
from services.http_door.gate_line import Gate
from services.http_door.opening import CannotVerify, SignInNotPossible

_GRANTED: Final = 200
_UNAVAILABLE: Final = 503


class GateAccounts:
    """See opening.Accounts."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def open_session(
        self,
        person: str,
        session_hash: bytes,
        *,
        expires_at_us: int,
        user_agent: str,
        link: str | None,
    ) -> None:
        """See Accounts."""
        code = await self._told(
            OpenSession(
                command_id=_new_id(),
                person=person,
                session_hash=session_hash,
                expires_at_us=expires_at_us,
                user_agent=user_agent,
                link=link,
            )
        )
        if code:
            raise SignInNotPossible(code)

    async def register(self, person: str, email: str, password_hash: str) -> bool:
        """See Accounts. Said in the person's own name: it is their account."""
        command = RegisterAccount(
            command_id=_new_id(), person=person, email=email, password_hash=password_hash
        )
        code = await self._told(command, f"person_{person}")
        if code not in ("", EMAIL_TAKEN.code):
            raise SignInNotPossible(code)
        return not code

    async def close_session(self, person: str, session_hash: bytes) -> None:
        """See Accounts."""
        code = await self._told(
            CloseSessions(command_id=_new_id(), person=person, session_hash=session_hash)
        )
        if code not in ("", SESSION_UNKNOWN.code):
            raise CannotVerify(code)

    async def count_failure(self, person: str) -> None:
        """See Accounts."""
        code = await self._told(CountSignInFailure(command_id=_new_id(), person=person))
        if code not in ("", SIGN_IN_BLOCKED.code):
            raise CannotVerify(code)

    async def rehash_password(self, person: str, old_hash: str, new_hash: str) -> None:
        """See Accounts."""
        code = await self._told(
            RehashPassword(
                command_id=_new_id(),
                person=person,
                password_hash=new_hash,
                replaces=sha256(old_hash.encode()).digest(),
            )
        )
        if code not in ("", PASSWORD_CHANGED.code):
            raise CannotVerify(code)

    async def set_password(self, person: str, new_hash: str, keep_session: bytes) -> None:
        """See Accounts. Said in the person's own name: by now they are somebody."""
        code = await self._told(
            SetPassword(
                command_id=_new_id(),
                person=person,
                password_hash=new_hash,
                keep_session=keep_session,
            ),
            f"person_{person}",
        )
        if code:
            raise SignInNotPossible(code)

    async def _told(self, command: AccountCommand, principal: str = OPERATOR) -> str:
        """Have a command decided; return the code of a refusal, empty for none."""
        try:
            reply = await self._gate.command(PLATFORM, command, principal)
        except NotAnswered as unknown:
            raise CannotVerify(unknown.reason) from None
        if reply["status"] == _UNAVAILABLE:
            raise CannotVerify(reply["message"])
        return "" if reply["status"] == _GRANTED else str(reply["code"])


def _new_id() -> str:
    return secrets.token_hex(16)
