"""Reconciling every twin with every vendor that keeps sessions, or one twin with one of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Final

import msgspec

from contracts.secret import SecretsView
from contracts.views import PriceBookView
from services import logs
from services.client.errors import CannotVerify, NoGrant, Refused, SecretRefused
from services.client.gate_client import GateClient
from services.client.read_side import ReadSide, ReadSideProblem
from services.settings import Settings
from services.vendors.adapter import VendorCutOff, VendorFailed, VendorUnreachable
from services.vendors.addresses import base_url
from services.vendors.face.livekit import LiveKitAdapter
from services.vendors.face.tavus import TavusAdapter
from services.vendors.outbound import Outbound
from services.vendors.reconciliation import (
    LOOKBACK_US,
    Booking,
    Bookings,
    Product,
    ReconciledAdapter,
    Reconciler,
    Report,
)

AT_ONCE_MAX: Final = 8
# Longer than any list of sessions takes; the grant of a look lasts for twice as long.
LOOK_S_MAX: Final = 300.0
_US: Final = 1_000_000
_PROBLEMS: Final = (
    CannotVerify,
    NoGrant,
    Refused,
    ReadSideProblem,
    SecretRefused,
    TimeoutError,
    VendorCutOff,
    VendorFailed,
    VendorUnreachable,
)


class Reconciled(msgspec.Struct, frozen=True):
    """A vendor to reconcile with: its adapter, and the secret that opens its account."""

    adapter: ReconciledAdapter
    secret_name: str


class AuditLogBookings:
    """What was booked, from the audit log of the read side."""

    def __init__(self, read_side: ReadSide) -> None:
        self._read_side = read_side

    async def since(
        self, tenant: str, provider_id: str, since_us: int, *, position: int
    ) -> Sequence[Booking]:
        since = datetime.fromtimestamp(since_us / _US, UTC).isoformat(timespec="seconds")
        found = await self._read_side.audit_log(
            tenant, position=position, provider_id=provider_id, since=since.replace("+00:00", "Z")
        )
        return [Booking(one.reservation_id, one.vendor_ref or "", one.stream_ms) for one in found]


@asynccontextmanager
async def reconciled_vendors(settings: Settings) -> AsyncIterator[list[Reconciled]]:
    """Open the way to every vendor that keeps sessions."""
    async with AsyncExitStack() as stack:
        name = settings.deployment
        tavus = await stack.enter_async_context(Outbound(base_url(settings, "tavus")))
        vendors = [Reconciled(TavusAdapter("tavus", tavus, deployment=name), "tavus")]
        if settings.sandbox_url is not None or settings.livekit_url is not None:
            livekit = await stack.enter_async_context(Outbound(base_url(settings, "livekit")))
            vendors.append(
                Reconciled(LiveKitAdapter("livekit", livekit, deployment=name), "livekit")
            )
        yield vendors


class Reconciling:
    """Every twin that has a vendor's key and its price, with that vendor."""

    def __init__(
        self,
        gate: GateClient,
        vendors: Sequence[Reconciled],
        tenants: Callable[[], Awaitable[Sequence[str]]],
        *,
        bookings: Bookings | None = None,
        lookback_us: int = LOOKBACK_US,
    ) -> None:
        self._gate = gate
        self._vendors = vendors
        self._tenants = tenants
        self._bookings = bookings
        self._lookback_us = lookback_us
        self._reconcilers: dict[tuple[str, str], tuple[Product, Reconciler]] = {}

    async def once(self) -> list[Report]:
        """Look at every twin once; one that cannot be looked at is reported, and the others are."""
        slots = asyncio.Semaphore(AT_ONCE_MAX)

        async def one(tenant: str) -> list[Report]:
            async with slots:
                return [
                    report
                    for vendor in self._vendors
                    if (report := await self._one(tenant, vendor)) is not None
                ]

        names = await self._tenants()
        found = await asyncio.gather(*(one(name) for name in names))
        return [report for reports in found for report in reports]

    @property
    def provider_ids(self) -> frozenset[str]:
        """The vendors that are asked."""
        return frozenset(vendor.adapter.provider_id for vendor in self._vendors)

    async def look(self, tenant: str, provider_id: str) -> Report | None:
        """Look at one twin at one vendor; None when it has no key or no price of that vendor."""
        for vendor in self._vendors:
            if vendor.adapter.provider_id == provider_id:
                return await self._one(tenant, vendor)
        return None

    async def _one(self, tenant: str, vendor: Reconciled) -> Report | None:
        provider_id = vendor.adapter.provider_id
        gate = self._gate.for_tenant(tenant)
        try:
            product = await _product(gate, provider_id, vendor.secret_name)
            if product is None:
                return None
            async with asyncio.timeout(LOOK_S_MAX):
                return await self._reconciler(gate, vendor, product).run()
        except _PROBLEMS as problem:
            why = f"{type(problem).__name__}: {problem}"
            logs.get().error("not_reconciled", tenant=tenant, provider_id=provider_id, reason=why)
            return Report(tenant=tenant, provider_id=provider_id, refused=why)

    def _reconciler(self, gate: GateClient, vendor: Reconciled, product: Product) -> Reconciler:
        key = (gate.tenant, vendor.adapter.provider_id)
        known = self._reconcilers.get(key)
        if known is None or known[0] != product:
            made = Reconciler(
                gate,
                vendor.adapter,
                product,
                bookings=self._bookings,
                lookback_us=self._lookback_us,
            )
            known = self._reconcilers[key] = product, made
        return known[1]


async def _product(gate: GateClient, provider_id: str, secret_name: str) -> Product | None:
    """What the vendor sells to the twin; None when it has no price or no key of the vendor."""
    secrets = await gate.show(SecretsView)
    if not any(one.name == secret_name and one.versions for one in secrets.secrets):
        return None
    book = (await gate.show(PriceBookView)).price_book
    return next(
        (
            Product(entry.modality, entry.sku)
            for entry in (book.entries if book else ())
            if entry.provider_id == provider_id
        ),
        None,
    )
