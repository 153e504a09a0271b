"""A directory, tokens and a callout for tests: what the doors see, changed by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import nats
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.access import ReportDenial
from services.callout import process
from services.callout.keys import CalloutKeys, keys_in, new_file
from services.embedded.nats_permissions import caller_inbox, inbox_prefix
from services.identity import api_key
from services.identity.api_key import NewKey
from services.identity.directory import Change, DirectoryDown, KeyRecord, SessionRecord
from services.identity.jwks import kid_of
from services.identity.signing_keys import SigningKeys
from services.identity.tokens import Claims, TokenIssuer, TokenVerifier
from services.secret import Secret
from services.settings import NatsLogin

ISSUER = "vito:test"
CALLOUT_FILE = new_file()
CALLOUT_KEYS: CalloutKeys = keys_in(CALLOUT_FILE)
_KEY = Ed25519PrivateKey.generate()
_KID = kid_of(_KEY.public_key())
SIGNING_KEYS = SigningKeys(_KID, {_KID: _KEY})
ANA = "person_ana"
SESSION = "ab" * 32
FOREVER_US = 8_000_000_000_000_000


class Directory:
    """Holds what it is given; `down` makes it unreachable."""

    def __init__(self) -> None:
        self.keys: dict[str, KeyRecord] = {}
        self.sessions = {bytes.fromhex(SESSION): SessionRecord("ana", FOREVER_US, closed=False)}
        self.roles = {"ana": {"cantor": "viewer"}}
        self.down = False
        self.asked = 0
        self.reported: list[tuple[str, ReportDenial]] = []
        self._changes: list[asyncio.Queue[Change]] = []

    async def report(self, log: str, command: ReportDenial) -> int:
        """As the gate takes what a callout reports."""
        self.reported.append((log, command))
        return 200

    async def find_key(self, key_id: str) -> KeyRecord | None:
        self._ask()
        return self.keys.get(key_id)

    async def roles_of(self, person: str) -> dict:
        self._ask()
        return self.roles.get(person, {})

    async def find_session(self, session_hash: bytes) -> SessionRecord | None:
        self._ask()
        return self.sessions.get(session_hash)

    async def changes(self) -> AsyncIterator[Change]:
        queue: asyncio.Queue[Change] = asyncio.Queue()
        self._changes.append(queue)
        yield Change("unknown")
        while True:
            yield await queue.get()

    def tell(self, change: Change) -> None:
        """As the real one does when it has read of it."""
        for queue in self._changes:
            queue.put_nowait(change)

    def issue(self, *scopes: str, tenant: str = "cantor", expires_at_us: int | None = None):
        """A new key, as its holder has it."""
        key = api_key.generate_key("test")
        self.keys[key.key_id] = KeyRecord(
            key.key_id, tenant, key.secret_hash, frozenset(scopes), expires_at_us, None
        )
        return key

    def revoke(self, key: NewKey, *, told: bool = True) -> None:
        record = self.keys[key.key_id]
        self.keys[key.key_id] = KeyRecord(
            record.key_id, record.tenant, record.secret_hash, record.scopes, None, 1
        )
        if told:
            self.tell(Change("key", key.key_id, record.tenant))

    def _ask(self) -> None:
        self.asked += 1
        if self.down:
            raise DirectoryDown("Identity cannot be looked up.", "ask again.")


def token(claims: Claims, door: str = "bus") -> str:
    """A token signed now."""
    issuer = TokenIssuer(SIGNING_KEYS, issuer=ISSUER, clock=process.now_us)
    return issuer.issue(claims, door)


def verifier(clock=process.now_us) -> TokenVerifier:
    return TokenVerifier(SIGNING_KEYS, issuer=ISSUER, door="bus", clock=clock)


def ana(tenant: str = "cantor") -> Claims:
    return Claims(principal=ANA, tenant=tenant, session=SESSION)


@asynccontextmanager
async def callout(
    node,
    directory: Directory,
    *,
    keys: CalloutKeys = CALLOUT_KEYS,
    login: NatsLogin | None = None,
):
    """
    A callout that has said that it is ready, on one node of the bus.

    What it reports of denials is in the directory's *reported*.
    """
    if login is None:
        login = NatsLogin((node.url,), "callout", Secret(node.password("callout")))
    stop, ready = asyncio.Event(), asyncio.Event()
    serving = asyncio.create_task(
        process.serve(
            login,
            keys,
            verifier(),
            directory,
            api_key.parse,
            directory.report,
            stop=stop,
            ready=ready.set,
        )
    )
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait((serving, waiting), timeout=10, return_when=asyncio.FIRST_COMPLETED)
    assert ready.is_set(), serving
    try:
        yield serving
    finally:
        stop.set()
        await asyncio.wait_for(serving, 10)


class Caller:
    """A connection with whatever login, which keeps what the server forbade."""

    def __init__(self, node, prefix: str, **login) -> None:
        self.node = node
        self.forbidden: list[str] = []
        self.lost = asyncio.Event()
        self._options = {"inbox_prefix": prefix, "allow_reconnect": False, **login}

    @classmethod
    def with_key(cls, node, key: NewKey, **options):
        return cls(node, caller_inbox(f"key_{key.key_id}"), token=key.text, **options)

    @classmethod
    def with_token(cls, node, text: str, principal: str = ANA):
        return cls(node, caller_inbox(principal), user="token", password=text)

    @classmethod
    def as_role(cls, node, role: str):
        return cls(node, inbox_prefix(role), user=role, password=node.password(role))

    async def __aenter__(self):
        self.bus = await nats.connect(
            self.node.url, error_cb=self._note, disconnected_cb=self._lost, **self._options
        )
        return self

    async def __aexit__(self, *_exc) -> None:
        await self.bus.close()

    async def _note(self, problem: Exception) -> None:
        self.forbidden.append(str(problem).lower())

    async def _lost(self) -> None:
        self.lost.set()

    async def settle(self) -> None:
        # The client's ping overtakes what it has buffered, so only the second one comes after it.
        await self.bus.flush()
        await self.bus.flush()

    async def may_publish(self, *subjects: str) -> set[str]:
        """Those of the subjects that the server lets pass."""
        return {one for one in subjects if not await self._is_refused(self.bus.publish(one, b"x"))}

    async def may_subscribe(self, *subjects: str) -> set[str]:
        return {one for one in subjects if not await self._is_refused(self.bus.subscribe(one))}

    async def _is_refused(self, doing) -> bool:
        before = len(self.forbidden)
        await doing
        await self.settle()
        return len(self.forbidden) > before


async def is_let_in(caller: Caller) -> bool:
    """Whether a login opens the bus."""
    try:
        async with caller:
            return True
    except (nats.errors.Error, OSError, TimeoutError):
        return False
