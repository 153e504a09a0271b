"""What evidence is measured on: a gate on a bus, a query API, and a vendor that counts."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from contracts.access import IssueKey, Scope
from contracts.policy import Policy
from contracts.price_book import PriceBook
from services.client import GateClient
from services.client.read_side import ReadSide
from services.failure import Failure
from services.identity.api_key import NewKey, generate_key
from services.vendors.adapter import Vendors
from services.vendors.counting import CountingAdapter
from services.vendors.counting_vendor import CountingVendor
from services.vendors.outbound import Outbound

DONE = 200


class NotTried(Failure):
    """An exhibit could not be set up, so it says nothing about its claim."""


class Target(msgspec.Struct, frozen=True):
    """
    The system under test. *login* are the keyword arguments of `GateClient.connect`;
    *environment* is the one that its API keys name. *gateway_url* is where twins talk, and
    *sandbox_url* where their vendors are, if they do.

    Any deployment will do: one machine, or a cluster of three.
    """

    login: dict[str, Any]
    read_side: ReadSide
    environment: str
    gateway_url: str = ""
    sandbox_url: str = ""

    def __repr__(self) -> str:
        return "Target()"  # The login holds a password.

    @asynccontextmanager
    async def twin(self, name: str, policy: Policy, book: PriceBook) -> AsyncIterator[GateClient]:
        """Provision a twin that nobody else uses, and yield a client of it."""
        tenant = f"{name}-{secrets.token_hex(4)}"
        async with GateClient.connect(**self.login, tenant=tenant) as gate:
            receipt = await gate.provision(
                display_name=f"Evidence {name}",
                organisation="Auditor",
                policy=policy,
                price_book=book,
                activation="immediate",
            )
            if receipt.status != DONE:
                raise NotTried(
                    f"The twin of {name} was not provisioned: {receipt.message}", receipt.remedy
                )
            yield gate

    async def key(self, gate: GateClient, scopes: list[Scope]) -> NewKey:
        """Issue a key of the twin that the doors know."""
        key = generate_key(self.environment)
        receipt = await gate.tell(
            IssueKey(
                command_id=secrets.token_hex(8),
                key_id=key.key_id,
                label="evidence",
                scopes=scopes,
                secret_hash=key.secret_hash,
                expires_at_us=None,
            )
        )
        if receipt.status != DONE or receipt.position is None:
            raise NotTried(f"No key was issued: {receipt.message}", receipt.remedy)
        # The doors look keys up in the tables.
        await self.read_side.meters(gate.tenant, position=receipt.position)
        return key


@asynccontextmanager
async def counted(provider_id: str) -> AsyncIterator[tuple[CountingVendor, CountingAdapter]]:
    """Start a vendor that counts, and its adapter, spoken to over real HTTP."""
    async with CountingVendor() as vendor, Outbound(vendor.url) as outbound:
        yield vendor, CountingAdapter(provider_id, outbound)


@asynccontextmanager
async def counted_vendors(provider_id: str) -> AsyncIterator[tuple[CountingVendor, Vendors]]:
    """The same, as the adapters of a process."""
    async with counted(provider_id) as (vendor, adapter):
        yield vendor, Vendors(adapter)
