"""
One conversation in a room, from its lease to its end.

    held = TwinSession(gate, parts, job, stage, room=room)
    await held.open()         bundle, lease, disclosure, then the library's session
    await held.wait()         until it is over, and everything of it is closed

It ends when the visitor leaves, when money ends, when the gate ends it (killed, suspended, lease)
and when the agent is stopped. Media stops first: the room is deleted, then the books are closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

from livekit import rtc
from livekit.agents import AgentSession, CloseEvent

from contracts.agent_job import AgentJob, Disclosure, RoomState
from contracts.bundle import BundleContent, BundleView
from contracts.price_book import PriceBook
from contracts.session import CloseReason, Rung
from contracts.views import PriceBookView
from services import logs
from services.agent.face import Face, FaceProduct, face_product
from services.agent.ladder import Ladder
from services.agent.library import library_session, room_options
from services.agent.room_bill import RoomBill, room_sku
from services.agent.stage import HANG_UP_S, Stage
from services.agent.talk import Talk
from services.agent.twin_agent import TwinAgent
from services.client import GateClient
from services.distribution.media_key import MediaKey
from services.live.briefing import NotBriefed, system_message
from services.live.lease import Lease, LeaseRefused
from services.live.parts import Parts
from services.live.products import NoProduct, of_price_book
from services.live.words import language_of
from services.vendors.data.live_adapters import Adapters, offered
from services.vendors.data.live_context import LiveContext
from services.vendors.data.tools import LiveTools
from services.vendors.face.avatar import AvatarConfig
from services.vendors.face.livekit import LiveKitAdapter

# Who sells rooms, as price books call it.
ROOMS: Final = "livekit"
# How long each thing that has to be closed is waited for.
CLOSING_S: Final = 5.0


class NotHeld(Exception):
    """The conversation does not take place; *code* says why, and nothing of it is left open."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(f"{code}: {why}")
        self.code = code


class TwinSession:
    """See the module. Without a *room* it is held in text, by `session.run`."""

    def __init__(
        self,
        gate: GateClient,
        parts: Parts,
        job: AgentJob,
        stage: Stage,
        *,
        room: rtc.Room | None = None,
        media: MediaKey | None = None,
        rooms: LiveKitAdapter | None = None,
    ) -> None:
        self._gate = gate
        self._parts = parts
        self._job = job
        self._stage = stage
        self._room = room
        self._media = media
        self._rooms = rooms
        self._bill: RoomBill | None = None
        self._lease = Lease(
            gate, job.session_id, lease_ms=parts.lease_ms, ended=lambda _code: self.over(None)
        )
        self._bundles: AsyncGenerator[BundleView, None] | None = None
        self._followers: list[asyncio.Task[None]] = []
        self._ending: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()
        self._is_open = False
        self._face: Face | None = None
        self._replica = ""
        self._live: Adapters = ()
        self._talk: Talk | None = None
        self.ladder: Ladder | None = None
        self.session: AgentSession[None] | None = None
        self.agent: TwinAgent | None = None

    # -- opening ----------------------------------------------------------------------

    async def open(self) -> None:
        """Begin. Raises NotHeld; CannotVerify and Refused when the gate does not answer."""
        try:
            bundle = await self._first_bundle()
            try:
                instructions = system_message(bundle, self._job.values)
            except NotBriefed as problem:
                raise NotHeld("not_briefed", problem.why) from None
            book = (await self._gate.show(PriceBookView)).price_book
            talk = self._talk = self._talk_of(bundle, book)
            product = face_product(book, self._parts.vendors)
            wanted = self._wanted(talk, has_face=product is not None)
            await self._begin_lease(wanted)
            await self._pay_for_room(room_sku(book, ROOMS))
            talk.watcher = self.ladder = Ladder(
                self._stage, self._lease, wanted=wanted, over=self.over
            )
            self._live = offered(self._parts.live, book)
            await self._start(talk, instructions, wanted, product)
        except BaseException:
            await self.aclose("error")
            raise

    async def _first_bundle(self) -> BundleContent:
        self._bundles = self._gate.bundles()
        bundle = await anext(self._bundles)
        if bundle.content is None:
            raise NotHeld("not_briefed", "the bundle has no content")
        return bundle.content

    def _talk_of(self, bundle: BundleContent, book: PriceBook | None) -> Talk:
        try:
            products = of_price_book(book, self._parts.vendors)
        except NoProduct as problem:
            raise NotHeld("no_product", str(problem)) from None
        identity = bundle.dna.identity.identity if bundle.dna and bundle.dna.identity else None
        defaults = self._parts.defaults
        # What the Owner has signed off comes first; a job may only fill what it leaves open.
        self._replica = (identity.face if identity else "") or self._job.face or defaults.face
        spoken = self._job.language or (identity.language if identity else "en")
        return Talk(
            gate=self._gate,
            vendors=self._parts.vendors,
            session_id=self._job.session_id,
            products=products,
            language=language_of(spoken),
            spoken_language=spoken,
            watcher=_Nobody(),
            topics=bundle.topics.topics,
            knowledge=bundle.knowledge,
            voice=(identity.voice if identity else "") or self._job.voice or defaults.voice,
        )

    def _wanted(self, talk: Talk, *, has_face: bool) -> Rung:
        """What is asked for, as far as the twin has a voice and a face of its own."""
        wanted = self._job.modality
        if talk.products.voice is None or not talk.voice:
            return "text"
        is_shown = has_face and self._room is not None and self._media is not None
        return "voice" if wanted == "video" and not is_shown else wanted

    async def _begin_lease(self, wanted: Rung) -> None:
        try:
            begun = await self._lease.open(
                wanted, self._job.deployment or "", on_behalf=self._job.on_behalf
            )
            self._is_open = True
            version = int(begun.facts.get("disclosure_version", 0))
            if version:
                text = str(begun.facts.get("disclosure", ""))
                language = str(begun.facts.get("language", ""))
                shown = Disclosure(version=version, text=text, language=language)
                if not await self._stage.disclose(shown):
                    raise NotHeld("disclosure_not_shown", "nobody confirmed that it was shown")
                await self._lease.disclosed(version)
        except LeaseRefused as refused:
            raise NotHeld(refused.receipt.code, refused.receipt.remedy or "") from None

    async def _pay_for_room(self, sku: str | None) -> None:
        """Hold for the room if the twin pays for rooms. Raises NotHeld."""
        if sku is None or self._rooms is None or self._room is None:
            return

        def refused(code: str) -> None:
            if self.ladder is not None:
                self.ladder.room_refused(code)

        self._bill = RoomBill(
            self._gate, self._rooms, sku, session_id=self._job.session_id, refused=refused
        )
        if why := await self._bill.begin(self._room.name):
            raise NotHeld(why, "the room cannot be paid for")

    async def _start(
        self, talk: Talk, instructions: str, wanted: Rung, product: FaceProduct | None
    ) -> None:
        ladder = self.ladder
        assert ladder is not None, "made before it is used"
        speaks = wanted != "text"
        hears = speaks and self._room is not None and talk.products.ear is not None
        session = self.session = library_session(talk, speaks=speaks, hears=hears)
        session.on("close", self._closed)
        self._face = self._face_of(product, session) if wanted == "video" else None
        contexts = [LiveContext(self._gate, one) for one in self._live]
        self.agent = TwinAgent(talk, instructions, LiveTools(*contexts) if contexts else None)
        ladder.attach(session, talk, self._face)
        # While the face is on its way nothing is said that would be said twice.
        self._follow(self._follow_bundles(), self._follow_changes())
        if self._room is None:
            await session.start(self.agent, record=False, session_host=False)
        else:
            options = room_options(self._job.visitor, speaks=speaks, hears=hears)
            await session.start(
                self.agent, room=self._room, room_options=options, record=False, session_host=False
            )
        self._stage.watch(self.over)
        if hears:
            self._stage.listen()
        await self._stage.show(RoomState(modality=ladder.rung, code="begun"))
        await ladder.begin()

    def _face_of(self, product: FaceProduct | None, session: AgentSession[None]) -> Face | None:
        if product is None or self._room is None or self._media is None:
            return None
        looks = AvatarConfig(
            persona=self._job.persona or self._parts.defaults.persona,
            replica=self._replica,
        )
        assert self.ladder is not None, "made before it is used"
        face = Face(
            self._gate,
            product,
            looks,
            room=self._room,
            media=self._media,
            session_id=self._job.session_id,
            lost=self.ladder.face_lost,
        )
        face.attach(session)
        return face

    # -- while it goes on ---------------------------------------------------------------

    def _follow(self, *works: Coroutine[Any, Any, None]) -> None:
        for work in works:
            task = asyncio.create_task(work, name="follow")
            task.add_done_callback(self._lost_sight)
            self._followers.append(task)

    def _lost_sight(self, task: asyncio.Task[None]) -> None:
        """Nobody follows the gate any more, so nothing may go on."""
        if not task.cancelled() and self._ending is None:
            logs.get().error("not_followed", reason=f"{task.exception()!r}"[:300])
            self.over("error")

    async def _follow_bundles(self) -> None:
        """Go by each newer bundle from the next turn on."""
        assert self._bundles is not None, "opened"
        assert self._talk is not None, "opened"
        async for bundle in self._bundles:
            content = bundle.content
            if content is None:
                continue
            try:
                instructions = system_message(content, self._job.values)
            except NotBriefed as problem:
                # What has no prompt any more may not speak.
                logs.get().warning("not_briefed", reason=problem.why)
                self.over("error")
                return
            self._talk.topics = content.topics.topics
            self._talk.knowledge = content.knowledge
            if self.agent is not None:
                await self.agent.update_instructions(instructions)
            await self._lease.goes_by(bundle.revision)

    async def _follow_changes(self) -> None:
        changes = self._gate.session_changes(lambda: [self._job.session_id])
        async for change in changes:
            if change.ended:
                self.over(None)
            elif self.ladder is not None:
                self.ladder.room_made()

    def _closed(self, event: CloseEvent) -> None:
        reason: CloseReason = "error" if event.error is not None else "user_exit"
        self.over(reason)

    # -- ending -------------------------------------------------------------------------

    def over(self, reason: CloseReason | None) -> None:
        """End now; None when the gate has ended it already. Only the first one counts."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._end(reason), name="end")

    async def wait(self) -> None:
        """Wait until it is over and closed."""
        await self._ended.wait()

    async def aclose(self, reason: CloseReason = "error") -> None:
        """End it, if it is not over, and wait until everything is closed."""
        self.over(reason)
        await self.wait()

    async def _end(self, reason: CloseReason | None) -> None:
        if self._talk is not None:
            self._talk.is_silent = True
        if self.session is not None:
            self.session.output.set_audio_enabled(False)
        closing = [self._stage.hang_up() if self._bill is None else self._hang_up(self._bill)]
        if self._face is not None:
            closing.append(self._face.hide("COST_LIMIT" if reason is None else "USER_EXIT"))
        await _all(*closing)
        await _all(self._close_library())
        if self._is_open:
            await _all(self._lease.close(reason or "error", is_over=reason is None))
        for task in self._followers:
            task.cancel()
        await asyncio.gather(*self._followers, return_exceptions=True)
        if self._bundles is not None:
            with suppress(RuntimeError):
                await self._bundles.aclose()
        self._ended.set()

    async def _hang_up(self, bill: RoomBill) -> None:
        """End the room where it is billed, which sees who is still there; then whatever is left."""
        try:
            async with asyncio.timeout(HANG_UP_S):
                await bill.end()
        except TimeoutError:
            # Its books are closed by the client's errands.
            logs.get().warning("room_not_ended")
        await self._stage.hang_up()

    async def _close_library(self) -> None:
        if self.ladder is not None:
            await self.ladder.aclose()
        if self.session is not None:
            await self.session.aclose()


async def _all(*closing: Coroutine[Any, Any, None]) -> None:
    """Close everything, whatever becomes of each."""

    async def bounded(work: Coroutine[Any, Any, None]) -> None:
        async with asyncio.timeout(CLOSING_S):
            await work

    for problem in await asyncio.gather(*map(bounded, closing), return_exceptions=True):
        if isinstance(problem, Exception):
            logs.get().error("not_closed", reason=f"{problem!r}"[:300])


class _Nobody:
    """Who is told before there is anybody to tell: nothing can be called yet."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        raise AssertionError(f"{name}: the conversation has not begun")
