"""Account: people of the platform, how they sign in, and how guessing is slowed."""

import pytest

from contracts.account import (
    PLATFORM,
    SESSIONS_PER_PERSON_MAX,
    CloseSessions,
    CountSignInFailure,
    FoundPlatform,
    GrantAdmin,
    LockAccount,
    PasswordRehashed,
    RehashPassword,
    SessionOpened,
    SessionsClosed,
    SetPassword,
    SignInFailed,
    UnlockAccount,
    WithdrawAdmin,
)
from contracts.budget import CommandRefused
from contracts.tenant import ProvisionTenant, SuspendTenant
from domain import account, gate
from domain.answer import answer
from domain.views import view
from services.identity.random_secret import digest
from tests.domain.people import ARGON2ID, People, secret
from tests.domain.people_history import PlatformPeople
from tests.domain.test_governance import provision
from tests.domain.world import DAY, HOUR, NOON, SECOND

STRONGER = ARGON2ID.replace("t=2", "t=3")


@pytest.fixture
def platform() -> People:
    people = People(PLATFORM)
    people.register("ana")
    people.register("bob")
    return people


def guess(people: People, name: str = "ana"):
    return people.ask(f"person_{name}", CountSignInFailure, person=name)


def sessions_of(people: People, name: str) -> list[str]:
    return list(people.state.account.accounts[name].sessions)


class TestFounding:
    def test_begins_the_log_with_a_super_admin_and_happens_once(self):
        """Whoever runs the deployment says who; nobody takes it over later."""
        people = People(PLATFORM)

        assert account.is_admin(people.state.account, "root")
        assert people.state.tenant.status == "active"
        again = people.ask("operator", FoundPlatform, person="eve", email="eve@example.com")
        assert again.code == "platform_exists"

    def test_a_twin_has_no_accounts_and_the_platform_is_no_twin(self):
        """Each log takes its own commands only, also from the operator."""
        assert People().ask("operator", GrantAdmin, person="ana").code == "not_the_platform"
        founded = People("other", provisioned=False).ask(
            "operator", FoundPlatform, person="ana", email="ana@example.com"
        )
        assert founded.code == "not_the_platform"
        assert People(PLATFORM).ask("operator", SuspendTenant).code == "reserved_name"
        provisioned = People(PLATFORM, provisioned=False).ask_this("operator", provision())
        assert provisioned.code == "reserved_name"

    def test_only_its_own_first_command_begins_a_log(self):
        """A key is made for whoever begins a log, so nobody else may seem to."""
        found = FoundPlatform(command_id="f", person="root", email="r@example.com")
        assert gate.begins(PLATFORM, found)
        assert not gate.begins("cantor", found)
        assert gate.begins("cantor", provision())
        assert not gate.begins(PLATFORM, provision())
        assert isinstance(provision(), ProvisionTenant)


class TestRegistering:
    def test_an_address_is_unique_however_it_is_cased(self, platform):
        """Two accounts with one mailbox would be one person who can be two."""
        assert platform.register("eve", email="ANA@Example.COM").code == "email_taken"
        assert platform.state.account.people["ana@example.com"] == "ana"

    def test_a_person_is_not_registered_twice(self, platform):
        """An account is never taken over by registering again."""
        assert platform.register("ana", email="x@example.com").code == "account_exists"

    def test_accounts_are_bounded(self, platform, monkeypatch):
        """The platform's state stays small."""
        monkeypatch.setattr(account, "ACCOUNTS_MAX", 3)

        assert platform.register("eve").code == "too_many_accounts"


class TestSessions:
    def test_a_person_has_ten_and_the_oldest_ends(self, platform):
        """Who forgets to sign out is signed out in the end."""
        for number in range(SESSIONS_PER_PERSON_MAX):
            platform.now_us += SECOND
            platform.sign_in("ana", f"s{number}")
        platform.sign_in("ana", "more")

        closed = platform.log[-1]
        assert isinstance(closed, SessionsClosed)
        assert closed.session_hashes == [digest(secret("s0"))]
        assert len(sessions_of(platform, "ana")) == SESSIONS_PER_PERSON_MAX
        assert platform.state.decisions == closed.decision

    def test_those_that_ran_out_make_room(self, platform):
        """Nobody is signed out for a session that is over anyway."""
        for number in range(SESSIONS_PER_PERSON_MAX):
            platform.sign_in("ana", f"s{number}")
        platform.now_us += HOUR

        platform.sign_in("ana", "more")

        assert sessions_of(platform, "ana") == [digest(secret("more")).hex()]

    def test_one_or_all_can_be_closed(self, platform):
        """Here, or everywhere; another person's stay."""
        for name in ("ana", "bob"):
            for number in (1, 2):
                platform.sign_in(name, f"{name}{number}")
        one = digest(secret("ana1"))
        platform.ask("person_ana", CloseSessions, person="ana", session_hash=one)
        assert sessions_of(platform, "ana") == [digest(secret("ana2")).hex()]
        refused = platform.ask("person_ana", CloseSessions, person="ana", session_hash=one)
        assert refused.code == "session_unknown"

        platform.ask("admin_root", CloseSessions, person="ana")

        assert sessions_of(platform, "ana") == []
        assert len(sessions_of(platform, "bob")) == 2

    def test_a_new_password_ends_all_others(self, platform):
        """Whoever knew the old one is out, and who changed it stays."""
        for number in (1, 2, 3):
            platform.sign_in("ana", f"s{number}")
        kept = digest(secret("s2"))

        platform.ask(
            "person_ana", SetPassword, person="ana", password_hash=ARGON2ID, keep_session=kept
        )

        assert sessions_of(platform, "ana") == [kept.hex()]

    def test_a_stronger_hash_of_the_same_password_ends_none(self, platform):
        """Nobody has to sign in again because we hash otherwise; failures are not forgiven."""
        platform.sign_in("ana", "s")
        platform.ask("operator", CountSignInFailure, person="ana")
        done = platform.ask(
            "operator",
            RehashPassword,
            person="ana",
            password_hash=STRONGER,
            replaces=digest(ARGON2ID),
        )

        assert isinstance(done, PasswordRehashed)
        assert len(sessions_of(platform, "ana")) == 1
        assert platform.state.account.accounts["ana"].failures == 1

    def test_a_hash_of_an_earlier_password_is_not_kept(self, platform):
        """Somebody changes it while the door hashes the old one: the new one must stay."""
        platform.ask("person_ana", SetPassword, person="ana", password_hash=STRONGER)
        late = {"person": "ana", "password_hash": ARGON2ID, "replaces": digest(ARGON2ID)}

        assert platform.ask("operator", RehashPassword, **late).code == "password_changed"
        platform.register("eve", password_hash=None)
        none = late | {"person": "eve", "replaces": digest("")}
        assert platform.ask("operator", RehashPassword, **none).code == "password_changed"
        nobody = late | {"person": "nobody"}
        assert platform.ask("operator", RehashPassword, **nobody).code == "account_unknown"

    @pytest.mark.parametrize("at_us", [NOON, NOON + 30 * DAY + 1])
    def test_an_expiry_is_in_the_future_and_not_too_far(self, platform, at_us):
        """No session is for ever."""
        assert platform.sign_in("ana", expires_at_us=at_us).code == "expiry_invalid"

    def test_a_session_is_nobody_elses(self, platform):
        """A secret that is in use signs in nobody a second time."""
        platform.sign_in("ana", "s")

        assert platform.sign_in("ana", "s").code == "id_taken"


class TestLinks:
    def test_a_link_signs_in_once(self, platform):
        """Used up in the same event that opens the session."""
        platform.link("ana")

        event = platform.sign_in("ana", "s1", link=secret("ana"))

        assert isinstance(event, SessionOpened)
        assert event.link_hash == digest(secret("ana"))
        assert platform.sign_in("ana", "s2", link=secret("ana")).code == "link_unknown"

    def test_a_link_is_its_persons_and_runs_out(self, platform):
        """Nobody signs in as another, and not tomorrow."""
        platform.link("ana")
        assert platform.sign_in("bob", link=secret("ana")).code == "link_unknown"
        platform.now_us += HOUR

        assert platform.sign_in("ana", link=secret("ana")).code == "link_unknown"

    def test_links_are_bounded(self, platform):
        """The oldest is worth nothing when there are newer ones."""
        for number in range(account.LINKS_PER_PERSON_MAX + 1):
            platform.link("ana", secret_hash=digest(secret(f"l{number}")))

        assert platform.sign_in("ana", link=secret("l0")).code == "link_unknown"
        assert isinstance(platform.sign_in("ana", link=secret("l1")), SessionOpened)


class TestGuessing:
    def test_waits_grow_from_the_fifth_on(self, platform):
        """Five are free; then 1 s, 2 s, 4 s, and at most 5 minutes."""
        waits = []
        for _ in range(16):
            event = guess(platform)
            assert isinstance(event, SignInFailed)
            waits.append(max(0, event.blocked_until_us - platform.now_us) // SECOND)
            platform.now_us = max(platform.now_us, event.blocked_until_us)

        assert waits == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]

    def test_what_comes_too_soon_is_refused_and_can_be_counted(self, platform):
        """Also a right password: else the wait would tell which one is right."""
        for _ in range(account.FAILURES_FREE):
            guess(platform)

        refused = guess(platform)

        assert isinstance(refused, CommandRefused)
        assert refused.facts == {"blocked_until_us": NOON + SECOND}
        assert platform.sign_in("ana").code == "sign_in_blocked"
        assert isinstance(platform.sign_in("bob"), SessionOpened)
        platform.now_us += SECOND
        assert isinstance(platform.sign_in("ana"), SessionOpened)

    def test_a_link_works_while_passwords_wait(self, platform):
        """Nobody is kept out of their account by somebody who guesses."""
        for _ in range(account.FAILURES_FREE):
            guess(platform)
        platform.link("ana")

        assert isinstance(platform.sign_in("ana", link=secret("ana")), SessionOpened)

    @pytest.mark.parametrize("how", ["sign in", "new password", "unlock", "a day"])
    def test_wrong_passwords_are_forgotten(self, platform, how):
        """After a right one, by an admin, or in time."""
        for _ in range(3):
            guess(platform)
        match how:
            case "sign in":
                platform.sign_in("ana")
            case "new password":
                platform.ask("person_ana", SetPassword, person="ana", password_hash=ARGON2ID)
            case "unlock":
                platform.ask("admin_root", UnlockAccount, person="ana")
            case _:
                platform.now_us += DAY + 1

        assert guess(platform).failures == 1

    def test_the_answer_says_until_when(self, platform):
        """The door tells the person, without another look."""
        for _ in range(account.FAILURES_FREE):
            event = guess(platform)

        assert answer(PLATFORM, event, 1).facts == {
            "failures": 5,
            "blocked_until_us": NOON + SECOND,
        }


class TestAdmins:
    def test_the_last_one_can_be_neither_withdrawn_nor_locked(self, platform):
        """Somebody stays who can undo it; a locked admin does not count."""
        for kind in (WithdrawAdmin, LockAccount):
            assert platform.ask("operator", kind, person="root").code == "last_admin"
        platform.ask("admin_root", GrantAdmin, person="ana")
        platform.ask("admin_ana", LockAccount, person="root")

        assert platform.ask("operator", WithdrawAdmin, person="ana").code == "last_admin"
        assert platform.ask("admin_root", UnlockAccount, person="root").code == "caller_unknown"
        platform.ask("operator", WithdrawAdmin, person="root")
        assert account.active_admins(platform.state.account) == 1

    @pytest.mark.parametrize("seed", range(8))
    def test_a_platform_always_has_one(self, seed):
        """After any history; and nobody has more sessions or links than they may."""
        people = PlatformPeople(seed, steps=250).twin
        known = people.state.account

        assert account.active_admins(known) >= 1
        assert len(known.people) == len(known.accounts)
        assert all(len(a.sessions) <= SESSIONS_PER_PERSON_MAX for a in known.accounts.values())
        assert all(not (a.locked and a.links) for a in known.accounts.values())


class TestLocking:
    def test_ends_every_session_and_lets_nobody_in(self, platform):
        """One commit: there is no moment in which a locked person still acts."""
        platform.sign_in("ana", "s1")
        platform.link("ana")
        platform.ask("admin_root", LockAccount, person="ana", reason="lost laptop")

        assert isinstance(platform.log[-1], SessionsClosed)
        assert sessions_of(platform, "ana") == []
        assert platform.sign_in("ana").code == "account_locked"
        assert platform.sign_in("ana", link=secret("ana")).code == "account_locked"
        assert platform.link("ana").code == "account_locked"
        platform.ask("admin_root", UnlockAccount, person="ana")
        assert platform.sign_in("ana", link=secret("ana")).code == "link_unknown"
        assert isinstance(platform.sign_in("ana"), SessionOpened)


def test_the_view_shows_no_secret_and_no_hash(platform):
    """Nothing of a password, a session or a link crosses the bus."""
    platform.sign_in("ana")

    shown = view("account", platform.state, NOON)

    assert [a.email for a in shown.accounts] == [
        "ana@example.com",
        "bob@example.com",
        "root@example.com",
    ]
    assert (shown.total, shown.accounts[0].sessions, shown.accounts[2].is_admin) == (3, 1, True)
    assert "argon2" not in repr(shown)
