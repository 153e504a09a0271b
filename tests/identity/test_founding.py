"""Founding: the platform gets its first super admin once, and a link at every start."""

from __future__ import annotations

import pytest

from contracts.account import PLATFORM, AccountLocked, LinkIssued, LockAccount, SessionOpened
from services.identity.founding import LINK_LASTS_US, NotFounded, admit_admin
from services.identity.random_secret import digest, generate
from tests.domain.people import People
from tests.domain.world import NOON
from tests.identity.decided_here import Gate

EMAIL = "Admin@vito.localhost"


def absent() -> People:
    return People(PLATFORM, provisioned=False)


async def test_the_first_start_founds_and_the_link_signs_in():
    """Bare machine to signed in, with nothing but the secret of the run file."""
    people = absent()
    secret, link_hash = generate()

    person = await admit_admin(Gate(people), EMAIL, link_hash, NOON)

    assert [type(event).__name__ for event in people.log] == ["PlatformFounded", "LinkIssued"]
    assert people.state.account.people == {"admin@vito.localhost": person}
    assert people.log[-1].expires_at_us == NOON + LINK_LASTS_US
    assert isinstance(people.sign_in(person, link=secret), SessionOpened)


async def test_every_later_start_issues_a_link_and_nothing_else():
    """A restart must not make a second admin, nor leave a refusal in the log."""
    people = absent()
    first = await admit_admin(Gate(people), EMAIL, digest("1"), NOON)

    again = await admit_admin(Gate(people), EMAIL, digest("2"), NOON)

    assert again == first
    assert [type(event) for event in people.log[2:]] == [LinkIssued]


async def test_somebody_else_can_be_made_an_admin():
    """With an account already, or without one."""
    people = absent()
    await admit_admin(Gate(people), EMAIL, digest("1"), NOON)
    people.register("ana")

    assert await admit_admin(Gate(people), "ANA@example.com", digest("2"), NOON) == "ana"
    bob = await admit_admin(Gate(people), "bob@example.com", digest("3"), NOON)

    accounts = people.state.account.accounts
    assert accounts["ana"].is_admin
    assert accounts[bob].is_admin
    assert len(accounts) == 3


async def test_a_locked_admin_gets_no_link():
    """Locking is stronger than a restart; the refusal says so."""
    people = absent()
    await admit_admin(Gate(people), EMAIL, digest("1"), NOON)
    person = await admit_admin(Gate(people), "ana@example.com", digest("2"), NOON)
    assert isinstance(people.ask("operator", LockAccount, person=person), AccountLocked)

    with pytest.raises(NotFounded, match="locked"):
        await admit_admin(Gate(people), "ana@example.com", digest("3"), NOON)
