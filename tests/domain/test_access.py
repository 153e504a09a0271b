"""Access: members, invitations and keys of a twin."""

import pytest

from contracts.access import (
    ROLES,
    BreakGlass,
    ChangeRole,
    GlassBroken,
    InvitationAccepted,
    RemoveMember,
    RevokeKey,
    RoleChanged,
    RotateKey,
    WithdrawInvitation,
)
from domain import access
from domain.answer import answer
from domain.views import view
from services.identity.random_secret import digest
from tests.domain.people import People, invitation_of, key_of, secret
from tests.domain.people_history import TwinPeople
from tests.domain.world import DAY, HOUR, MINUTE, NOON, SECOND


def rotate(people: People, old: str, new: str, **fields):
    return people.ask(
        "operator",
        RotateKey,
        key_id=key_of(old),
        new_key_id=key_of(new),
        secret_hash=digest(secret(new)),
        **fields,
    )


def usable(people: People, name: str, after_us: int = 0) -> bool:
    return access.key_at(people.state.access, key_of(name), people.now_us + after_us) is not None


class TestMembership:
    @pytest.mark.parametrize("role", ROLES)
    def test_an_invitation_makes_a_member_with_its_role(self, role):
        """From the link to the role, in two commands."""
        people = People()
        people.invite("ana", role, email="Ana@EXAMPLE.com")

        event = people.accept("ana")

        assert isinstance(event, InvitationAccepted)
        assert access.role_of(people.state.access, "ana") == role
        assert people.state.access.members["ana"].email == "ana@example.com"
        assert people.state.access.invitations == {}

    def test_an_invitation_works_once_and_not_after_it_was_withdrawn(self):
        """A link that lies around opens nothing."""
        people = People()
        people.join("ana")
        people.invite("bob")
        people.ask("operator", WithdrawInvitation, invitation_id=invitation_of("bob"))

        assert people.accept("bob").code == "caller_unknown"
        assert people.accept("ana", by="person_eve", person="eve").code == "caller_unknown"
        assert set(people.state.access.members) == {"ana"}

    def test_an_invitation_runs_out_at_its_time(self):
        """The last moment is in it; the next is not."""
        people = People()
        people.invite("ana", expires_at_us=NOON + DAY)
        people.invite("bob", expires_at_us=NOON + DAY)
        people.now_us = NOON + DAY - 1
        assert isinstance(people.accept("ana"), InvitationAccepted)
        people.now_us = NOON + DAY

        assert people.accept("bob").code == "invitation_expired"

    @pytest.mark.parametrize("at_us", [NOON - 1, NOON, NOON + 30 * DAY + 1])
    def test_an_expiry_is_in_the_future_and_not_too_far(self, at_us):
        """The refusal says between what."""
        refused = People().invite("ana", expires_at_us=at_us)

        assert refused.facts == {"after_us": NOON, "until_us": NOON + 30 * DAY}

    def test_the_last_owner_can_be_neither_removed_nor_demoted_by_anybody(self):
        """A twin without an Owner could never be given one again."""
        people = People()
        people.join("ana", "owner")
        people.join("bob", "approver")

        for by in ("person_ana", "operator"):
            assert people.ask(by, RemoveMember, person="ana").code == "last_owner"
            assert people.ask(by, ChangeRole, person="ana", role="editor").code == "last_owner"

        people.ask("person_ana", ChangeRole, person="bob", role="owner")
        people.ask("person_bob", RemoveMember, person="ana")
        assert access.owners(people.state.access) == 1
        assert people.ask("person_ana", ChangeRole, person="bob", role="viewer").code == (
            "caller_unknown"
        )

    def test_a_role_changes_what_a_member_may_at_once(self):
        """The next command is decided by the new role."""
        people = People()
        people.join("ana", "owner")
        people.join("bob", "owner")
        assert people.invite("cyd", by="person_bob").invitation_id == invitation_of("cyd")

        people.ask("person_ana", ChangeRole, person="bob", role="approver")

        assert people.invite("dee", by="person_bob").code == "caller_not_allowed"

    def test_a_super_admin_brings_the_first_owner_and_nobody_else(self):
        """They start a twin; from then on it is its Owners'."""
        people = People()
        assert people.invite("ana", "viewer", by="admin_root").code == "only_owners_first"
        people.invite("ana", "owner", by="admin_root")
        people.invite("bob", "owner", by="admin_root")
        people.ask("admin_root", WithdrawInvitation, invitation_id=invitation_of("bob"))
        people.accept("ana")

        assert people.invite("cyd", "owner", by="admin_root").code == "owner_exists"
        people.invite("dee", by="person_ana")
        refused = people.ask("admin_root", WithdrawInvitation, invitation_id=invitation_of("dee"))
        assert refused.code == "owner_exists"

    @pytest.mark.parametrize("seed", range(8))
    def test_a_twin_that_had_an_owner_has_one(self, seed):
        """After any history, whoever asked for what; and nothing grows beyond its bound."""
        people = TwinPeople(seed, steps=250).twin
        had_one = any(
            isinstance(event, InvitationAccepted | RoleChanged) and event.role == "owner"
            for event in people.log
        )

        assert (access.owners(people.state.access) > 0) == had_one


class TestBounds:
    def test_members_are_bounded(self, monkeypatch):
        """The state of a twin stays small whatever its Owners do."""
        monkeypatch.setattr(access, "MEMBERS_MAX", 1)
        people = People()
        people.join("ana")
        people.invite("bob")

        refused = people.accept("bob")

        assert (refused.code, refused.facts) == ("access_full", {"what": "members", "limit": 1})

    def test_open_invitations_are_bounded_and_old_ones_make_room(self, monkeypatch):
        """Those that have run out count for nothing and leave."""
        monkeypatch.setattr(access, "INVITATIONS_MAX", 2)
        people = People()
        people.invite("ana")
        people.invite("bob")
        assert people.invite("cyd").facts == {"what": "open invitations", "limit": 2}

        people.now_us += 2 * DAY
        people.invite("cyd")

        assert list(people.state.access.invitations) == [invitation_of("cyd")]

    def test_keys_are_bounded_and_old_ones_make_room(self, monkeypatch):
        """A revoked key leaves at once, one that has run out with the next."""
        monkeypatch.setattr(access, "KEYS_MAX", 2)
        people = People()
        people.issue("one", expires_at_us=NOON + HOUR)
        people.issue("two")
        assert people.issue("three").facts == {"what": "keys", "limit": 2}
        people.ask("operator", RevokeKey, key_id=key_of("two"))
        people.issue("three")
        people.now_us += HOUR
        people.issue("four")

        assert set(people.state.access.keys) == {key_of("three"), key_of("four")}


class TestKeys:
    def test_a_key_is_usable_until_its_expiry(self):
        """An expiry is the first moment in which it opens nothing."""
        people = People()
        people.issue("k", expires_at_us=NOON + HOUR)

        assert usable(people, "k", HOUR - 1)
        assert not usable(people, "k", HOUR)

    def test_a_revoked_key_opens_nothing_from_the_next_command_on(self):
        """And it cannot be revoked or rotated again."""
        people = People()
        people.issue("k")
        people.ask("operator", RevokeKey, key_id=key_of("k"), reason="leaked")

        assert not usable(people, "k")
        assert people.ask("operator", RevokeKey, key_id=key_of("k")).code == "key_unknown"
        assert rotate(people, "k", "new").code == "key_unknown"

    def test_rotation_overlaps_and_keeps_label_and_scopes(self):
        """Services change over one by one; afterwards only the new one is left."""
        people = People()
        people.issue("old", scopes=["read", "mint"])

        event = rotate(people, "old", "new", overlap_ms=60_000)

        assert (event.label, event.scopes) == ("old", ["read", "mint"])
        assert usable(people, "old", MINUTE - 1)
        assert not usable(people, "old", MINUTE)
        assert usable(people, "new", DAY)
        assert answer("cantor", event, 1).facts == {"old_expires_at_us": NOON + MINUTE}

    def test_rotation_never_lengthens_the_old_key(self):
        """It ends when it would have ended, or earlier."""
        people = People()
        people.issue("old", expires_at_us=NOON + SECOND)

        event = rotate(people, "old", "new", overlap_ms=60_000)

        assert event.old_expires_at_us == NOON + SECOND

    def test_rotation_without_overlap_ends_the_old_key_now(self):
        """What leaked is closed in the same moment."""
        people = People()
        people.issue("old")

        rotate(people, "old", "new", overlap_ms=0)

        assert not usable(people, "old")
        assert usable(people, "new")


class TestGlass:
    def test_is_on_record_with_its_reason_and_closes_by_itself(self):
        """Who looked, why and until when, for ever."""
        people = People()

        event = people.ask("admin_root", BreakGlass, reason="ticket 4711", ttl_s=60)

        assert isinstance(event, GlassBroken)
        assert (event.person, event.reason, event.until_us) == (
            "root",
            "ticket 4711",
            NOON + MINUTE,
        )
        assert access.has_open_glass(people.state.access, "root", NOON + MINUTE - 1)
        assert not access.has_open_glass(people.state.access, "root", NOON + MINUTE)

    def test_those_that_closed_leave_the_state(self):
        """With the next that is broken."""
        people = People()
        people.ask("admin_root", BreakGlass, reason="r", ttl_s=60)
        people.now_us += HOUR
        people.ask("admin_other", BreakGlass, reason="r", ttl_s=60)

        assert set(people.state.access.opened) == {"other"}


def test_the_view_shows_no_secret_and_no_hash():
    """A view crosses the bus; what it does not hold cannot leak."""
    people = People()
    people.join("ana", "owner")
    people.invite("bob")
    people.issue("k", expires_at_us=NOON + HOUR)
    people.ask("admin_root", BreakGlass, reason="r", ttl_s=60)

    shown = view("access", people.state, NOON)

    assert [(m.person, m.email, m.role) for m in shown.members] == [
        ("ana", "ana@example.com", "owner")
    ]
    assert [i.invitation_id for i in shown.invitations] == [invitation_of("bob")]
    assert [(k.key_id, k.expires_at_us) for k in shown.keys] == [(key_of("k"), NOON + HOUR)]
    assert [g.person for g in shown.glasses] == ["root"]
    for name in ("bob", "k"):
        assert digest(secret(name)) not in repr(shown).encode("latin-1", "replace")
        assert "secret" not in repr(shown)
