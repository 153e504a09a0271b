"""
The engine: opens conversations with the twins of a deployment, in its own name.

A visitor's login ends with its session and could not book what came after, so the engine asks with
the deployment's credentials and says on whose behalf. The gate holds every call of the session to
what that visitor, or that key, may do.

    who asks is briefed about? -> a model? -> the session opens, on the highest rung there is
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import msgspec

from contracts.session import Rung
from domain.deployment import RUNGS
from domain.refusals import ABOVE_CEILING, MODALITY_NOT_ALLOWED
from services.client import GateClient
from services.client.connection import of_login
from services.client.errors import CannotVerify, Refused
from services.embedded.nats_permissions import Role
from services.gateway.conversation import Opening
from services.live.briefing import NotBriefed, system_message
from services.live.conversation import LiveConversation
from services.live.face import Looks
from services.live.lease import LeaseRefused
from services.live.parts import Parts, open_parts
from services.live.problems import not_briefed, of_gate, unverified
from services.live.twin import LiveTwin
from services.live.voice import Sound
from services.settings import Settings

_LADDER: Final[tuple[Rung, ...]] = ("video", "voice", "text")
# What another rung may be free of.
_OF_THE_RUNG: Final = frozenset((ABOVE_CEILING.code, MODALITY_NOT_ALLOWED.code))


class _Kept(msgspec.Struct):
    """A twin that is talked with, and by how many."""

    beginning: asyncio.Task[LiveTwin]
    users: int = 0


class Engine:
    """See Conversations. *gate* is a client of any tenant, with the deployment's credentials."""

    def __init__(self, gate: GateClient, parts: Parts) -> None:
        self._gate = gate
        self._parts = parts
        self._twins: dict[str, _Kept] = {}

    def __len__(self) -> int:
        """How many twins are talked with."""
        return len(self._twins)

    async def open(self, opening: Opening) -> LiveConversation:
        """See Conversations."""
        try:
            twin = await self._enter(opening.tenant)
        except Refused as refused:
            raise of_gate(refused.decision) from None
        except CannotVerify as unknown:
            raise unverified(unknown) from None
        try:
            return await self._opened(twin, opening)
        except BaseException:
            await self._leave(opening.tenant)
            raise

    async def _opened(self, twin: LiveTwin, opening: Opening) -> LiveConversation:
        try:
            system_message(twin.bundle, opening.values)
        except NotBriefed as problem:
            raise not_briefed(problem) from None
        sound, looks = twin.sound(), twin.looks()
        rungs = _rungs(opening, sound, looks)
        while True:
            rung = rungs.pop(0)
            made = LiveConversation(twin, opening, rung, sound=sound, looks=looks)
            try:
                await made.lease.open(rung, opening.deployment, on_behalf=opening.principal)
                break
            except LeaseRefused as refused:
                if refused.receipt.code not in _OF_THE_RUNG or not rungs:
                    raise of_gate(refused.receipt) from None
            except CannotVerify as unknown:
                raise unverified(unknown) from None
        twin.enter(made)
        made.begin()
        return made

    # -- twins ------------------------------------------------------------------------

    async def _enter(self, tenant: str) -> LiveTwin:
        kept = self._twins.get(tenant)
        is_new = kept is None
        if kept is None:
            kept = self._twins[tenant] = _Kept(asyncio.create_task(self._begin(tenant)))
        kept.users += 1
        try:
            # Others may wait for it, too.
            twin = await asyncio.shield(kept.beginning)
            if not is_new:
                await twin.reprice()
        except BaseException:
            await self._leave(tenant)
            raise
        return twin

    async def _begin(self, tenant: str) -> LiveTwin:
        async def left() -> None:
            await self._leave(tenant)

        return await LiveTwin(self._gate.for_tenant(tenant), self._parts, left=left).start()

    async def _leave(self, tenant: str) -> None:
        kept = self._twins[tenant]
        kept.users -= 1
        if kept.users:
            return
        del self._twins[tenant]
        if not kept.beginning.done():
            kept.beginning.cancel()
        elif not kept.beginning.cancelled() and kept.beginning.exception() is None:
            await kept.beginning.result().stop()


def _rungs(opening: Opening, sound: Sound | None, looks: Looks | None) -> list[Rung]:
    """Return the rungs to try, the highest first: wanted, offered there, and the twin's own."""
    highest = RUNGS[opening.modality]
    if opening.ceiling is not None:
        highest = max(highest, RUNGS[opening.ceiling])
    has: dict[Rung, bool] = {"video": looks is not None, "voice": sound is not None, "text": True}
    return [rung for rung in _LADDER if RUNGS[rung] >= highest and has[rung]]


@asynccontextmanager
async def open_engine(settings: Settings, role: Role = "gateway") -> AsyncIterator[Engine]:
    """Open the engine of a deployment, with the bus login of *role*; closed when all is booked."""
    async with AsyncExitStack() as stack:
        parts = await open_parts(settings, stack)
        # Last to open and first to close: what is booked on leaving may still ask a vendor.
        login = of_login(settings.nats(role))
        gate = await stack.enter_async_context(
            GateClient.connect(**login, tenant="vito", hold_ms_max=settings.hold_s * 1_000)
        )
        yield Engine(gate, parts)
