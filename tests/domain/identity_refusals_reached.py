"""How each refusal about people and keys comes about; used by the test of all refusals."""

from __future__ import annotations

from contracts.access import (
    BreakGlass,
    ChangeRole,
    RemoveMember,
    RevokeKey,
    WithdrawInvitation,
)
from contracts.account import (
    PLATFORM,
    CloseSessions,
    CountSignInFailure,
    FoundPlatform,
    GrantAdmin,
    LockAccount,
    RehashPassword,
    UnlockAccount,
    WithdrawAdmin,
)
from contracts.commit import AnyEvent
from domain import access, account
from tests.domain.people import ARGON2ID, People, key_of
from tests.domain.test_governance import provision
from tests.domain.world import DAY, Twin


def twin(*members: tuple[str, str]) -> People:
    """A twin with members, by name and role."""
    people = People()
    for name, role in members:
        people.join(name, role)
    return people


def platform(*names: str) -> People:
    """A platform with accounts."""
    people = People(PLATFORM)
    for name in names:
        people.register(name)
    return people


def full_of_keys() -> AnyEvent:
    people = twin()
    for number in range(access.KEYS_MAX):
        people.issue(f"k{number}")
    return people.issue("more")


def expired_invitation() -> AnyEvent:
    people = twin()
    people.invite("ana")
    people.now_us += 2 * DAY
    return people.accept("ana")


def locked(then) -> AnyEvent:
    people = platform("ana")
    people.ask("operator", LockAccount, person="ana")
    return then(people)


def blocked() -> AnyEvent:
    people = platform("ana")
    for _ in range(account.FAILURES_FREE):
        people.ask("operator", CountSignInFailure, person="ana")
    return people.ask("operator", CountSignInFailure, person="ana")


def issued_twice() -> AnyEvent:
    people = twin()
    people.issue("k")
    return people.issue("k")


REACHED = {
    "reserved_name": lambda: Twin(name="vito", provisioned=False).decide(provision()),
    "not_the_platform": lambda: twin().ask("operator", GrantAdmin, person="ana"),
    "expiry_invalid": lambda: (p := twin()).invite("ana", expires_at_us=p.now_us),
    "owner_exists": lambda: twin(("ana", "owner")).invite("bob", "owner", by="admin_root"),
    "only_owners_first": lambda: twin().invite("bob", "editor", by="admin_root"),
    "already_member": lambda: twin(("ana", "owner")).invite("ana"),
    "member_unknown": lambda: twin().ask("operator", ChangeRole, person="ana", role="owner"),
    "last_owner": lambda: twin(("ana", "owner")).ask("operator", RemoveMember, person="ana"),
    "invitation_unknown": lambda: twin().ask(
        "operator", WithdrawInvitation, invitation_id="none00000000"
    ),
    "invitation_expired": expired_invitation,
    "id_taken": issued_twice,
    "key_unknown": lambda: twin().ask("operator", RevokeKey, key_id=key_of("none")),
    "access_full": full_of_keys,
    "glass_not_needed": lambda: twin().ask("operator", BreakGlass, reason="curious"),
    "platform_exists": lambda: platform().ask(
        "operator", FoundPlatform, person="ana", email="ana@example.com"
    ),
    "account_unknown": lambda: platform().ask("operator", GrantAdmin, person="ana"),
    "account_exists": lambda: platform("ana").register("ana", by="operator"),
    "email_taken": lambda: platform("ana").register("bob", email="ANA@example.com"),
    "password_changed": lambda: platform("ana").ask(
        "operator", RehashPassword, person="ana", password_hash=ARGON2ID, replaces=bytes(32)
    ),
    "account_locked": lambda: locked(lambda people: people.sign_in("ana")),
    "link_unknown": lambda: platform("ana").sign_in("ana", link="0" * 43),
    "session_unknown": lambda: platform("ana").ask("operator", CloseSessions, person="ana"),
    "sign_in_blocked": blocked,
    "last_admin": lambda: platform().ask("operator", WithdrawAdmin, person="root"),
    "already_admin": lambda: platform().ask("operator", GrantAdmin, person="root"),
    "not_an_admin": lambda: platform("ana").ask("operator", WithdrawAdmin, person="ana"),
    "already_locked": lambda: locked(lambda p: p.ask("operator", LockAccount, person="ana")),
    "not_locked": lambda: platform("ana").ask("operator", UnlockAccount, person="ana"),
}
