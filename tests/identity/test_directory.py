"""The directory: what the doors find, what they are told of, and that it fails shut."""

from __future__ import annotations

import asyncio

import pytest

from contracts.access import ChangeRole, RemoveMember, RevokeKey, RotateKey, WithdrawInvitation
from contracts.account import (
    PLATFORM,
    CloseSessions,
    CountSignInFailure,
    GrantAdmin,
    LockAccount,
    SetPassword,
    UnlockAccount,
)
from domain import account
from services.identity.directory import Change, Directory, DirectoryDown
from services.identity.last_used import LastUsed
from services.identity.random_secret import digest
from tests.domain.people import ARGON2ID, People, invitation_of, key_of, secret
from tests.domain.world import DAY, HOUR, MINUTE, NOON, SECOND
from tests.identity.projected import Projected, projected
from tests.projector.read_side import as_role, connected, prepared, rows

UNKNOWN = Change("unknown")


@pytest.fixture
async def shown(database):
    async with projected(database) as made:
        yield made


def rotate(people: People, old: str, new: str):
    people.ask(
        "operator",
        RotateKey,
        key_id=key_of(old),
        new_key_id=key_of(new),
        secret_hash=digest(secret(new)),
        overlap_ms=60_000,
    )


class TestKeys:
    async def test_a_key_is_found_with_its_twin_hash_scopes_and_times(self, shown: Projected):
        """All that a door needs to let a service in, or not."""
        people = People()
        people.issue("k", scopes=["read", "mint"], expires_at_us=NOON + HOUR)
        people.issue("for-ever")
        people.issue("old")
        rotate(people, "old", "new")
        people.issue("gone")
        people.ask("operator", RevokeKey, key_id=key_of("gone"), reason="leaked")
        await shown.show(people)
        find = shown.directory.find_key

        key = await find(key_of("k"))
        assert (key.tenant, key.secret_hash, key.scopes, key.expires_at_us) == (
            "cantor",
            digest(secret("k")),
            {"read", "mint"},
            NOON + HOUR,
        )
        assert key.is_usable(NOON + HOUR - 1)
        assert not key.is_usable(NOON + HOUR)
        assert (await find(key_of("for-ever"))).is_usable(NOON * 2)
        old, new = await find(key_of("old")), await find(key_of("new"))
        assert (old.expires_at_us, new.scopes) == (NOON + MINUTE, {"calls"})
        assert old.is_usable(NOON)
        gone = await find(key_of("gone"))
        assert (gone.revoked_at_us, gone.is_usable(NOON)) == (NOON, False)
        assert await find(key_of("none")) is None

    async def test_a_twin_cannot_take_over_another_ones_key_id(self, shown: Projected):
        """Ids are chosen by who issues; who came first is found."""
        first, second = People(), People("other", now_us=NOON + SECOND)
        first.issue("k")
        second.issue("k", secret_hash=digest(secret("evil")))
        await shown.show(second, first)

        key = await shown.directory.find_key(key_of("k"))

        assert (key.tenant, key.secret_hash) == ("cantor", digest(secret("k")))

    async def test_an_id_that_is_issued_again_shows_its_latest_use(self, shown: Projected):
        """The gate forgets what was revoked; the projection must not stop at it."""
        people = People()
        people.issue("k")
        people.ask("operator", RevokeKey, key_id=key_of("k"))
        people.issue("k", scopes=["read"], secret_hash=digest(secret("next")))
        await shown.show(people)

        key = await shown.directory.find_key(key_of("k"))

        assert (key.secret_hash, key.scopes) == (digest(secret("next")), {"read"})
        assert key.is_usable(NOON)


class TestMembers:
    async def test_roles_are_those_of_each_twin_now(self, shown: Projected):
        """Joined, changed, removed, joined again; another twin is another role."""
        one, two = People(), People("other")
        one.join("ana", "owner")
        one.join("bob", "editor")
        two.join("bob", "viewer")
        await shown.show(one, two)
        assert await shown.directory.roles_of("bob") == {"cantor": "editor", "other": "viewer"}

        one.ask("person_ana", ChangeRole, person="bob", role="approver")
        two.ask("operator", RemoveMember, person="bob")
        await shown.show(one, two)
        assert await shown.directory.roles_of("bob") == {"cantor": "approver"}

        two.join("bob", "owner")
        await shown.show(two)
        assert await shown.directory.roles_of("bob") == {"cantor": "approver", "other": "owner"}
        assert await shown.directory.roles_of("nobody") == {}

    async def test_invitations_have_a_state(self, shown: Projected):
        """The door shows what is wrong with a link before anybody types a password."""
        people = People()
        for name in ("ana", "bob", "cyd"):
            people.invite(name, "viewer")
        people.accept("bob")
        people.ask("operator", WithdrawInvitation, invitation_id=invitation_of("cyd"))
        await shown.show(people)

        found = [
            await shown.directory.invitation(invitation_of(name)) for name in ("ana", "bob", "cyd")
        ]

        assert [one.state for one in found] == ["open", "accepted", "withdrawn"]
        assert (found[0].email, found[0].role, found[0].tenant, found[0].expires_at_us) == (
            "ana@example.com",
            "viewer",
            "cantor",
            NOON + DAY,
        )
        assert found[0].secret_hash == digest(secret("ana"))
        assert await shown.directory.invitation("nothing") is None


class TestAccounts:
    async def test_an_account_is_found_by_person_and_by_address(self, shown: Projected):
        """However the address is typed; with all that decides a sign-in."""
        people = People(PLATFORM)
        people.register("ana")
        people.ask("operator", GrantAdmin, person="ana")
        for _ in range(account.FAILURES_FREE):
            people.ask("operator", CountSignInFailure, person="ana")
        await shown.show(people)

        found = await shown.directory.account_by_email(" Ana@EXAMPLE.com ")

        assert found == await shown.directory.account("ana")
        assert (found.person, found.email, found.password_hash) == (
            "ana",
            "ana@example.com",
            ARGON2ID,
        )
        assert (found.locked, found.is_admin, found.blocked_until_us) == (
            False,
            True,
            NOON + SECOND,
        )
        assert await shown.directory.account_by_email("nobody@example.com") is None
        people.ask("operator", LockAccount, person="ana")
        people.ask("operator", UnlockAccount, person="ana")
        await shown.show(people)
        assert (await shown.directory.account("ana")).blocked_until_us == 0

    async def test_sessions_end_by_time_by_closing_and_with_the_account(self, shown: Projected):
        """What a cookie speaks for, looked up at every request."""
        people = People(PLATFORM)
        for name in ("ana", "bob"):
            people.register(name)
            people.sign_in(name, f"{name}1")
            people.sign_in(name, f"{name}2")
        one = digest(secret("ana1"))
        people.ask("person_ana", CloseSessions, person="ana", session_hash=one)
        people.ask("admin_root", LockAccount, person="bob")
        await shown.show(people)
        find = shown.directory.find_session

        left = await find(digest(secret("ana2")))
        assert (left.person, left.is_usable(NOON), left.is_usable(NOON + HOUR)) == (
            "ana",
            True,
            False,
        )
        for name in ("ana1", "bob1", "bob2"):
            assert not (await find(digest(secret(name)))).is_usable(NOON)
        assert (await shown.directory.account("bob")).locked
        assert await find(digest("guessed")) is None

    async def test_somebody_is_told_where_they_are_signed_in(self, shown: Projected, database):
        """Their own open sessions and nobody else's, each with its last use if one is known."""
        people = People(PLATFORM)
        for name in ("ana", "bob"):
            people.register(name)
            people.sign_in(name, f"{name}1")
            people.sign_in(name, f"{name}2")
        people.sign_in("ana", "ana3")
        closed = digest(secret("ana1"))
        people.ask("person_ana", CloseSessions, person="ana", session_hash=closed)
        await shown.show(people)
        used = LastUsed(as_role(database, "vito_api"), lambda: NOON + MINUTE)
        used.note(PLATFORM, digest(secret("ana2")).hex())
        used.note("cantor", digest(secret("ana3")).hex())
        await used.write()

        found = {one.session_hash: one for one in await shown.directory.open_sessions("ana", NOON)}
        assert set(found) == {digest(secret("ana2")), digest(secret("ana3"))}
        times = [one.last_used_at and one.last_used_at.timestamp() for one in found.values()]
        assert sorted(times, key=str) == [(NOON + MINUTE) / SECOND, None]
        assert await shown.directory.open_sessions("ana", NOON + HOUR) == []

    async def test_a_link_is_found_and_used_once(self, shown: Projected):
        """The door learns from the link whose it is."""
        people = People(PLATFORM)
        people.register("ana", password_hash=None)
        people.link("ana")
        await shown.show(people)
        link = await shown.directory.find_link(digest(secret("ana")))
        assert (link.person, link.is_usable(NOON)) == ("ana", True)

        people.sign_in("ana", link=secret("ana"))
        people.ask("person_ana", SetPassword, person="ana", password_hash=ARGON2ID)
        await shown.show(people)

        assert not (await shown.directory.find_link(digest(secret("ana")))).is_usable(NOON)
        assert (await shown.directory.account("ana")).password_hash == ARGON2ID
        assert await shown.directory.find_link(digest("guessed")) is None


class TestChanges:
    async def next_ones(self, changes, count: int) -> list[Change]:
        async with asyncio.timeout(10):
            return [await anext(changes) for _ in range(count)]

    async def test_everything_that_takes_a_right_away_is_told_once(self, shown: Projected):
        """Keys, members, sessions, accounts; what gives one is not, nor what was before."""
        people, platform = People(), People(PLATFORM)
        people.issue("before")
        people.ask("operator", RevokeKey, key_id=key_of("before"))
        await shown.show(people, platform)
        changes = shown.directory.changes(every_s=0.01)
        assert await self.next_ones(changes, 1) == [UNKNOWN]

        people.join("ana", "owner")
        people.join("bob", "owner")
        people.ask("operator", ChangeRole, person="bob", role="viewer")
        people.ask("operator", RemoveMember, person="bob")
        people.issue("k")
        people.issue("old")
        rotate(people, "old", "new")
        people.ask("operator", RevokeKey, key_id=key_of("k"))
        await shown.show(people)
        assert await self.next_ones(changes, 6) == [
            Change("member", "ana", "cantor"),
            *[Change("member", "bob", "cantor")] * 3,
            Change("key", key_of("old"), "cantor"),
            Change("key", key_of("k"), "cantor"),
        ]

        platform.register("cyd")
        platform.sign_in("cyd")
        platform.ask("operator", LockAccount, person="cyd")
        await shown.show(platform)
        assert await self.next_ones(changes, 2) == [
            Change("account", "cyd"),
            Change("session", digest(secret("s")).hex()),
        ]

    async def test_more_than_can_be_told_is_said_to_be_unknown(self, shown, monkeypatch):
        """Nothing is left out in silence, and nothing grows without bound."""
        monkeypatch.setattr("services.identity.directory.CHANGES_AT_ONCE_MAX", 1)
        people = People()
        await shown.show(people)
        changes = shown.directory.changes(every_s=0.01)
        await self.next_ones(changes, 1)
        people.join("ana")
        people.join("bob")
        await shown.show(people)

        assert await self.next_ones(changes, 1) == [UNKNOWN]
        people.join("cyd")
        await shown.show(people)
        assert await self.next_ones(changes, 1) == [Change("member", "cyd", "cantor")]

    async def test_a_shard_that_had_nothing_yet_is_heard_from_its_first_commit(self, database):
        """A directory may be older than the first projector."""
        async with projected(database) as shown:
            changes = shown.directory.changes(every_s=0.01)
            assert await self.next_ones(changes, 1) == [UNKNOWN]
            people = People()
            people.join("ana")
            await shown.show(people)

            assert await self.next_ones(changes, 1) == [Change("member", "ana", "cantor")]


class TestDown:
    NOWHERE = "postgresql://vito_api:x@127.0.0.1:1/vito"

    async def test_nobody_is_found_when_it_cannot_be_asked(self, monkeypatch):
        """A door must be able to tell `not there` from `cannot look`: it refuses both."""
        monkeypatch.setattr("services.identity.directory.ACQUIRE_S", 0.05)
        async with Directory(self.NOWHERE) as directory:
            for ask in (
                directory.find_key("k"),
                directory.find_session(b""),
                directory.account("ana"),
                directory.account_by_email("ana@example.com"),
                directory.roles_of("ana"),
                directory.invitation("i"),
                directory.find_link(b""),
                directory.open_sessions("ana", NOON),
            ):
                with pytest.raises(DirectoryDown, match="cannot be looked up"):
                    await ask

    async def test_who_follows_it_is_told_that_changes_may_be_missed(self, monkeypatch):
        """Each second; what is open must be looked up, and is refused then."""
        monkeypatch.setattr("services.identity.directory.ACQUIRE_S", 0.01)
        monkeypatch.setattr("services.identity.directory.UNHEARD_MAX_S", 0.02)
        async with Directory(self.NOWHERE) as directory, asyncio.timeout(10):
            changes = directory.changes(every_s=0.001)

            assert [await anext(changes) for _ in range(2)] == [UNKNOWN, UNKNOWN]

    async def test_before_the_tables_are_there_it_is_down(self, database):
        """A new program on an old database refuses; it does not fall over."""
        await prepared(database)
        async with connected(database) as owner:
            await owner.execute("DROP VIEW api_keys")
        async with Directory(as_role(database, "vito_api")) as directory:
            with pytest.raises(DirectoryDown):
                await directory.find_key("k")

    async def test_it_can_read_and_nothing_else(self, shown: Projected):
        """A door that is broken into rewrites no key."""
        with pytest.raises(DirectoryDown):
            await shown.directory._all("UPDATE api_keys SET key_id = 'x'", {})


class TestLastUsed:
    async def test_is_written_once_for_many_uses_and_never_goes_back(self, database):
        """The latest of two doors counts."""
        await prepared(database)
        now = [NOON + HOUR]
        used = LastUsed(as_role(database, "vito_api"), lambda: now[0])
        for _ in range(3):
            used.note("cantor", "k")
        await used.write()
        now[0] = NOON
        used.note("cantor", "k")
        used.note("cantor", "other")
        await used.write()

        query = "SELECT key_id, extract(epoch FROM used_at)::bigint FROM key_last_used ORDER BY 1"
        async with connected(database) as owner:
            assert await rows(owner, query) == [
                ("k", (NOON + HOUR) // SECOND),
                ("other", NOON // SECOND),
            ]

    async def test_what_the_database_did_not_take_is_written_later(self, database):
        """An outage loses nothing that memory holds."""
        await prepared(database)
        used = LastUsed(TestDown.NOWHERE, lambda: NOON)
        used.note("cantor", "k")
        await used.write()
        used._dsn = as_role(database, "vito_api")

        await used.write()

        async with connected(database) as owner:
            assert await rows(owner, "SELECT key_id FROM key_last_used") == [("k",)]
