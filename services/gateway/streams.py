"""
All conversations of one gateway: how many there may be, how one is resumed, how they end.

A resume token is good once: each welcome has a new one. The one before stays good only until the
connection that got the new one has said something, because a welcome may be lost as well. Both are
kept as hashes, and open a conversation to the very principal that it belongs to.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from contracts.stream import Hello
from domain.deployment import RUNGS
from services import logs
from services.client.sender import new_id
from services.gateway.conversation import Conversations, Opening, Reason
from services.gateway.figures import Depths, Figures
from services.gateway.guest import Guest
from services.gateway.limits import Limits
from services.gateway.problems import CONVERSATION_GONE, CONVERSATION_OPEN, FULL, STOPPING
from services.gateway.stream import Stream
from services.http_door.caller import Caller
from services.identity import random_secret
from services.query_api.problems import HttpProblem


class Streams:
    """See above. *clock_s*: monotonic seconds."""

    def __init__(
        self,
        conversations: Conversations,
        limits: Limits,
        clock_s: Callable[[], float],
        figures: Figures,
    ) -> None:
        self._conversations = conversations
        self._figures = figures
        self._limits = limits
        self._clock_s = clock_s
        self._streams: dict[Stream, list[bytes]] = {}
        self._by_token: dict[bytes, Stream] = {}
        self._visitors: set[tuple[str, str]] = set()
        # Those that are being opened count.
        self._of_tenant: Counter[str] = Counter()
        self._ending: set[asyncio.Task[None]] = set()
        self._empty = asyncio.Event()
        self._is_stopping = False

    def __len__(self) -> int:
        return self._of_tenant.total()

    # -- beginning and resuming --------------------------------------------------------

    async def open(self, guest: Guest, hello: Hello) -> Stream:
        """Begin a conversation; raises HttpProblem."""
        self._check_room(guest)
        visitor = (guest.tenant, guest.principal)
        if guest.is_visitor and visitor in self._visitors:
            raise HttpProblem(CONVERSATION_OPEN, "A visitor has one conversation at a time.")
        self._of_tenant[guest.tenant] += 1
        if guest.is_visitor:
            self._visitors.add(visitor)
        try:
            return await self._opened(guest, hello)
        except BaseException:
            self._give_back(guest)
            raise

    async def _opened(self, guest: Guest, hello: Hello) -> Stream:
        session_id = guest.caller.id if guest.is_visitor else new_id()
        conversation = await self._conversations.open(
            Opening(
                tenant=guest.tenant,
                principal=guest.principal,
                session_id=session_id,
                modality=hello.modality,
                language=hello.language,
                values=hello.values,
                deployment=guest.deployment,
                ceiling=guest.ceiling,
                disclosure=guest.disclosure,
            )
        )
        if self._is_stopping:
            await conversation.close("stopping")
            raise _stopping()
        stream = Stream(
            session_id,
            guest,
            conversation,
            due=guest.disclosure,
            limits=self._limits,
            clock_s=self._clock_s,
            ended=self.end,
            settled=self._settled,
            figures=self._figures,
        )
        self._streams[stream] = []
        self._empty.clear()
        stream.start()
        logs.get().info("conversation_opened", tenant=guest.tenant, session=session_id)
        return stream

    def resume(self, guest: Guest, hello: Hello) -> Stream:
        """Find the conversation that goes on; raises HttpProblem (410)."""
        stream = self._by_token.get(random_secret.digest(hello.resume))
        is_theirs = stream is not None and (
            (stream.guest.tenant, stream.guest.principal) == (guest.tenant, guest.principal)
        )
        # Whose it is, or that there is one, is nobody else's business: the same words.
        if stream is None or not is_theirs:
            raise HttpProblem(CONVERSATION_GONE, "It has ended, or the token was used.")
        if not stream.outbox.has(hello.position):
            detail = f"Position {hello.position} was never said, or was acknowledged."
            raise HttpProblem(CONVERSATION_GONE, detail)
        stream.outbox.acknowledge(hello.position)
        logs.get().info("conversation_resumed", tenant=guest.tenant, session=stream.session_id)
        return stream

    def new_token(self, stream: Stream) -> str:
        """Make the token of the next welcome; raises HttpProblem when it has ended meanwhile."""
        tokens = self._streams.get(stream)
        if tokens is None:
            raise HttpProblem(CONVERSATION_GONE, "It has ended just now.")
        self.spend(stream)
        secret, digest = random_secret.generate()
        tokens.append(digest)
        self._by_token[digest] = stream
        return secret

    def spend(self, stream: Stream) -> None:
        """Forget the tokens before the newest: its bearer has spoken."""
        tokens = self._streams.get(stream, [])
        while len(tokens) > 1:
            del self._by_token[tokens.pop(0)]

    # -- ending ------------------------------------------------------------------------

    def end(self, stream: Stream, reason: Reason, problem: HttpProblem | None = None) -> None:
        """End a conversation, once; its connection closes with *problem*, or as what is over."""
        tokens = self._streams.pop(stream, None)
        if tokens is None:
            return
        for token in tokens:
            del self._by_token[token]
        stream.turns.clear()
        if stream.line is not None:
            stream.line.end(problem, flush=True)
        code = problem.kind.code if problem else None
        logs.get().info(
            "conversation_ended",
            tenant=stream.guest.tenant,
            session=stream.session_id,
            reason=reason,
            code=code,
        )
        task = asyncio.create_task(self._shut(stream, reason))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _shut(self, stream: Stream, reason: Reason) -> None:
        try:
            await stream.shut(reason)
        finally:
            self._give_back(stream.guest)

    def end_where(self, is_meant: Callable[[Caller], bool], problem: HttpProblem) -> None:
        """End the conversations of callers who may not be here any more."""
        for stream in list(self._streams):
            if is_meant(stream.guest.caller):
                self.end(stream, "not_allowed", problem)

    def callers(self) -> list[Caller]:
        """Everybody who is in a conversation."""
        return [stream.guest.caller for stream in self._streams]

    def depths(self) -> Depths:
        """Say how full it is right now."""
        found = Depths(rungs=dict.fromkeys(RUNGS, 0))
        for stream in self._streams:
            found.rungs[stream.conversation.modality] += 1
            found.lost_conversations += stream.line is None
            found.turns_waiting += stream.turns.waiting
            found.outbox_messages += stream.outbox.last - stream.outbox.acknowledged
            found.outbox_bytes += stream.outbox.kept_bytes
            found.full_outboxes += stream.outbox.full_since_s is not None
        return found

    def check(self, now_s: float, now_us: int) -> None:
        """End what has had its time."""
        for stream in list(self._streams):
            stream.check(now_s, now_us)

    async def drain(self) -> None:
        """Begin nothing more, let the turns that run end, within the time there is; then stop."""
        self._is_stopping = True
        for stream in list(self._streams):
            self._settled(stream)
        try:
            async with asyncio.timeout(self._limits.drain_s):
                while self._of_tenant.total():
                    await self._empty.wait()
        except TimeoutError:
            logs.get().warning("turns_cut_off", conversations=len(self._streams))
        for stream in list(self._streams):
            self.end(stream, "stopping", _stopping())
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _settled(self, stream: Stream) -> None:
        if self._is_stopping and stream.turns.running is None:
            self.end(stream, "stopping", _stopping())

    # -- room --------------------------------------------------------------------------

    def _check_room(self, guest: Guest) -> None:
        if self._is_stopping:
            raise _stopping()
        if len(self) >= self._limits.connections_max:
            raise HttpProblem(FULL, "This gateway is full.")
        if self._of_tenant[guest.tenant] >= self._limits.tenant_connections_max:
            raise HttpProblem(FULL, "Too many talk with this twin right now.")

    def _give_back(self, guest: Guest) -> None:
        self._of_tenant[guest.tenant] -= 1
        if not self._of_tenant[guest.tenant]:
            del self._of_tenant[guest.tenant]
        if guest.is_visitor:
            self._visitors.discard((guest.tenant, guest.principal))
        if not self._of_tenant:
            self._empty.set()


def _stopping() -> HttpProblem:
    return HttpProblem(STOPPING, "It answers nobody new, and ends what it has begun.")
