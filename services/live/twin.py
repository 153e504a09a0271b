"""
A twin while somebody talks with it here: one for all its conversations in this process.

It follows the twin's bundle, so that each turn goes by the newest, and what happens to its
sessions, so that one that the gate has ended ends here within a moment. The price book, which says
what it talks with, is read when a conversation opens, and again when a decision shows that it has
changed. When the last conversation has gone it is forgotten.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from typing import Any, Final, Protocol, Self

from contracts.bundle import BundleContent, BundleView, LiveIdentity
from contracts.replies import Decision
from contracts.views import PriceBookView
from domain.refusals import NOT_PRICED
from services import logs
from services.client import GateClient
from services.client.errors import CannotVerify, Refused
from services.live.face import Looks
from services.live.parts import Parts
from services.live.problems import NO_MODEL
from services.live.products import NoProduct, Products, of_price_book
from services.live.voice import Sound
from services.query_api.problems import HttpProblem
from services.vendors.data.live_adapters import offered
from services.vendors.data.live_context import LiveContext
from services.vendors.data.tools import LiveTools
from services.vendors.face.avatar import AvatarConfig

FALLBACK_LANGUAGE: Final = "en"
_PERMILLE: Final = 1_000
NOT_FOLLOWED: Final = "not_followed"


class Running(Protocol):
    """A conversation, as far as its twin knows it."""

    @property
    def session_id(self) -> str: ...

    def ended(self, reason: str) -> None: ...

    def bundle_came(self) -> None: ...


class LiveTwin:
    """
    See the module. *room* counts what may have made room for a higher rung.

    *left* is awaited when a conversation has gone.
    """

    bundle: BundleContent
    revision: int
    products: Products
    price_version: int
    tools: LiveTools | None

    def __init__(
        self, gate: GateClient, parts: Parts, *, left: Callable[[], Awaitable[None]]
    ) -> None:
        self.gate = gate
        self.vendors = parts.vendors
        self.lease_ms = parts.lease_ms
        self.room = 0
        self.price_version = -1
        self._contexts: dict[str, LiveContext] = {}
        self._parts = parts
        self._left = left
        self._bundles: AsyncGenerator[BundleView, None] = gate.bundles()
        self._conversations: dict[str, Running] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._is_following_changes = False

    async def start(self) -> Self:
        """Begin to follow. Raises Refused, CannotVerify, HttpProblem; nothing is left then."""
        try:
            self._take(await anext(self._bundles))
            await self.reprice()
        except BaseException:
            await self._bundles.aclose()
            raise
        self._follow(self._follow_bundles())
        return self

    async def stop(self) -> None:
        """Follow nothing any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._bundles.aclose()

    # -- what it talks with ---------------------------------------------------------

    async def reprice(self) -> None:
        """
        Go by the price book as it is now.

        Raises Refused, CannotVerify, and HttpProblem when it has no model any more; what it went by
        before stays then.
        """
        shown = await self.gate.show(PriceBookView)
        if shown.version == self.price_version:
            return
        try:
            self.products = of_price_book(shown.price_book, self.vendors)
        except NoProduct as problem:
            raise HttpProblem(NO_MODEL, str(problem)) from None
        self.price_version = shown.version
        # What a context keeps of answers and limits is as good as before.
        self._contexts = {
            one.provider_id: self._contexts.get(one.provider_id) or LiveContext(self.gate, one)
            for one in offered(self._parts.live, shown.price_book)
        }
        self.tools = LiveTools(*self._contexts.values()) if self._contexts else None

    async def decided(self, decision: Decision) -> bool:
        """Go by a newer price book if the gate has decided by one; whether there was one."""
        before = self.price_version
        if decision.price_version > before or decision.code == NOT_PRICED.code:
            try:
                await self.reprice()
            except (CannotVerify, HttpProblem, Refused) as problem:
                # The gate refuses by the newer one what it does not have: nothing is lost.
                logs.get().warning(
                    "not_repriced", tenant=self.gate.tenant, reason=f"{problem!r}"[:200]
                )
        return self.price_version != before

    # -- what it is -----------------------------------------------------------------

    @property
    def language(self) -> str:
        """The language that it speaks, as a BCP 47 tag."""
        live = self._identity()
        return live.identity.language if live else FALLBACK_LANGUAGE

    def sound(self) -> Sound | None:
        """How it sounds; None when it has no voice."""
        live = self._identity()
        voice = (live.identity.voice if live else "") or self._parts.defaults.voice
        if self.products.voice is None or not voice:
            return None
        speed = live.refinement.speed_permille / _PERMILLE if live else 1.0
        return Sound(
            speech=self.products.voice,
            sku=self.products.voice_sku,
            voice=voice,
            language=self.language,
            speed=speed,
        )

    def looks(self) -> Looks | None:
        """How it looks; None when it has no face."""
        live = self._identity()
        face = (live.identity.face if live else "") or self._parts.defaults.face
        if self.products.face is None or not face:
            return None
        config = AvatarConfig(persona=self._parts.defaults.persona, replica=face)
        return Looks(adapter=self.products.face, sku=self.products.face_sku, config=config)

    def _identity(self) -> LiveIdentity | None:
        return self.bundle.dna.identity if self.bundle.dna is not None else None

    # -- its conversations ------------------------------------------------------------

    def enter(self, conversation: Running) -> None:
        """A conversation is open: it hears of its end from here on."""
        self._conversations[conversation.session_id] = conversation
        if not self._is_following_changes:
            # Not before there is one to ask about: the answer says how often there was room so far.
            self._is_following_changes = True
            self._follow(self._follow_changes())

    async def leave(self, conversation: Running) -> None:
        """A conversation is closed."""
        if self._conversations.get(conversation.session_id) is conversation:
            del self._conversations[conversation.session_id]
            await self._left()

    # -- following --------------------------------------------------------------------

    def _follow(self, *works: Coroutine[Any, Any, None]) -> None:
        for work in works:
            task = asyncio.create_task(work, name="follow")
            task.add_done_callback(self._lost_sight)
            self._tasks.append(task)

    def _lost_sight(self, task: asyncio.Task[None]) -> None:
        """Nobody follows the gate any more, so nothing may go on."""
        if not task.cancelled():
            reason = f"{task.exception()!r}"[:300]
            logs.get().error("not_followed", tenant=self.gate.tenant, reason=reason)
            for conversation in list(self._conversations.values()):
                conversation.ended(NOT_FOLLOWED)

    async def _follow_bundles(self) -> None:
        async for bundle in self._bundles:
            self._take(bundle)
            for conversation in list(self._conversations.values()):
                conversation.bundle_came()

    def _take(self, bundle: BundleView) -> None:
        if bundle.content is not None:
            self.bundle, self.revision = bundle.content, bundle.revision

    async def _follow_changes(self) -> None:
        while True:
            try:
                async for change in self.gate.session_changes(lambda: list(self._conversations)):
                    if not change.ended:
                        self.room += 1
                    elif conversation := self._conversations.get(change.session_id):
                        conversation.ended(change.ended)
            except CannotVerify as unknown:
                # Only when it begins, and nobody has a session to lose yet.
                logs.get().warning(
                    "not_followed_yet", tenant=self.gate.tenant, reason=unknown.reason
                )
