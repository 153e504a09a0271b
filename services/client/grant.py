"""
A grant: the right to make one vendor call, once, before it expires.

Only a client that received an authorisation from the gate can turn it into a grant, and only once.
A grant cannot be built, copied, pickled or subclassed. What it is worth is kept here and not in
the object, so that an object made by any other way is worth nothing. (Python cannot stop code that
reaches into this module on purpose; the point is that nobody skips the check by mistake.)

    decision = await gate.authorize(...)
    grant = gate.grant(decision)
    meter = grant.open(provider_id)    by the adapter, which without a meter cannot send
    key = await grant.secret("acme")   by the adapter, once it has opened the grant

The vault opens a secret once for each call and name. The value is kept beside the grant for as long
as the grant and its extensions live, and goes with them.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal, NoReturn, TypeAlias
from weakref import WeakKeyDictionary

import msgspec

from contracts.budget import AuthorizeCall, CallOption, CallPurpose
from contracts.message import Modality
from contracts.replies import Decision, OpenedSecret
from contracts.usage import Usage
from services.client.errors import NoGrant, SecretRefused
from services.client.meter import Meter
from services.client.patience import Timing
from services.client.sender import new_id
from services.secret import Secret

UNUSED_MAX = 4_096
EXCHANGED_MAX = 16_384
_ISSUER: Final = object()
_OPENED: Final = 200

# Asks the gate: reservation, name, command id.
Opener: TypeAlias = Callable[[str, str, str], Awaitable[OpenedSecret]]


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """
    What was granted. Times are microseconds of this process's monotonic clock.

    *limits* is the upper bound that was held for: the adapter must not ask the vendor for more.
    With the *purpose* `reconciliation` nothing was held: sessions may be listed and ended.
    """

    tenant: str
    reservation_id: str
    decision_id: str
    modality: Modality
    provider_id: str
    sku: str
    limits: Usage
    not_before_us: int
    expires_at_us: int
    purpose: CallPurpose = "live"


class Opened:
    """The secrets of one call, by name. No repr of its own: it holds values."""

    def __init__(self, opener: Opener | None) -> None:
        self._opener = opener
        self._values: dict[str, Secret] = {}
        # Repeated unchanged when the first attempt was cancelled: its answer is on its way to us.
        self._ids: dict[str, str] = {}
        self._lock = asyncio.Lock()

    async def get(self, reservation_id: str, name: str) -> Secret:
        """Return the value, opening it the first time. Raises SecretRefused, CannotVerify."""
        async with self._lock:
            if name not in self._values:
                if self._opener is None:
                    raise NoGrant("this client cannot open secrets")
                command_id = self._ids.setdefault(name, new_id())
                answer = await self._opener(reservation_id, name, command_id)
                if answer.status != _OPENED or answer.value is None:
                    raise SecretRefused(name, answer)
                self._values[name] = Secret(answer.value)
            return self._values[name]


class _Entry(msgspec.Struct):
    terms: Terms
    meter: Meter
    now_us: Callable[[], int]
    opened: Opened
    is_open: bool = False


class Grant:
    """The right to make one vendor call. See the module for how to get one."""

    __slots__ = ("__weakref__",)

    def __init__(self, issuer: object = None) -> None:
        if issuer is not _ISSUER:
            raise NoGrant("a grant comes from the gate: gate.grant(await gate.authorize(...))")

    def __init_subclass__(cls) -> NoReturn:
        raise TypeError("there is one kind of grant")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        # Also what copy.copy and copy.deepcopy ask.
        raise TypeError("a grant cannot be copied or pickled: it is worth one call")

    @property
    def terms(self) -> Terms:
        """What was granted; raises NoGrant for an object that the gate did not issue."""
        return _entry(self).terms

    @property
    def meter(self) -> Meter:
        """What the call has consumed so far; raises NoGrant."""
        return _entry(self).meter

    @property
    def is_open(self) -> bool:
        """Whether an adapter has taken it."""
        return _entry(self).is_open

    def open(
        self, provider_id: str, *, purpose: Literal["call", "reconciliation"] = "call"
    ) -> Meter:
        """
        Take the grant for a call to *provider_id*; nobody can take it again.

        A grant of reconciliation makes no calls, and one of a call reconciles nothing.

        Raises:
            NoGrant: used before, too early, expired, or for another provider or purpose.
        """
        entry = _entry(self)
        terms = entry.terms
        if provider_id != terms.provider_id:
            raise NoGrant(f"granted for {terms.provider_id}, not for {provider_id}")
        if (terms.purpose == "reconciliation") is not (purpose == "reconciliation"):
            raise NoGrant(f"granted for {terms.purpose}, not for a {purpose}")
        if entry.is_open:
            raise NoGrant("used before: a grant is worth one call")
        now_us = entry.now_us()
        if now_us < terms.not_before_us:
            raise NoGrant(f"too early by {terms.not_before_us - now_us} us: wait the delay")
        if now_us >= terms.expires_at_us:
            raise NoGrant("expired: ask the gate again")
        entry.is_open = True
        return entry.meter

    async def secret(self, name: str) -> Secret:
        """
        Open a secret of the twin for this call; the gate records who, which and for what call.

        Raises:
            NoGrant: the grant was not opened by an adapter, or has expired.
            SecretRefused: there is no such secret, it was revoked, or the call is over.
            CannotVerify: no answer in time.
        """
        entry = _entry(self)
        if not entry.is_open:
            raise NoGrant("open the grant first: secrets are for the call that it is worth")
        if entry.now_us() >= entry.terms.expires_at_us:
            raise NoGrant("expired: ask the gate again")
        return await entry.opened.get(entry.terms.reservation_id, name)

    def opened(self, provider_id: str) -> Meter:
        """
        Return the meter of a call that was begun with this grant, to end it.

        Ending a call stops its cost, so it must be possible as long as the call lasts, also when
        the grant has expired.
        """
        entry = _entry(self)
        if provider_id != entry.terms.provider_id or not entry.is_open:
            raise NoGrant(f"no call to {provider_id} was begun with this grant")
        return entry.meter


_ENTRIES: WeakKeyDictionary[Grant, _Entry] = WeakKeyDictionary()


def _entry(grant: Grant) -> _Entry:
    entry = _ENTRIES.get(grant)
    if entry is None:
        raise NoGrant("this object was not issued by the gate")
    return entry


class _Received(msgspec.Struct, frozen=True):
    decision: Decision
    limits: Usage
    expires_at_us: int
    purpose: CallPurpose


class GrantDesk:
    """
    Turns decisions that a client really received into grants, each at most once.

    A decision that was already known to the gate when it was first asked is worth nothing here:
    somebody else may hold its grant.
    """

    def __init__(self, tenant: str, timing: Timing, opener: Opener | None = None) -> None:
        self._tenant = tenant
        self._timing = timing
        self._opener = opener
        # Not plain dicts: finding the oldest entry of one means walking over all that have left.
        self._received: OrderedDict[str, _Received] = OrderedDict()
        self._exchanged: OrderedDict[str, None] = OrderedDict()

    def received(
        self,
        decision: Decision,
        limits: Usage,
        *,
        asked_us: int,
        ttl_ms: int,
        attempts: int,
        purpose: CallPurpose = "live",
    ) -> None:
        """Remember a decision that the gate sent for a question first asked at *asked_us*."""
        name = decision.decision_id
        if decision.status != 200 or name is None or name in self._exchanged:  # noqa: PLR2004
            return
        if decision.replayed and attempts == 1:
            return
        # The hold began after the question was asked, so this is never later than its true end,
        # however the clocks of this machine and of the gate differ.
        expires_at_us = asked_us + decision.delay_us + ttl_ms * 1_000
        self._received[name] = _Received(decision, limits, expires_at_us, purpose)
        _bound(self._received, UNUSED_MAX)

    def grant(self, decision: Decision, *, after: Grant | None = None) -> Grant:
        """
        Exchange a decision for its grant; *after* is the running call that it extends.

        Raises:
            NoGrant: a refusal, a decision that did not come from the gate, or one used before.
        """
        received = self._received.get(decision.decision_id or "")
        if received is None or received.decision is not decision:
            raise NoGrant(f"no unused authorisation: {decision.decision} {decision.code}")
        begun = None if after is None else _entry(after)
        if (decision.code == "extended") != (begun is not None):
            raise NoGrant("an extension, and nothing else, continues an earlier grant")
        entry = self._new(received) if begun is None else _more(received, begun)
        del self._received[decision.decision_id or ""]
        self._exchanged[decision.decision_id or ""] = None
        _bound(self._exchanged, EXCHANGED_MAX)
        grant = Grant(_ISSUER)
        _ENTRIES[grant] = entry
        return grant

    def _new(self, received: _Received) -> _Entry:
        decision = received.decision
        assert decision.reservation_id is not None, "a grant has a reservation"
        assert decision.modality is not None, "a grant has a modality"
        now_us = self._timing.monotonic_us
        terms = Terms(
            tenant=self._tenant,
            reservation_id=decision.reservation_id,
            decision_id=decision.decision_id or "",
            modality=decision.modality,
            provider_id=decision.provider_id,
            sku=decision.sku,
            limits=received.limits,
            # The slot is counted from when the gate decided, which was a moment ago: waiting the
            # whole delay from now on is never too early.
            not_before_us=now_us() + decision.delay_us,
            expires_at_us=received.expires_at_us,
            purpose=received.purpose,
        )
        return _Entry(terms, Meter(received.limits), now_us, Opened(self._opener))


def _more(received: _Received, begun: _Entry) -> _Entry:
    decision = received.decision
    if decision.reservation_id != begun.terms.reservation_id or not begun.is_open:
        raise NoGrant("the extension belongs to another call, or the call was not begun")
    terms = msgspec.structs.replace(
        begun.terms,
        decision_id=decision.decision_id or "",
        limits=received.limits,
        not_before_us=0,
        expires_at_us=received.expires_at_us,
    )
    begun.meter.extended(received.limits)
    return _Entry(terms, begun.meter, begun.now_us, begun.opened)


def _bound(kept: OrderedDict[str, Any], most: int) -> None:
    while len(kept) > most:
        kept.popitem(last=False)


def limits_of(ask: AuthorizeCall, decision: Decision) -> Usage:
    """Return the estimate of the way to make the call that was granted; zero if none was."""
    options: list[CallOption | AuthorizeCall] = [ask, *ask.fallbacks]
    for option in options:
        same = (option.modality, option.provider_id, option.sku)
        if same == (decision.modality, decision.provider_id, decision.sku):
            return option.estimate
    return Usage()
