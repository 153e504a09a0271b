"""
Commands that need the key store: what is done there, step by step, beside deciding.

    rotate   1 make the key                   2 decide and commit, sealed with it, and answer
    rewrap   1 wrap anew, 2 read that back, 3 destroy the old wrapping; each version; then answer
    erase    1 decide and commit   2 destroy the keys   3 drop the snapshot   then answer

A worker may die between any two steps, and every step may be taken again. A rotation that nobody
told of is completed by the next one; an erasure is completed by whoever loads the tenant next,
because the log says so, or the mark in the place of the keys does. Of one tenant one errand runs
at a time; whoever comes meanwhile is asked to come again.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Final

import msgspec
import structlog

from contracts.commands import NOUN_AND_VERB
from contracts.data_key import RewrapDataKey, RotateDataKey
from contracts.questions import GATE_QUESTIONS, GateQuestion
from contracts.replies import Receipt
from domain import gate, governance, rights
from domain.refusals import CANNOT_VERIFY, OVERLOADED, TWIN_UNKNOWN, Refusal
from domain.state import Envelope, State
from domain.vault_refusals import TWIN_ERASED
from services.gate.loading import LASTING, PASSING, Loader
from services.gate.secret import fingerprint
from services.gate.waiter import Waiter, refuse_all
from services.gate.writer import Clock, TenantWriter
from services.sealing.wrapped_keys import KeyErased, KeyMissing

ERASED_KEPT_MAX: Final = 10_000
KEY_COMMANDS: Final = frozenset((RotateDataKey, RewrapDataKey))
_ERASE: Final = ("tenant", "erase")
_DONE: Final = 200

_log = structlog.get_logger()


class Erased(msgspec.Struct, frozen=True):
    """What is known of an erasure from the log: when it was decided, where, and by whom."""

    at_us: int = 0
    position: int = 0
    by: str = ""

    def note(self) -> bytes:
        """What stays in the place of the keys: no content of the twin."""
        return msgspec.json.encode(self)


class KeyErrands:
    """
    The errands of one shard.

    *writer_of* finds a tenant's writer, *receive* takes a message again. *gone* is awaited before a
    tenant's keys are destroyed: nobody writes or saves anything of it afterwards. *load_again* is
    called when that failed: whoever loads the tenant finds it erased, and tries again.
    """

    def __init__(
        self,
        loader: Loader,
        clock: Clock,
        *,
        spawn: Callable[[Coroutine[None, None, None]], asyncio.Task[None]],
        writer_of: Callable[[str], TenantWriter | None],
        receive: Callable[[str, Waiter], None],
        gone: Callable[[str], Coroutine[None, None, None]],
        load_again: Callable[[str], None],
    ) -> None:
        self._loader = loader
        self._clock = clock
        self._spawn = spawn
        self._writer_of = writer_of
        self._receive = receive
        self._gone = gone
        self._load_again = load_again
        self._running: set[str] = set()
        # Tenants that need not be loaded to be refused; the value says whether all keys are gone.
        self._erased: OrderedDict[str, bool] = OrderedDict()

    # -- rotating and wrapping again --------------------------------------------------

    def takes(self, writer: TenantWriter, waiter: Waiter) -> bool:
        """Take a message whose command needs the key store first; False: it can be decided."""
        match waiter.commands[0]:
            case RewrapDataKey() if self._may(writer, waiter):
                errand = self._rewrap
            case RotateDataKey() if self._wants_key(writer, waiter):
                errand = self._make_key
            case _:
                return False
        tenant = writer.state.name
        if tenant in self._running:
            refuse_all(waiter, OVERLOADED)
        else:
            self._running.add(tenant)
            self._spawn(self._run(errand, writer, waiter))
        return True

    async def _run(
        self,
        errand: Callable[[TenantWriter, Waiter], Coroutine[None, None, bool]],
        writer: TenantWriter,
        waiter: Waiter,
    ) -> None:
        """Whatever becomes of an errand, who waits for it is answered."""
        tenant = writer.state.name
        refusal: Refusal | None = CANNOT_VERIFY
        is_answered = False
        try:
            is_answered = await errand(writer, waiter)
            refusal = None
        except KeyErased:
            refusal = TWIN_ERASED
        except KeyMissing:
            refusal = TWIN_UNKNOWN
        except (*PASSING, *LASTING) as problem:
            _log.warning("key_errand_failed", tenant=tenant, reason=_said(problem))
        finally:
            self._running.discard(tenant)
            if refusal is not None:
                refuse_all(waiter, refusal)
        if not is_answered and refusal is None:
            self._receive(tenant, waiter)

    def _may(self, writer: TenantWriter, waiter: Waiter) -> bool:
        envelope = Envelope(b"", writer.now_us, waiter.actor)
        return rights.why_not_asked(writer.state, waiter.commands[0], envelope) is None

    def _wants_key(self, writer: TenantWriter, waiter: Waiter) -> bool:
        """Whether the command will be decided, and the key that it needs is not there yet."""
        (command,), state = waiter.commands, writer.state
        envelope = Envelope(fingerprint(command, None), writer.now_us, waiter.actor)
        return (
            state.tenant.status not in ("absent", "erased")
            and self._may(writer, waiter)
            and gate.known(state, command, envelope) is None
            and governance.why_not_rotated(state, writer.now_us) is None
            and writer.key_version <= state.data_key.version
        )

    async def _make_key(self, writer: TenantWriter, waiter: Waiter) -> bool:  # noqa: ARG002 - an errand
        tenant = writer.state.name
        version, key = await self._loader.next_key(tenant, after=writer.state.data_key.version)
        # The writer may be another one by now; it has found the new key by itself, or finds it now.
        successor = self._writer_of(tenant)
        if successor is not None:
            successor.use_key(version, key)
        return False

    async def _rewrap(self, writer: TenantWriter, waiter: Waiter) -> bool:
        wrapped, kek_version = await self._loader.rewrap(writer.state.name)
        facts: dict[str, int | str] = {"wrapped": wrapped, "kek_version": kek_version}
        command_id = waiter.commands[0].command_id
        waiter.respond([Receipt(_DONE, "key_rewrapped", command_id, None, None, facts=facts)])
        return True

    # -- erasing ----------------------------------------------------------------------

    def is_erased(self, tenant: str) -> bool:
        """Whether a tenant is known to be erased."""
        return tenant in self._erased

    def erase(self, writer: TenantWriter) -> None:
        """Do what the log says now for good; then answer who asked for it."""
        waiting, writer.farewells = writer.farewells, []

        def then() -> None:
            for waiter in waiting:
                if self._erased.get(writer.state.name):
                    waiter.respond(waiter.answers)
                else:
                    refuse_all(waiter, CANNOT_VERIFY)

        self._begin(writer.state.name, of_state(writer), then)

    def finish(self, tenant: str, known: Erased, waiting: list[Waiter]) -> None:
        """Complete an erasure that a worker may have begun before it died; then answer."""

        def then() -> None:
            for waiter in waiting:
                self.refuse(tenant, waiter)

        self._begin(tenant, known, then)

    def refuse(self, tenant: str, waiter: Waiter) -> None:
        """Answer a message to an erased tenant; to strangers it is as if there never was one."""
        asked = [NOUN_AND_VERB[type(command)] for command in waiter.commands]
        asked = asked or [_noun_and_verb(waiter.question)]
        nothing, now_us = State(tenant), self._clock()
        barred = [rights.why_not_shown(nothing, waiter.actor, *one, now_us) for one in asked]
        refusal = next((found for found in barred if found is not None), TWIN_ERASED)
        if refusal is TWIN_ERASED and _ERASE in asked and not self._erased.get(tenant):
            # Only when nothing is left may it be said that it is done.
            refusal = CANNOT_VERIFY
        refuse_all(waiter, refusal)

    def _begin(self, tenant: str, known: Erased, then: Callable[[], None]) -> None:
        self._mark(tenant, done=self._erased.get(tenant, False))
        self._spawn(self._destroy(tenant, known, then))

    async def _destroy(self, tenant: str, known: Erased, then: Callable[[], None]) -> None:
        try:
            await self._gone(tenant)
            await self._loader.erase(tenant, known.note())
            self._mark(tenant, done=True)
            _log.info("tenant_erased", tenant=tenant)
        except PASSING as problem:
            _log.warning("erasure_broken_off", tenant=tenant, reason=_said(problem))
            self._erased.pop(tenant, None)
            self._load_again(tenant)
        finally:
            then()

    def _mark(self, tenant: str, *, done: bool) -> None:
        self._erased[tenant] = done
        while len(self._erased) > ERASED_KEPT_MAX:
            self._erased.popitem(last=False)


def of_state(writer: TenantWriter) -> Erased:
    """Return what a state says of its own erasure."""
    state = writer.state
    return Erased(state.clock_us, state.position, state.tenant.erased_by)


def _noun_and_verb(question: str | GateQuestion) -> tuple[str, str]:
    return (
        (question, rights.QUESTION) if isinstance(question, str) else GATE_QUESTIONS[type(question)]
    )


def _said(problem: BaseException) -> str:
    return str(problem) or type(problem).__name__
