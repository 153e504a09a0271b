"""
A conversation's lease at the gate: opened, shown its disclosure, kept alive, stepped, ended.

The heart beats every third of the lease. When the gate cannot be asked for a while that is nothing:
the lease outlives two beats; when it says that the session has ended, *ended* is told once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from contracts.replies import Receipt
from contracts.session import (
    LEASE_MS,
    BeatSession,
    BeginSession,
    CloseReason,
    EndSession,
    Notice,
    Rung,
    SessionCommand,
    ShowDisclosure,
    StepSession,
)
from services import logs
from services.client import GateClient
from services.client.errors import CannotVerify, NotAllowed
from services.client.sender import new_id

DONE: Final = 200
BEATS_PER_LEASE: Final = 3
_MS: Final = 1_000


class LeaseRefused(Exception):
    """The gate refused; *receipt* says why."""

    def __init__(self, receipt: Receipt) -> None:
        super().__init__(receipt.code)
        self.receipt = receipt


class Lease:
    """One session. *ended* is called with the gate's reason when it is found to be over."""

    def __init__(
        self,
        gate: GateClient,
        session_id: str,
        *,
        lease_ms: int = LEASE_MS,
        ended: Callable[[str], None],
    ) -> None:
        self._gate = gate
        self._session_id = session_id
        self._lease_ms = lease_ms
        self._ended = ended
        self._heart: asyncio.Task[None] | None = None
        self._revision: int | None = None

    async def open(self, modality: Rung, deployment: str, *, on_behalf: str = "") -> Receipt:
        """
        Open the session and let its heart beat; raises LeaseRefused, CannotVerify.

        *on_behalf* is whom it is held for, when we ask in our own name.
        """
        receipt = await self._told(
            BeginSession(
                command_id=new_id(),
                session_id=self._session_id,
                modality=modality,
                deployment=deployment or None,
                lease_ms=self._lease_ms,
                on_behalf=on_behalf or None,
            )
        )
        self._heart = asyncio.create_task(self._beat())
        return receipt

    async def disclosed(self, version: int) -> None:
        """Say that the disclosure was shown; raises LeaseRefused, CannotVerify."""
        await self._told(
            ShowDisclosure(command_id=new_id(), session_id=self._session_id, version=version)
        )

    async def step(self, rung: Rung, why: str, notice: Notice) -> None:
        """Record that the session goes on by another rung; never in the way of the conversation."""
        command = StepSession(
            command_id=new_id(),
            session_id=self._session_id,
            modality=rung,
            why=why,
            notice=notice,
        )
        try:
            await self._told(command)
        except (CannotVerify, LeaseRefused) as problem:
            logs.get().warning(
                "step_not_recorded", tenant=self._gate.tenant, reason=f"{problem!r}"[:200]
            )

    async def goes_by(self, bundle_revision: int) -> None:
        """Record that another bundle governs it from here on."""
        self._revision = bundle_revision
        try:
            await self._told(self._heartbeat())
        except (CannotVerify, LeaseRefused) as problem:
            # The next beat says it again.
            logs.get().warning(
                "bundle_not_recorded", tenant=self._gate.tenant, reason=f"{problem!r}"[:200]
            )

    async def close(self, reason: CloseReason, *, is_over: bool) -> None:
        """Stop the heart, and end the session unless *is_over*; else it expires."""
        if self._heart is not None:
            self._heart.cancel()
        if is_over:
            return
        command = EndSession(command_id=new_id(), session_id=self._session_id, reason=reason)
        try:
            await self._told(command)
        except (CannotVerify, LeaseRefused, NotAllowed) as problem:
            logs.get().warning(
                "session_not_ended", tenant=self._gate.tenant, reason=f"{problem!r}"[:200]
            )

    def _heartbeat(self) -> BeatSession:
        return BeatSession(
            command_id=new_id(), session_id=self._session_id, bundle_revision=self._revision
        )

    async def _told(self, command: SessionCommand) -> Receipt:
        receipt = await self._gate.tell(command)
        if receipt.status != DONE:
            raise LeaseRefused(receipt)
        return receipt

    async def _beat(self) -> None:
        while True:
            await self._gate.timing.sleep(self._lease_ms / BEATS_PER_LEASE / _MS)
            try:
                await self._told(self._heartbeat())
            except CannotVerify as problem:
                logs.get().warning(
                    "beat_unconfirmed", tenant=self._gate.tenant, reason=problem.reason
                )
            except LeaseRefused as refused:
                self._ended(str(refused.receipt.facts.get("reason", refused.receipt.code)))
                return
            except NotAllowed:
                self._ended("not_allowed")
                return
