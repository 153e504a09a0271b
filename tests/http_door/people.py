"""Everybody who may come to the door of two twins, with what they show, good and bad."""

import hashlib
from datetime import UTC, datetime
from typing import get_args

import msgspec

from contracts.access import ROLES, Scope
from services.http_door import session
from services.http_door.authentication import CredentialRefused
from services.identity import api_key
from services.identity.api_key import generate_key
from services.identity.directory import (
    AccountRecord,
    DirectoryDown,
    InvitationRecord,
    KeyRecord,
    LinkRecord,
    OpenSession,
    SessionRecord,
)
from services.identity.passwords import Verified, check
from services.identity.random_secret import generate
from services.identity.tokens import TokenRefused

NOW_US = 1_790_000_100_000_000
SCOPES = get_args(Scope)
HOUR_US = 3_600_000_000
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
_BEGAN = datetime.fromtimestamp(NOW_US // 1_000_000, UTC)


class Claims(msgspec.Struct, frozen=True):
    """See services.http_door.authentication.Claims."""

    principal: str
    tenant: str = ""
    session: str = ""
    scopes: frozenset[Scope] = frozenset()
    expires_at_s: int = (NOW_US + HOUR_US) // 1_000_000
    deployment: str = ""
    origin: str = ""
    ceiling: str | None = None


class FakeTokens:
    """Tokens by their text, and those that were really signed, which *real* verifies."""

    def __init__(self, real):
        self.known = {}
        self.real = real

    def issue(self, visit=None, **claims):
        """Make a token; *visit*: as minting asks for one."""
        if visit is not None:
            claims = {
                "principal": visit.principal,
                "tenant": visit.tenant,
                "deployment": visit.deployment,
                "origin": visit.origin,
                "ceiling": visit.ceiling,
                "expires_at_s": visit.expires_at_us // 1_000_000,
            }
        text = f"eyJ{len(self.known):04d}.e30.AAAA"
        self.known[text] = Claims(**claims)
        return text

    def verify(self, text):
        if text in self.known:
            return self.known[text]
        try:
            return self.real.verify(text)
        except TokenRefused as refused:
            raise CredentialRefused(refused.message) from None


class FakeDirectory:
    """See services.identity.directory.Directory. *asked* is what was looked up."""

    def __init__(self):
        self.keys, self.sessions, self.links = {}, {}, {}
        self.accounts, self.roles = {}, {}
        self.invitations = {}
        self.asked = []
        self.away = False

    async def find_key(self, key_id):
        return self._found("key", self.keys, key_id)

    async def invitation(self, invitation_id):
        return self._found("invitation", self.invitations, invitation_id)

    async def find_session(self, session_hash):
        return self._found("session", self.sessions, session_hash)

    async def open_sessions(self, person, now_us):
        self._found("sessions", {}, person)
        return [
            OpenSession(name, AGENT, _BEGAN, one.expires_at_us, None)
            for name, one in self.sessions.items()
            if one.person == person and one.is_usable(now_us)
        ]

    async def find_link(self, link_hash):
        return self._found("link", self.links, link_hash)

    async def account(self, person):
        return self._found("account", self.accounts, person)

    async def account_by_email(self, email):
        by_email = {account.email: account for account in self.accounts.values()}
        return self._found("email", by_email, email.strip().lower())

    async def roles_of(self, person):
        return self._found("roles", self.roles, person) or {}

    def _found(self, what, table, name):
        self.asked.append((what, name))
        if self.away:
            raise DirectoryDown("Identity cannot be looked up right now.", "ask again")
        return table.get(name)

    # -- Who there is --------------------------------------------------------------

    def add_key(self, tenant, *scopes, expires_at_us=None, revoked_at_us=None):
        """Issue a key; return its text."""
        made = generate_key("test")
        self.keys[made.key_id] = KeyRecord(
            made.key_id, tenant, made.secret_hash, frozenset(scopes), expires_at_us, revoked_at_us
        )
        return made.text

    def add_person(self, person, roles=None, *, is_admin=False, locked=False, password=""):
        """Register somebody; *password* is kept as FakePasswords wants it."""
        self.accounts[person] = AccountRecord(
            person, f"{person}@example.com", password and f"hash:{password}", locked, is_admin, 0
        )
        self.roles[person] = roles or {}
        return person

    def add_session(self, person, *, expires_at_us=NOW_US + HOUR_US, closed=False):
        """Open a session; return the cookie's secret."""
        made = session.new()
        self.sessions[made.session_hash] = SessionRecord(person, expires_at_us, closed)
        return made.secret

    def add_invitation(self, tenant, command, state="open"):
        """Show an invitation that the twin's log has."""
        self.invitations[command.invitation_id] = InvitationRecord(
            command.invitation_id,
            tenant,
            command.email,
            command.role,
            command.secret_hash,
            command.expires_at_us,
            state,
        )

    def add_link(self, person, *, expires_at_us=NOW_US + HOUR_US, used=False):
        """Issue a one-time link; return its secret."""
        secret, digest = generate()
        self.links[digest] = LinkRecord(person, expires_at_us, used)
        return secret


class FakePasswords:
    """See services.identity.passwords.Passwords. *compared* counts."""

    def __init__(self):
        self.compared = 0

    async def verify(self, password, kept):
        self.compared += 1
        return Verified(is_right=kept == f"hash:{password}")

    async def hash(self, password):
        check(password)
        return f"hash:{password}"


def bearer(text):
    return {"Authorization": f"Bearer {text}"}


def cookie(secret, *, proof=True, site="same-origin"):
    """What a browser sends from a page of ours; *proof*: the page sends the token too."""
    headers = {"Cookie": f"{session.COOKIE}={secret}", "Sec-Fetch-Site": site}
    return headers | ({"Vito-Csrf-Token": session.csrf_token(secret)} if proof else {})


def forged(key):
    """A key with the right id, spelled right, with another secret."""
    other = generate_key("test").text
    head = key.rsplit("_", 1)[0]
    body = f"{head}_{other.rsplit('_', 1)[1][:43]}"
    return body + api_key._checksum(body)


def digest_of(text):
    return hashlib.sha256(text.encode()).digest()


ALL_ROLES = ROLES
