"""
A client of the gate, for one tenant.

Every command is sent with an id of its own and repeated unchanged until it is answered or its
deadline has passed, so it takes effect at most once. A refusal is returned like any other answer;
only the want of an answer is raised.
"""

from __future__ import annotations

import secrets
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal, Self, TypeVar

from nats.aio.client import Client

from contracts import subjects
from contracts.budget import (
    AUTHORIZATIONS_PER_MESSAGE_MAX,
    AuthorizeCall,
    CallOption,
    CallOutcome,
    ExtendCall,
    ReleaseCall,
    SettleCall,
    TopUpCredits,
)
from contracts.commands import NOUN_AND_VERB, AnyCommand
from contracts.message import Modality
from contracts.policy import Policy, SetPolicy
from contracts.price_book import PriceBook, SetPriceBook
from contracts.replies import Decision, Receipt
from contracts.tenant import ProvisionTenant, ResumeTenant, SuspendTenant
from contracts.usage import Usage
from services.client.attempts import Attempts, Bus
from services.client.connection import CONNECT_S, open_connection
from services.client.errands import Errands
from services.client.grant import Grant, GrantDesk, limits_of
from services.client.patience import Patience, Timing
from services.client.wire import Encoding, Wire

TTL_MS = 120_000
_ASK_AGAIN = ("cannot_verify", "overloaded")
_UNAVAILABLE = 503
Answer = TypeVar("Answer", Decision, Receipt)


def new_id() -> str:
    """A command id that nobody else has: 128 random bits."""
    return secrets.token_hex(16)


class GateClient:
    """
    Asks the gate for one tenant over a connection that may be shared.

    *patience* bounds commands; *booking* bounds settlements and releases, which have to arrive and
    for which nobody waits with a visitor on the line.
    """

    def __init__(
        self,
        bus: Bus,
        tenant: str,
        *,
        encoding: Encoding = "json",
        patience: Patience | None = None,
        booking: Patience | None = None,
        timing: Timing | None = None,
        errands: Errands | None = None,
    ) -> None:
        self.tenant = tenant
        self.timing = timing or Timing()
        self.patience = patience or Patience()
        self.booking = booking or Patience(deadline_s=60.0)
        self.errands = errands or Errands()
        self._bus = bus
        self._encoding: Encoding = encoding
        self._wire = Wire(encoding)
        self._desk = GrantDesk(tenant, self.timing)

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        url: str | Sequence[str],
        *,
        tenant: str,
        user: str | None = None,
        password: str | None = None,
        tls: ssl.SSLContext | None = None,
        connect_s: float = CONNECT_S,
        encoding: Encoding = "json",
        patience: Patience | None = None,
        booking: Patience | None = None,
    ) -> AsyncIterator[Self]:
        """
        Connect, and on leaving finish what was begun before disconnecting.

        Raises:
            ConnectionError: no server answered within *connect_s*, or it refused the login.
        """
        connection: Client = await open_connection(
            url, user=user, password=password, tls=tls, connect_s=connect_s
        )
        client = cls(connection, tenant, encoding=encoding, patience=patience, booking=booking)
        try:
            yield client
        finally:
            await client.errands.drain()
            await connection.close()

    def for_tenant(self, tenant: str) -> GateClient:
        """Return a client of another tenant on the same connection."""
        return GateClient(
            self._bus,
            tenant,
            encoding=self._encoding,
            patience=self.patience,
            booking=self.booking,
            timing=self.timing,
            errands=self.errands,
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
            )
        )

    async def authorize_call(self, command: AuthorizeCall) -> Decision:
        """Ask with a command that is made already. Raises what `authorize` raises."""
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
        attempts = self._attempts(commands[0], self.patience)
        decisions: dict[str, Decision] = {}
        waiting = list(commands)
        while True:
            replies = await attempts.send(self._wire.encode(waiting), list[Decision])
            for command, decision in zip(waiting, replies or (), strict=bool(replies)):
                if not _must_ask_again(decision):
                    decisions[command.command_id] = decision
                    self._remember(command, decision, attempts)
            waiting = [command for command in waiting if command.command_id not in decisions]
            if not waiting:
                return [decisions[command.command_id] for command in commands]
            refusals = [reply for reply in replies or () if _must_ask_again(reply)]
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

    # -- the twin -----------------------------------------------------------------

    async def provision(
        self,
        *,
        display_name: str,
        organisation: str,
        policy: Policy,
        price_book: PriceBook,
        command_id: str | None = None,
    ) -> Receipt:
        """Create the twin with its first policy and price book."""
        return await self._tell(
            ProvisionTenant(
                command_id=command_id or new_id(),
                display_name=display_name,
                organisation=organisation,
                policy=policy,
                price_book=price_book,
            )
        )

    async def set_policy(
        self,
        policy: Policy,
        *,
        expected_version: int | None = None,
        note: str = "",
        command_id: str | None = None,
    ) -> Receipt:
        """Replace the whole policy."""
        return await self._tell(
            SetPolicy(
                command_id=command_id or new_id(),
                policy=policy,
                expected_version=expected_version,
                note=note,
            )
        )

    async def set_price_book(
        self,
        price_book: PriceBook,
        *,
        expected_version: int | None = None,
        note: str = "",
        command_id: str | None = None,
    ) -> Receipt:
        """Replace the whole price book."""
        return await self._tell(
            SetPriceBook(
                command_id=command_id or new_id(),
                price_book=price_book,
                expected_version=expected_version,
                note=note,
            )
        )

    async def top_up(
        self, amount_nanos: int, *, reason: str = "", command_id: str | None = None
    ) -> Receipt:
        """Add prepaid credits."""
        return await self._tell(
            TopUpCredits(
                command_id=command_id or new_id(), amount_nanos=amount_nanos, reason=reason
            )
        )

    async def suspend(
        self,
        *,
        asleep: bool = False,
        reason: str = "",
        command_id: str | None = None,
    ) -> Receipt:
        """Refuse every new call from now on: with 402 when *asleep*, else with 403."""
        mode: Literal["suspended", "asleep"] = "asleep" if asleep else "suspended"
        return await self._tell(
            SuspendTenant(command_id=command_id or new_id(), mode=mode, reason=reason)
        )

    async def resume(self, *, reason: str = "", command_id: str | None = None) -> Receipt:
        """Let calls through again."""
        return await self._tell(ResumeTenant(command_id=command_id or new_id(), reason=reason))

    async def show(self, noun: str) -> dict[str, Any]:
        """Return the gate's live view of `tenant`, `policy`, `price_book`, `budget` or `rate`."""
        attempts = Attempts(
            self._bus,
            self._wire,
            self.timing,
            self.patience,
            subject=subjects.query(self.tenant, noun),
        )
        while True:
            found = await attempts.send(b"", dict[str, Any])
            if found is not None:
                return found
            await attempts.pause()

    # -- sending ------------------------------------------------------------------

    async def _tell(self, command: AnyCommand) -> Receipt:
        return (await self._command(command, Receipt, self.patience))[0]

    async def _command(
        self, command: AnyCommand, kind: type[Answer], patience: Patience
    ) -> tuple[Answer, Attempts]:
        attempts = self._attempts(command, patience)
        payload = self._wire.encode(command)
        while True:
            answer = await attempts.send(payload, kind)
            if answer is None:
                await attempts.pause()
            elif _must_ask_again(answer):
                await attempts.pause(answer.code, getattr(answer, "retry_after_ms", None))
            else:
                return answer, attempts

    def _attempts(self, command: AnyCommand, patience: Patience) -> Attempts:
        noun, verb = NOUN_AND_VERB[type(command)]
        return Attempts(
            self._bus,
            self._wire,
            self.timing,
            patience,
            subject=subjects.command(self.tenant, noun, verb),
            command_id=command.command_id,
        )

    def _remember(self, command: AuthorizeCall, decision: Decision, attempts: Attempts) -> None:
        self._desk.received(
            decision,
            limits_of(command, decision),
            asked_us=attempts.began_us,
            ttl_ms=command.ttl_ms,
            attempts=attempts.number,
        )


def _must_ask_again(answer: Decision | Receipt) -> bool:
    """Whether the gate could not decide. `too_many_holds` is a 503 too, but a decision."""
    return answer.status == _UNAVAILABLE and answer.code in _ASK_AGAIN
