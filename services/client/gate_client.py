"""
A client of the gate, for one tenant.

Every command is sent with an id of its own and repeated unchanged until it is answered or its
deadline has passed, so it takes effect at most once. A refusal is returned like any other answer;
only the want of an answer is raised.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cached_property
from typing import Self

import msgspec
from nats.aio.client import Client

from contracts.access import OPERATOR
from contracts.budget import (
    AUTHORIZATIONS_PER_MESSAGE_MAX,
    AuthorizeCall,
    CallOption,
    CallOutcome,
    CallPurpose,
    ExtendCall,
    ReleaseCall,
    SettleCall,
)
from contracts.message import Modality
from contracts.questions import FindHold, HoldFound
from contracts.replies import Decision, OpenedSecret, Receipt
from contracts.secret import OpenSecret
from contracts.usage import Usage
from services.client.attempts import Attempts
from services.client.caller import Token, credential
from services.client.connection import CONNECT_S, open_connection
from services.client.governance import Governance
from services.client.grant import Grant, GrantDesk, limits_of
from services.client.knowledge import Knowledge
from services.client.patience import Patience
from services.client.prompts import Prompts
from services.client.sender import must_ask_again, new_id
from services.client.sessions import Sessions
from services.client.shaping import Shaping
from services.client.vault import Vault
from services.client.wire import Encoding

TTL_MS = 120_000


class GateClient(Governance, Knowledge, Prompts, Sessions, Shaping, Vault):
    """Asks the gate for one tenant over a connection that may be shared. See `Sender`."""

    @cached_property
    def _desk(self) -> GrantDesk:
        return GrantDesk(self.tenant, self.timing, self._open_secret)

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        url: str | Sequence[str],
        *,
        tenant: str,
        user: str | None = None,
        password: str | None = None,
        key: str | None = None,
        token: Token | None = None,
        tls: ssl.SSLContext | None = None,
        connect_s: float = CONNECT_S,
        encoding: Encoding = "json",
        patience: Patience | None = None,
        booking: Patience | None = None,
        hold_ms_max: int | None = None,
    ) -> AsyncIterator[Self]:
        """
        Connect, and on leaving finish what was begun before disconnecting.

        A service connects with the *key* of its twin, or with a *token*: a text, or a function
        that gives a new one each time the connection is made anew. Static roles of the deployment
        have *user* and *password*.

        Raises:
            NotConnected: no server answered within *connect_s*, or it refused the login.
            KeyUnusable, TokenRefused: the text is no key, or no token.
        """
        who = credential(user=user, password=password, key=key, token=token)
        connection: Client = await open_connection(
            url,
            user=who.user,
            password=who.password,
            prefix=who.inbox_prefix if who.principal != OPERATOR else None,
            tls=tls,
            connect_s=connect_s,
        )
        client = cls(
            connection,
            tenant,
            principal=who.principal,
            encoding=encoding,
            patience=patience,
            booking=booking,
            hold_ms_max=hold_ms_max,
        )
        try:
            yield client
        finally:
            await client.errands.drain()
            # The library writes what is left even when the bus is gone (uvloop: RuntimeError).
            with suppress(OSError, RuntimeError):
                await connection.close()

    def for_tenant(self, tenant: str) -> Self:
        """Return a client of another tenant on the same connection."""
        return type(self)(
            self._bus,
            tenant,
            principal=self.principal,
            encoding=self._encoding,
            patience=self.patience,
            booking=self.booking,
            timing=self.timing,
            errands=self.errands,
            hold_ms_max=self.hold_ms_max,
        )

    # -- calls --------------------------------------------------------------------

    async def authorize(
        self,
        *,
        modality: Modality,
        provider_id: str,
        sku: str,
        estimate: Usage,
        fallbacks: Sequence[CallOption] = (),
        ttl_ms: int = TTL_MS,
        session_id: str | None = None,
        max_delay_ms: int | None = None,
        purpose: CallPurpose = "live",
        command_id: str | None = None,
    ) -> Decision:
        """
        Ask whether a vendor call may be made. *estimate* is an upper bound of its usage.

        Raises:
            CannotVerify: no answer in time; do not call the vendor.
            MalformedCommand: a field breaks the contract.
        """
        return await self.authorize_call(
            AuthorizeCall(
                command_id=command_id or new_id(),
                modality=modality,
                provider_id=provider_id,
                sku=sku,
                estimate=estimate,
                fallbacks=list(fallbacks),
                ttl_ms=ttl_ms,
                session_id=session_id,
                max_delay_ms=max_delay_ms,
                purpose=purpose,
            )
        )

    async def authorize_call(self, command: AuthorizeCall) -> Decision:
        """Ask with a command that is made already. Raises what `authorize` raises."""
        command = self._bounded(command)
        decision, attempts = await self._command(command, Decision, self.patience)
        self._remember(command, decision, attempts)
        return decision

    async def authorize_many(self, commands: Sequence[AuthorizeCall]) -> list[Decision]:
        """
        Ask about up to 256 calls in one message; decisions come in the same order.

        Raises what `authorize` raises; CannotVerify when even one of them stays without an answer,
        for then some of the others may hold money: it expires, or ask again with the same commands.
        """
        if not 0 < len(commands) <= AUTHORIZATIONS_PER_MESSAGE_MAX:
            raise ValueError(f"1 to {AUTHORIZATIONS_PER_MESSAGE_MAX} commands in one message")
        commands = [self._bounded(command) for command in commands]
        attempts = self._attempts(commands[0], self.patience)
        decisions: dict[str, Decision] = {}
        waiting = list(commands)
        while True:
            replies = await attempts.send(self._wire.encode(waiting), list[Decision])
            for command, decision in zip(waiting, replies or (), strict=bool(replies)):
                if not must_ask_again(decision):
                    decisions[command.command_id] = decision
                    self._remember(command, decision, attempts)
            waiting = [command for command in waiting if command.command_id not in decisions]
            if not waiting:
                return [decisions[command.command_id] for command in commands]
            refusals = [reply for reply in replies or () if must_ask_again(reply)]
            longest_ms = max((reply.retry_after_ms or 0 for reply in refusals), default=0)
            await attempts.pause(refusals[0].code if refusals else "", longest_ms or None)

    async def extend(
        self,
        reservation_id: str,
        estimate: Usage,
        *,
        ttl_ms: int = TTL_MS,
        command_id: str | None = None,
    ) -> Decision:
        """Hold more for a call that goes on; *estimate* is what is added."""
        if self.hold_ms_max is not None:
            ttl_ms = min(ttl_ms, self.hold_ms_max)
        command = ExtendCall(
            command_id=command_id or new_id(),
            reservation_id=reservation_id,
            estimate=estimate,
            ttl_ms=ttl_ms,
        )
        decision, attempts = await self._command(command, Decision, self.patience)
        self._desk.received(
            decision,
            estimate,
            asked_us=attempts.began_us,
            ttl_ms=ttl_ms,
            attempts=attempts.number,
        )
        return decision

    def grant(self, decision: Decision, *, after: Grant | None = None) -> Grant:
        """
        Exchange a decision of this client for the right to make its call, once.

        *after* is the grant of the running call when the decision extends it.
        """
        return self._desk.grant(decision, after=after)

    async def settle(
        self,
        reservation_id: str,
        usage: Usage,
        *,
        outcome: CallOutcome = "completed",
        vendor_ref: str = "",
        command_id: str | None = None,
    ) -> Receipt:
        """Book what a call really consumed."""
        command = SettleCall(
            command_id=command_id or new_id(),
            reservation_id=reservation_id,
            usage=usage,
            outcome=outcome,
            vendor_ref=vendor_ref,
        )
        return (await self._command(command, Receipt, self.booking))[0]

    async def release(
        self, reservation_id: str, reason: str = "", *, command_id: str | None = None
    ) -> Receipt:
        """Give back the hold of a call that was never made."""
        command = ReleaseCall(
            command_id=command_id or new_id(), reservation_id=reservation_id, reason=reason
        )
        return (await self._command(command, Receipt, self.booking))[0]

    async def find_hold(self, reservation_id: str, usage: Usage | None = None) -> HoldFound:
        """Ask how the hold of a call stands, and whether it backs *usage*. Raises Refused."""
        question = FindHold(reservation_id=reservation_id, usage=usage or Usage())
        return await self._ask(question, HoldFound)

    async def _open_secret(self, reservation_id: str, name: str, command_id: str) -> OpenedSecret:
        # Not public: an opening belongs to a call, so it is asked for by the call's grant.
        command = OpenSecret(command_id=command_id, name=name, reservation_id=reservation_id)
        return (await self._command(command, OpenedSecret, self.patience))[0]

    def _bounded(self, command: AuthorizeCall) -> AuthorizeCall:
        if self.hold_ms_max is None or command.ttl_ms <= self.hold_ms_max:
            return command
        return msgspec.structs.replace(command, ttl_ms=self.hold_ms_max)

    def _remember(self, command: AuthorizeCall, decision: Decision, attempts: Attempts) -> None:
        self._desk.received(
            decision,
            limits_of(command, decision),
            asked_us=attempts.began_us,
            ttl_ms=command.ttl_ms,
            attempts=attempts.number,
            purpose=command.purpose,
        )
