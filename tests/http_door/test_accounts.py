"""What signing in writes into the log of the platform, with the real rules."""

import pytest

from contracts.account import (
    PLATFORM,
    FoundPlatform,
    IssueLink,
    PasswordRehashed,
    SessionsClosed,
    SetPassword,
)
from services.http_door.accounts import GateAccounts
from services.http_door.opening import CannotVerify, SignInNotPossible
from services.identity.random_secret import generate
from tests.domain.people import ARGON2ID
from tests.http_door.doors import Clock
from tests.http_door.memory_gate import MemoryGate, unverified
from tests.http_door.people import HOUR_US, NOW_US, digest_of

LATER = {"expires_at_us": NOW_US + HOUR_US, "user_agent": "test"}


@pytest.fixture
async def platform():
    """The gate with one account, and the accounts behind it."""
    gate = MemoryGate(Clock())
    await gate.command(
        PLATFORM, FoundPlatform(command_id="f", person="ana", email="ana@example.com"), "operator"
    )
    return gate, GateAccounts(gate)


async def test_a_session_is_opened_and_closed_in_the_log(platform):
    """Twice closed is closed."""
    gate, accounts = platform
    await accounts.open_session("ana", digest_of("a"), link=None, **LATER)
    await accounts.close_session("ana", digest_of("a"))
    await accounts.close_session("ana", digest_of("a"))

    events = [type(event).__name__ for commit in gate.commits for event in commit.events]
    assert [name for name in events if name.startswith("Session")] == [
        "SessionOpened",
        "SessionsClosed",
    ]
    assert {principal for _, _, principal in gate.heard} == {"operator"}


async def test_a_link_opens_one_session(platform):
    """Two that race show it to the log, and the log is one."""
    gate, accounts = platform
    secret, digest = generate()
    link = IssueLink(command_id="l", person="ana", secret_hash=digest, expires_at_us=NOW_US + 9)
    await gate.command(PLATFORM, link, "operator")
    await accounts.open_session("ana", digest_of("a"), link=secret, **LATER)

    with pytest.raises(SignInNotPossible, match="link_unknown"):
        await accounts.open_session("ana", digest_of("b"), link=secret, **LATER)


async def test_wrong_passwords_block_the_account_in_the_log(platform):
    """So that another process and a restart know of it."""
    _, accounts = platform
    for _ in range(10):
        await accounts.count_failure("ana")

    with pytest.raises(SignInNotPossible, match="sign_in_blocked"):
        await accounts.open_session("ana", digest_of("a"), link=None, **LATER)


async def test_a_stronger_hash_is_kept_in_the_log_unless_the_password_was_changed(platform):
    """The door read the old one a moment ago; somebody may have been faster."""
    gate, accounts = platform
    old, new, newer = (ARGON2ID.replace("t=2", f"t={n}") for n in (1, 2, 3))
    await accounts.open_session("ana", digest_of("a"), link=None, **LATER)
    set_it = SetPassword(
        command_id="p", person="ana", password_hash=old, keep_session=digest_of("a")
    )
    await gate.command(PLATFORM, set_it, "person_ana")
    await accounts.rehash_password("ana", old, new)
    await accounts.rehash_password("ana", old, newer)

    events = [event for commit in gate.commits for event in commit.events]
    [rehashed] = [event for event in events if isinstance(event, PasswordRehashed)]
    assert (rehashed.password_hash, rehashed.actor) == (new, "operator")
    assert not any(isinstance(event, SessionsClosed) for event in events)
    with pytest.raises(CannotVerify):
        await accounts.rehash_password("nobody", old, new)


@pytest.mark.parametrize("ask", ["open_session", "close_session", "count_failure"])
async def test_a_gate_that_does_not_answer_is_told_so(platform, ask):
    """Nobody knows then whether it is in the log."""
    gate, accounts = platform
    gate.fault = unverified()
    what = {
        "open_session": lambda: accounts.open_session("ana", digest_of("a"), link=None, **LATER),
        "close_session": lambda: accounts.close_session("ana", digest_of("a")),
        "count_failure": lambda: accounts.count_failure("ana"),
    }
    with pytest.raises(CannotVerify):
        await what[ask]()


async def test_an_account_is_registered_once_for_each_address(platform):
    """In the name of whose it is; an address that has one already is said to, and keeps it."""
    gate, accounts = platform

    assert await accounts.register("eva", "eva@example.com", ARGON2ID)
    assert not await accounts.register("bob", "ana@example.com", ARGON2ID)
    with pytest.raises(SignInNotPossible, match="account_exists"):
        await accounts.register("eva", "eve@example.com", ARGON2ID)
    gate.fault = unverified()
    with pytest.raises(CannotVerify):
        await accounts.register("dan", "dan@example.com", ARGON2ID)
    assert set(gate.state(PLATFORM).account.people) >= {"ana@example.com", "eva@example.com"}
    assert (gate.heard[1][2], gate.heard[2][2]) == ("person_eva", "person_bob")
