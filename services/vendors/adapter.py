"""What a vendor's adapter is, and what may become of a call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, ClassVar, TypeVar

import msgspec

from contracts.budget import CallOption
from contracts.usage import Usage
from services.client.errors import NoGrant
from services.client.grant import Grant

ENDS_SPENDING = "ends_spending"
RECONCILES = "reconciles"
PASSING = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
Method = TypeVar("Method", bound=Callable[..., object])


class Answer(msgspec.Struct, frozen=True):
    """What the vendor returned. *usage* is its own count of what it bills."""

    body: Mapping[str, Any]
    usage: Usage
    vendor_ref: str = ""


class VendorUnreachable(Exception):
    """No connection, so no byte was sent and nothing can be billed."""


class VendorFailed(Exception):
    """
    The vendor answered that it failed; *status* is its HTTP status, *code* its own word for it.

    `services.vendors.failed` has the kinds that a caller can act on.
    """

    def __init__(
        self, provider_id: str, status: int, *, code: str = "", retry_after_ms: int | None = None
    ) -> None:
        why = f" ({code})" if code else ""
        super().__init__(f"{provider_id} answered with status {status}{why}")
        self.provider_id = provider_id
        self.status = status
        self.code = code
        self.retry_after_ms = retry_after_ms

    @property
    def may_pass(self) -> bool:
        """Whether a later call, with a grant of its own, can succeed with nothing changed."""
        return self.status in PASSING or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR


class VendorCutOff(Exception):
    """The call may have reached the vendor, and its answer did not arrive whole."""


class BeyondGrant(Exception):
    """More was wanted than was held for; it was not asked of the vendor."""


def ends_spending(method: Method) -> Method:
    """
    Mark a method that ends a running call.

    It must work when a fresh grant would be refused, because ending a call is what stops its cost;
    it takes the grant that began the call.
    """
    setattr(method, ENDS_SPENDING, True)
    return method


def reconciles(method: Method) -> Method:
    """Mark a method that begins to ask the vendor for its sessions: it takes a grant for that."""
    setattr(method, RECONCILES, True)
    return method


class VendorAdapter(ABC):
    """
    Speaks one vendor's protocol.

    Every public coroutine that reaches the network takes a `Grant` first and opens it before
    anything else; the meter that it gets is what `Outbound` asks for. The product is the grant's
    (`terms.sku`, `terms.modality`), never the request's: the gate may have stepped down.
    """

    adapters: ClassVar[list[type[VendorAdapter]]] = []

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        VendorAdapter.adapters.append(cls)

    def __init__(self, provider_id: str) -> None:
        self.provider_id = provider_id

    @abstractmethod
    async def call(self, grant: Grant, request: Mapping[str, Any]) -> Answer:
        """
        Make one call.

        Raises:
            NoGrant: nothing was sent.
            VendorUnreachable: nothing was sent.
            VendorFailed, VendorCutOff: something was.
        """


class StreamAdapter(VendorAdapter):
    """
    A vendor whose calls go on: begun once, driven slice by slice, ended.

    Of one that *is_reconciled* nothing is booked before it is known to have ended: its hold runs
    out, and `services.vendors.reconciliation` asks the vendor what became of it.
    """

    is_reconciled: ClassVar[bool] = False

    async def call(self, grant: Grant, request: Mapping[str, Any]) -> Answer:  # noqa: ARG002
        """Refuse: a stream is begun, not called; a vendor that has calls as well overrides it."""
        raise NoGrant(f"{grant.terms.provider_id} has streams, and no calls in one piece")

    @abstractmethod
    async def begin(self, grant: Grant, request: Mapping[str, Any]) -> Answer:
        """Begin a stream with its first slice; the answer's *vendor_ref* is its name."""

    @abstractmethod
    async def drive(self, grant: Grant, stream: str, stream_ms: int) -> Answer:
        """Generate *stream_ms* more; the answer's usage is that of the stream so far."""

    @abstractmethod
    @ends_spending
    async def end(self, grant: Grant, stream: str) -> Answer:
        """End the stream begun with *grant*; the answer's usage is what the vendor bills."""

    @ends_spending
    async def end_lost(self, grant: Grant) -> None:
        """
        End what may have begun although `begin` got no answer; the meter is told what it cost.

        Raises what `end` raises when that cannot be found out. This one has nothing to look for.
        """
        grant.opened(self.provider_id)


class Way(msgspec.Struct, frozen=True):
    """One way to make a call: what it is for the gate, and what to send to the vendor."""

    option: CallOption
    request: Mapping[str, Any] = {}


def simple_way(modality: Any, provider_id: str, sku: str, estimate: Usage, **request: Any) -> Way:
    """Spell a way in one line."""
    return Way(CallOption(modality, provider_id, sku, estimate), request)


class Vendors:
    """The adapters of a process by provider."""

    def __init__(self, *adapters: VendorAdapter) -> None:
        self._adapters = {adapter.provider_id: adapter for adapter in adapters}

    def __getitem__(self, provider_id: str) -> VendorAdapter:
        """The adapter of a provider; raises KeyError."""
        return self._adapters[provider_id]

    def by_provider(self) -> Mapping[str, VendorAdapter]:
        """Every adapter by its provider."""
        return dict(self._adapters)

    def __contains__(self, provider_id: object) -> bool:
        return provider_id in self._adapters
