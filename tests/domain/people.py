"""
A small world of people: a twin with its members and keys, and the platform with its accounts.

Like `world`, but commands are asked by principals: who may not is barred, as in the gate.
"""

from __future__ import annotations

from contracts.access import (
    AcceptInvitation,
    CallerRefused,
    InviteMember,
    IssueKey,
)
from contracts.account import (
    PLATFORM,
    FoundPlatform,
    IssueLink,
    OpenSession,
    RegisterAccount,
)
from contracts.commands import AnyCommand
from contracts.commit import AnyEvent
from domain import flood, gate
from domain.state import Envelope
from services.identity.random_secret import digest
from tests.domain.world import DAY, HOUR, NOON, Twin, fingerprint, unchanged

ARGON2ID = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$" + "A" * 43


def secret(name: str) -> str:
    """A secret that tests know by name."""
    return name.ljust(43, "z")


class People(Twin):
    """A log with principals. The operator provisions it; then it is asked in names."""

    def __init__(self, name: str = "cantor", *, now_us: int = NOON, provisioned: bool = True):
        super().__init__(now_us=now_us, name=name, provisioned=provisioned and name != PLATFORM)
        if provisioned and name == PLATFORM:
            self.ask("operator", FoundPlatform, person="root", email="root@example.com")

    def ask(self, principal: str, kind: type[AnyCommand], /, **fields) -> AnyEvent:
        """The decision that a principal's command brings, or that they may not ask it."""
        command = kind(command_id=fields.pop("command_id", None) or self.new_id(), **fields)
        return self.ask_this(principal, command)

    def ask_this(self, principal: str, command: AnyCommand) -> AnyEvent:
        self.write_due()
        envelope = Envelope(fingerprint(command), self._time(), principal)
        barred = unchanged(self.state, lambda: gate.barred(self.state, command, envelope))
        if barred is not None:
            if flood.is_recorded(self.state.flood, envelope.now_us):
                self._apply([barred[1]])
            return barred[1]
        assert gate.known(self.state, command, envelope) is None, "a test repeats by `again`"
        events = unchanged(self.state, lambda: gate.decide(self.state, command, envelope))
        self._apply(events)
        return events[0]

    # -- a twin -------------------------------------------------------------------------

    def invite(self, name: str, role: str = "editor", by: str = "operator", **fields) -> AnyEvent:
        """Invite *name* with an invitation that carries their name."""
        return self.ask(
            by,
            InviteMember,
            **{
                "invitation_id": invitation_of(name),
                "email": f"{name}@example.com",
                "role": role,
                "secret_hash": digest(secret(name)),
                "expires_at_us": self.now_us + DAY,
                **fields,
            },
        )

    def accept(self, name: str, by: str | None = None, **fields) -> AnyEvent:
        """Accept the invitation that carries *name*, as them."""
        return self.ask(
            by or f"person_{name}",
            AcceptInvitation,
            **{
                "invitation_id": invitation_of(name),
                "secret": secret(name),
                "person": name,
                **fields,
            },
        )

    def join(self, name: str, role: str = "editor") -> AnyEvent:
        """Make *name* a member."""
        self.invite(name, role)
        return self.accept(name)

    def issue(self, name: str, by: str = "operator", **fields) -> AnyEvent:
        """Issue a key that carries *name*."""
        return self.ask(
            by,
            IssueKey,
            **{
                "key_id": key_of(name),
                "label": name,
                "scopes": ["calls"],
                "secret_hash": digest(secret(name)),
                **fields,
            },
        )

    # -- the platform -------------------------------------------------------------------

    def register(self, name: str, by: str | None = None, **fields) -> AnyEvent:
        """Give *name* an account."""
        fields = {"email": f"{name}@example.com", "password_hash": ARGON2ID, **fields}
        return self.ask(by or f"person_{name}", RegisterAccount, person=name, **fields)

    def sign_in(self, name: str, session: str = "s", by: str | None = None, **fields) -> AnyEvent:
        """Open a session for *name*."""
        fields = {
            "session_hash": digest(secret(session)),
            "expires_at_us": self._time() + HOUR,
            **fields,
        }
        return self.ask(by or f"person_{name}", OpenSession, person=name, **fields)

    def link(self, name: str, by: str = "operator", **fields) -> AnyEvent:
        """Issue a sign-in link for *name* whose secret carries their name."""
        fields = {
            "secret_hash": digest(secret(name)),
            "expires_at_us": self._time() + HOUR,
        } | fields
        return self.ask(by, IssueLink, person=name, **fields)

    def refused(self) -> list[CallerRefused]:
        """The denials on record."""
        return [event for event in self.log if isinstance(event, CallerRefused)]


def invitation_of(name: str) -> str:
    return f"invitation{name}".ljust(12, "z")


def key_of(name: str) -> str:
    return f"key{name}".ljust(12, "z")
