"""
Twins that talk, on a stack of its own: bus, worker, projector, the gateway process, the sandbox.

    async with live_stack(dsn, ("twin-1", "twin-2"), hold_s=5) as stack:
        stack.keys["twin-1"]; stack.url("twin-1"); stack.sandbox.ledger; stack.kill_gateway()

The sandbox is in this process, so that it can be read, and outlives every kill. *dsn* is the
owner's address of an empty database. Twins have no rate to speak of and more money
than they can spend: what is measured is neither.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from contracts.access import IssueKey
from contracts.policy import BudgetPolicy, Policy, RatePolicy, SessionLimits
from contracts.price_book import PriceBook
from contracts.replies import Receipt
from services.bench.bus import Bus, fresh_bus
from services.client import GateClient
from services.client.connection import of_login
from services.client.patience import Patience
from services.client.sender import new_id
from services.embedded import ports
from services.embedded.child import Child
from services.identity.api_key import environment_of, generate_key
from services.migrations import RolePasswords, prepare_database
from services.sandbox.server import Sandbox
from services.secret import Secret
from services.twins import prices

DONE: Final = 200
PROMPT: Final = "You are a football commentator. Answer in one or two sentences."
VENDORS: Final = ("openai", "cartesia", "tavus")
BOOK: Final = PriceBook([prices.TAVUS_VIDEO, prices.CARTESIA_VOICE, prices.GPT_4O_MINI])
LIMIT_NANOS: Final = 10**15
PER_SECOND_MAX: Final = 1_000_000
_PATIENCE: Final = Patience(deadline_s=60.0, attempt_s=2.0)


class NotReady(Exception):
    """The gate did not take what the stack needs; the message says what."""


class Gateway(NamedTuple):
    """A gateway process, and where it listens."""

    process: Child
    url: str


class LiveStack:
    """See the module. *gate* asks as the deployment, for any tenant."""

    def __init__(self, bus: Bus, gate: GateClient, sandbox: Sandbox, dsn: str) -> None:
        self.bus = bus
        self.gate = gate
        self.sandbox = sandbox
        self.dsn = dsn
        self.keys: dict[str, str] = {}
        self._serving: Gateway | None = None
        self._spare: Gateway | None = None

    @property
    def gateway(self) -> Gateway:
        """The one that serves."""
        assert self._serving is not None, "started before"
        return self._serving

    def url(self, tenant: str) -> str:
        """Where to talk with a twin."""
        return f"{self.gateway.url}/v1/twins/{tenant}/stream"

    @property
    def vendors(self) -> dict[str, str]:
        """What the vendors' own keys are, by vendor."""
        return {name: self.sandbox.vendors[name].usable_key for name in VENDORS}

    async def start_gateway(self) -> Gateway:
        """Start one, wait until it is ready, and have it serve from now on."""
        self._serving = await self._start()
        return self._serving

    async def start_spare(self) -> None:
        """Start another one beside it, and wait until it is ready."""
        self._spare = await self._start()

    def kill_gateway(self) -> None:
        """End the one that serves with kill -9, and have the spare one serve."""
        assert self._spare is not None, "a spare one was started"
        self.gateway.process.kill()
        self._serving, self._spare = self._spare, None

    async def _start(self) -> Gateway:
        port = ports.pick()
        process = await self.bus.start("gateway", VITO_GATEWAY_PORT=str(port))
        return Gateway(process, f"http://127.0.0.1:{port}")

    async def provision(self, tenant: str) -> None:
        """Make a twin that may talk, with its vendors' keys in its vault, and a key of its own."""
        gate = self.gate.for_tenant(tenant)
        policy = Policy(
            rate=RatePolicy(requests=PER_SECOND_MAX, burst=PER_SECOND_MAX),
            budget=BudgetPolicy(monthly_hard_limit_nanos=LIMIT_NANOS),
            modalities=["video", "voice", "text"],
            ladder=["video", "voice", "text"],
            session=SessionLimits(),
        )
        _check(
            await gate.provision(
                display_name=tenant,
                organisation="Measurements",
                policy=policy,
                price_book=BOOK,
                activation="immediate",
            )
        )
        _check(await gate.save_prompt(PROMPT, expected_version=0))
        _check(await gate.activate_prompt(1))
        for vendor, key in self.vendors.items():
            _check(await gate.put_secret(vendor, Secret(key)))
        made = generate_key(environment_of(self.bus.settings.deployment))
        issue = IssueKey(
            command_id=new_id(),
            key_id=made.key_id,
            label="measurements",
            scopes=["calls"],
            secret_hash=made.secret_hash,
        )
        _check(await gate.tell(issue))
        self.keys[tenant] = made.text


@asynccontextmanager
async def live_stack(
    dsn: str, tenants: Sequence[str], *, hold_s: int = 120
) -> AsyncIterator[LiveStack]:
    """Start everything but the gateway, and provision *tenants*; *hold_s* is VITO_HOLD_S."""
    async with fresh_bus() as bus, Sandbox() as sandbox:
        bus.set(
            await read_side(dsn),
            VITO_GATEWAY_CONNECTIONS_MAX="20000",
            VITO_GATEWAY_TENANT_CONNECTIONS_MAX="20000",
            VITO_SANDBOX_URL=sandbox.url,
            VITO_DEFAULT_VOICE="voice-1",
            VITO_DEFAULT_FACE="face-1",
            VITO_HOLD_S=str(hold_s),
        )
        await asyncio.gather(bus.start("worker"), bus.start("projector"))
        login = of_login(bus.settings.nats("client"))
        async with GateClient.connect(**login, tenant="any", patience=_PATIENCE) as gate:
            stack = LiveStack(bus, gate, sandbox, dsn)
            await asyncio.gather(*(stack.provision(tenant) for tenant in tenants))
            yield stack


async def read_side(dsn: str) -> dict[str, str]:
    """Make the read side in an empty database; the addresses of those who use it."""
    words = RolePasswords(*(secrets.token_urlsafe(24) for _ in range(4)))
    await prepare_database(dsn, words)
    return {
        "VITO_POSTGRES_DSN": _as_role(dsn, "vito_projector", words.vito_projector),
        "VITO_POSTGRES_READER_DSN": _as_role(dsn, "vito_api", words.vito_api),
    }


def _as_role(dsn: str, role: str, password: str) -> str:
    url = urlsplit(dsn)
    return urlunsplit(url._replace(netloc=f"{role}:{password}@{url.hostname}:{url.port}"))


def _check(receipt: Receipt) -> None:
    if receipt.status != DONE:
        raise NotReady(f"{receipt.status} {receipt.code}: {receipt.facts}")
