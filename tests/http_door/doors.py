"""The doors of a test's server, with everything that they need in memory."""

from msgspec.structs import replace

from services.distribution.media_key import MediaKey
from services.http_door.authentication import Identity
from services.http_door.doors import Doors
from services.http_door.opening import SignInNotPossible
from services.http_door.rooms import Rooms
from services.http_door.webhooks import Webhooks
from services.identity.directory import AccountRecord, LinkRecord, SessionRecord
from services.identity.random_secret import digest
from services.identity.tokens import TokenIssuer, TokenVerifier
from services.secret import Secret
from services.twins.booth import Booth
from services.vendors.key_trial import KeyTested
from tests.callout.world import ISSUER, SIGNING_KEYS
from tests.http_door.memory_gate import MemoryGate
from tests.http_door.people import NOW_US, FakeDirectory, FakePasswords, FakeTokens


class Clock:
    """Time that only a test moves."""

    def __init__(self, now_us=NOW_US):
        self.now_us = now_us

    def __call__(self):
        return self.now_us

    @property
    def now_s(self):
        return self.now_us / 1_000_000

    def pass_s(self, seconds):
        self.now_us += int(seconds * 1_000_000)


class FakeAccounts:
    """The log of accounts: what is written shows in the directory at once."""

    def __init__(self, directory, clock):
        self.directory = directory
        self.clock = clock
        self.failures = []
        self.fault = None

    async def open_session(self, person, session_hash, *, expires_at_us, user_agent, link):
        if self.fault is not None:
            raise self.fault
        if link is not None:
            found = self.directory.links[digest(link)]
            if found.used:
                raise SignInNotPossible("link_unknown")
            self.directory.links[digest(link)] = LinkRecord(person, found.expires_at_us, True)
        self.directory.sessions[session_hash] = SessionRecord(person, expires_at_us, False)

    async def register(self, person, email, password_hash):
        if self.fault is not None:
            raise self.fault
        if await self.directory.account_by_email(email) is not None:
            return False
        self.directory.accounts[person] = AccountRecord(
            person, email, password_hash, False, False, 0
        )
        return True

    async def close_session(self, person, session_hash):
        found = self.directory.sessions[session_hash]
        self.directory.sessions[session_hash] = SessionRecord(person, found.expires_at_us, True)

    async def count_failure(self, person):
        self.failures.append(person)

    async def rehash_password(self, person, old_hash, new_hash):
        found = self.directory.accounts[person]
        assert found.password_hash == old_hash
        self.directory.accounts[person] = replace(found, password_hash=new_hash)

    async def set_password(self, person, new_hash, keep_session):
        if self.fault is not None:
            raise self.fault
        found = self.directory.accounts[person]
        self.directory.accounts[person] = replace(found, password_hash=new_hash)
        for name, one in self.directory.sessions.items():
            if one.person == person and name != keep_session:
                self.directory.sessions[name] = replace(one, closed=True)


class FakeTester:
    """See services.http_door.key_testing.Tester. *asked* is what was tested."""

    def __init__(self):
        self.asked = []
        self.answers = []

    async def test(self, tenant, name):
        self.asked.append((tenant, name))
        good = KeyTested(name=name, outcome="works", title="It works.", remedy="")
        return self.answers.pop(0) if self.answers else good


class FakeMaker:
    """See services.twins.booth.Maker. *steps* are what each making does: awaited with keep."""

    def __init__(self):
        self.asked = []
        self.steps = []

    async def __call__(self, tenant, keep):
        self.asked.append(tenant)
        if self.steps:
            await self.steps.pop(0)(keep)


ROOMS_SECRET = Secret("a-secret-of-rooms-with-thirty-two-characters")


class World:
    """All fakes of one server."""

    def __init__(self):
        self.clock = Clock()
        self.directory = FakeDirectory()
        self.signer = TokenIssuer(SIGNING_KEYS, issuer=ISSUER, clock=self.clock)
        verifier = TokenVerifier(SIGNING_KEYS, issuer=ISSUER, door="api", clock=self.clock)
        self.tokens = FakeTokens(verifier)
        self.external = self.codes = None
        self.rooms = Rooms(MediaKey("wss://media.example", "APIkey", ROOMS_SECRET), "test")
        self.gate = MemoryGate(self.clock)
        self.accounts = FakeAccounts(self.directory, self.clock)
        self.passwords = FakePasswords()
        self.tester = FakeTester()
        self.maker = FakeMaker()
        self.booth = Booth(self.maker, lambda: self.clock.now_s)
        self.webhook_secret = self.livekit = None
        self.used = []
        self.keys = []

    def jwks(self):
        if isinstance(self.keys, Exception):
            raise self.keys
        return {"keys": self.keys}

    def doors(self):
        return Doors(
            identity=Identity(
                self.directory,
                self.tokens,
                self.clock,
                lambda *key: self.used.append(key),
                "test",
                self.external,
            ),
            gate=self.gate,
            webhooks=Webhooks(
                self.gate,
                deployment="test",
                clock=self.clock,
                tavus=self.webhook_secret,
                livekit=self.livekit,
            ),
            accounts=self.accounts,
            passwords=self.passwords,
            visits=self.tokens,
            tokens=self.signer,
            codes=self.codes,
            rooms=self.rooms,
            tester=self.tester,
            booth=self.booth,
            jwks=self.jwks,
            clock_s=lambda: self.clock.now_s,
        )


def closed_doors():
    """Doors that know the operator and nobody else, and whose gate has one twin, `cantor`."""
    world = World()
    world.gate.provision("cantor")
    return world.doors()
