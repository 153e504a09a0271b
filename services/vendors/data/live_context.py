"""
Live context of one twin from one vendor: as few calls as the vendor's terms need, each metered.

    kept and fresh        handed out with its age: no call, nothing authorised, nothing billed
    being fetched         waited for: the call belongs to whoever asked first
    limits used up        refused here, with the time to wait: no hold is made
    else                  one metered call
    which failed          what is kept is handed out with its age and the reason, if the vendor
                          allows that and it is not too old to be said at all

Everything is kept for one twin and one secret: keys and licences are the twin's, so nothing that
one twin paid for is ever shown by another.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import msgspec

from contracts.replies import Decision
from contracts.usage import Usage
from services.client.errors import NoGrant, SecretRefused
from services.client.gate_client import GateClient
from services.client.patience import Timing
from services.vendors.adapter import VendorCutOff, Vendors, VendorUnreachable, Way, simple_way
from services.vendors.allowance import Allowance
from services.vendors.data.context import ContextData, bounded
from services.vendors.data.context_errors import (
    ContextBadQuery,
    ContextError,
    ContextNotAllowed,
    ContextOverQuota,
    ContextRefused,
    ContextStale,
    ContextTooFast,
    ContextUnavailable,
)
from services.vendors.data.context_query import ContextQuery
from services.vendors.data.freshness import Shelf
from services.vendors.data.live_data import Board, Fetch, LiveDataAdapter
from services.vendors.metered import GRANTED, Decided, metered_call

FLIGHTS_MAX = 32
SCOPES_MAX = 16
BUSY_RETRY_MS = 100
# A person has to put the secret there; until then each question would make a hold in vain.
SECRET_RETRY_MS = 30_000
# A refusal with this status may be about the session that asked; the others (money, rate, no
# answer) are about the twin.
NOT_ALLOWED = 403
PASSING = (ContextUnavailable, ContextTooFast, ContextOverQuota, ContextStale)

_Key: TypeAlias = tuple[str, Fetch]


class _Kept(msgspec.Struct, frozen=True):
    board: Board
    fetched_us: int  # monotonic
    fetched_at_us: int  # since 1970
    reservation_id: str

    @property
    def as_of_us(self) -> int:
        # A vendor whose clock is ahead of ours does not know the future.
        said = self.board.as_of_us
        return self.fetched_at_us if said is None else min(said, self.fetched_at_us)

    def age_us(self, now_us: int) -> int:
        return now_us - self.fetched_us + self.fetched_at_us - self.as_of_us


async def _nobody(_decision: Decision) -> None:
    """Nobody wants to know."""


class _Told:
    """Tells whoever waits for a call what the gate has decided, also who has come to wait since."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._decision: Decision | None = None
        self._starts_us = 0
        self._has_decided = asyncio.Event()

    async def decided(self, decision: Decision) -> None:
        """The gate has decided; the call begins after the delay."""
        self._decision = decision
        self._starts_us = self._timing.monotonic_us() + decision.delay_us
        self._has_decided.set()

    @asynccontextmanager
    async def to(self, listener: Decided) -> AsyncIterator[None]:
        """Tell *listener* while it waits, in a task: a slow one holds up nobody else."""
        telling = asyncio.create_task(self._tell(listener), name="telling")
        try:
            yield
        finally:
            telling.cancel()

    async def _tell(self, listener: Decided) -> None:
        await self._has_decided.wait()
        assert self._decision is not None, "it has decided"
        left_us = max(0, self._starts_us - self._timing.monotonic_us())
        await listener(msgspec.structs.replace(self._decision, delay_us=left_us))


class _Flight:
    """A call under way for a session, how many wait for it, and what the gate has decided."""

    def __init__(self, task: asyncio.Task[_Kept], session_id: str | None, told: _Told) -> None:
        self.task = task
        self.session_id = session_id
        self.waiting = 0
        self.is_abandoned = False
        self._told = told

    async def wait(self, decided: Decided | None) -> _Kept:
        """Wait for the call; when nobody does any more, it is cancelled and its books closed."""
        self.waiting += 1
        try:
            async with self._told.to(decided or _nobody):
                return await asyncio.shield(self.task)
        finally:
            self.waiting -= 1
            if not self.waiting and not self.task.done():
                # Nobody may join it any more, for it is about to be cancelled.
                self.is_abandoned = True
                self.task.cancel()


class LiveContext:
    """
    The `RealTimeContextAdapter` of *gate*'s twin over one vendor's adapter.

    Make one for each twin and keep it: the answers and limits that it knows are its worth.
    """

    def __init__(self, gate: GateClient, adapter: LiveDataAdapter[Any]) -> None:
        self.adapter = adapter
        self._gate = gate
        self._vendors = Vendors(adapter)
        self._shelf: Shelf[_Kept] = Shelf()
        self._flights: dict[_Key, _Flight] = {}
        self._allowances: dict[str, Allowance] = {}

    async def fetch_context(
        self,
        query: ContextQuery,
        secret_scope: str = "",
        *,
        session_id: str | None = None,
        max_delay_ms: int | None = None,
        decided: Decided | None = None,
    ) -> ContextData:
        """
        Fetch live context; *secret_scope* names the twin's secret, by default the provider's id.

        *decided* is awaited with the gate's decision before its delay is waited for.

        Raises:
            ContextError: there is none; see `services.vendors.data.context_errors`.
            CannotVerify: the gate could not be asked; nothing was called.
        """
        if not isinstance(query, self.adapter.answers):
            raise ContextBadQuery(self.adapter.provider_id, "it does not answer such questions")
        scope = secret_scope or self.adapter.provider_id
        key = (scope, self.adapter.plan(query))
        kept = self._fresh(key)
        if kept is not None:
            return self._handed_out(query, kept, from_cache=True)
        try:
            fetched = await self._shared(key, session_id, max_delay_ms, decided)
        except PASSING as problem:
            return self._in_need(query, key, problem)
        return self._handed_out(query, fetched)

    # -- what is kept -------------------------------------------------------------

    def _fresh(self, key: _Key) -> _Kept | None:
        kept = self._shelf.get(key)
        if kept is None:
            return None
        used_us = self._gate.timing.monotonic_us() - kept.fetched_us
        return kept if used_us < kept.board.freshness.max_age_ms * 1_000 else None

    def _in_need(self, query: ContextQuery, key: _Key, problem: ContextError) -> ContextData:
        """Hand out what is kept although it is not fresh, or raise *problem*."""
        kept = self._shelf.get(key)
        if kept is None or not kept.board.freshness.may_serve_stale or self._is_stale(kept):
            raise problem
        return self._handed_out(query, kept, from_cache=True, why_old=problem.code)

    def _is_stale(self, kept: _Kept) -> bool:
        age_us = kept.age_us(self._gate.timing.monotonic_us())
        return age_us > kept.board.stale_after_ms * 1_000

    def _handed_out(
        self, query: ContextQuery, kept: _Kept, *, from_cache: bool = False, why_old: str = ""
    ) -> ContextData:
        adapter, board = self.adapter, kept.board
        now_us = self._gate.timing.monotonic_us()
        selected = adapter.select(query, board.facts)
        facts, left_out = bounded(selected)
        used_ms = (now_us - kept.fetched_us) // 1_000
        return ContextData(
            provider_id=adapter.provider_id,
            source=f"{adapter.provider_id}:{adapter.plan(query)}",
            attribution=adapter.attribution,
            facts=facts,
            omitted=left_out + board.omitted,
            fetched_at_us=kept.fetched_at_us,
            as_of_us=kept.as_of_us,
            age_ms=kept.age_us(now_us) // 1_000,
            fresh_for_ms=max(0, board.freshness.max_age_ms - used_ms),
            stale_after_ms=board.stale_after_ms,
            reservation_id=kept.reservation_id,
            from_cache=from_cache,
            why_old=why_old,
            may_store=board.freshness.may_store,
        )

    # -- calls --------------------------------------------------------------------

    async def _shared(
        self,
        key: _Key,
        session_id: str | None,
        max_delay_ms: int | None,
        decided: Decided | None,
    ) -> _Kept:
        """Wait for the call that is under way for *key*, or make it."""
        while (flight := self._flights.get(key)) is not None and not flight.is_abandoned:
            try:
                return await flight.wait(decided)
            except ContextRefused as refused:
                # Refused to the session that asked first; ours may ask for itself.
                if refused.decision.status != NOT_ALLOWED or flight.session_id == session_id:
                    raise
        if len(self._flights) >= FLIGHTS_MAX:
            raise ContextTooFast(
                self.adapter.provider_id,
                "too many calls at once",
                retry_after_ms=BUSY_RETRY_MS,
            )
        told = _Told(self._gate.timing)
        call = self._fetch(key, session_id, max_delay_ms, told.decided)
        # An errand, so that a client which closes waits for it.
        task = self._gate.errands.start(call, awaited=True)
        flight = self._flights[key] = _Flight(task, session_id, told)
        flight.task.add_done_callback(lambda _task: self._landed(key, flight))
        return await flight.wait(decided)

    def _landed(self, key: _Key, flight: _Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]

    async def _fetch(
        self, key: _Key, session_id: str | None, max_delay_ms: int | None, decided: Decided
    ) -> _Kept:
        """Make one metered call, and remember what the vendor says of its limits."""
        timing, allowance = self._gate.timing, self._allowance(key[0])
        allowance.take(timing.monotonic_us())
        was_sent = True
        try:
            kept = await self._called(key, session_id, max_delay_ms, decided)
            allowance.read(kept.board.headroom, timing.monotonic_us(), timing.wall_us())
        except ContextRefused:
            was_sent = False
            raise
        except ContextError as problem:
            allowance.refused(problem, timing.monotonic_us(), timing.wall_us())
            raise
        finally:
            allowance.returned(was_sent=was_sent)
        return self._checked(key, kept)

    async def _called(
        self, key: _Key, session_id: str | None, max_delay_ms: int | None, decided: Decided
    ) -> _Kept:
        provider_id = self.adapter.provider_id
        try:
            done = await metered_call(
                self._gate,
                self._vendors,
                self._way(key),
                session_id=session_id,
                max_delay_ms=max_delay_ms,
                decided=decided,
            )
        except (VendorUnreachable, VendorCutOff) as problem:
            raise ContextUnavailable(provider_id, str(problem)) from problem
        except SecretRefused as problem:
            raise ContextNotAllowed(
                provider_id,
                f"the secret {key[0]} cannot be opened: {problem.code}",
                retry_after_ms=SECRET_RETRY_MS,
            ) from problem
        except NoGrant as problem:
            raise ContextUnavailable(provider_id, f"the grant was gone: {problem}") from problem
        if done.decision.status != GRANTED or done.answer is None:
            raise ContextRefused(provider_id, done.decision)
        timing = self._gate.timing
        return _Kept(
            done.answer.body["board"],
            timing.monotonic_us(),
            timing.wall_us(),
            done.decision.reservation_id or "",
        )

    def _way(self, key: _Key) -> Way:
        scope, fetch = key
        adapter = self.adapter
        return simple_way(
            "data",
            adapter.provider_id,
            adapter.sku,
            Usage(requests=1),
            fetch=fetch,
            secret_scope=scope,
        )

    def _checked(self, key: _Key, kept: _Kept) -> _Kept:
        """Keep what the vendor lets us keep; raises ContextStale for what is too old to be said."""
        if self._is_stale(kept):
            raise ContextStale(
                self.adapter.provider_id,
                f"as of {kept.age_us(kept.fetched_us) // 1_000} ms before it was asked for",
            )
        if kept.board.freshness.may_store:
            self._shelf.put(key, kept, kept.board.size_bytes)
        else:
            self._shelf.drop(key)
        return kept

    def _allowance(self, scope: str) -> Allowance:
        """What is left for one secret; the names are the twin's own, so they are bounded here."""
        if scope not in self._allowances and len(self._allowances) >= SCOPES_MAX:
            raise ContextBadQuery(
                self.adapter.provider_id, f"at most {SCOPES_MAX} secrets are used side by side"
            )
        return self._allowances.setdefault(scope, Allowance(self.adapter.provider_id))
