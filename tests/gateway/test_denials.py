"""Whom the gateway turns away is in a log, in one whose readers may know of it."""

import pytest

from contracts.access import OPERATOR, DenialReported
from contracts.account import PLATFORM, FoundPlatform
from contracts.deployment import DisableDeployment
from services.gate.waiter import Waiter
from tests.gateway.conftest import NOBODY, OTHER, OWN, standing
from tests.gateway.test_handshake import EVIL, answered, told
from tests.http_door.memory_gate import unverified
from tests.http_door.people import NOW_US, forged
from tests.identity.issuer import Issuer

OPENING = ("stream", "open")


@pytest.fixture
def founded(world):
    """The platform has a log as well."""
    found(world)
    return world


def found(world):
    command = FoundPlatform(command_id="f", person="root", email="root@example.com")
    world.gate.writer(PLATFORM).offer(Waiter([command], OPERATOR, lambda _answers: None))
    world.gate.commit(PLATFORM)


async def reported(world):
    """What the gateway has reported since: (log, who, code, status, about another twin)."""
    await world.running.denials.written()
    found = [*world.gate.reported]
    world.gate.reported.clear()
    assert all((one.door, one.noun, one.verb) == ("gateway", *OPENING) for _, one in found)
    return [(log, one.principal, one.code, one.status, one.about) for log, one in found]


async def test_a_stranger_is_written_into_a_log_of_theirs(founded):
    """A key's or a visitor's twin; of the other twin nothing but the name that they sent."""
    key, token = founded.key(), founded.visitor()
    key_name = f"key_{key.split('_')[2]}"
    for tenant in (OTHER, NOBODY):
        await answered(founded, key, tenant=tenant)
        await told(founded, token, tenant=tenant)
        assert await reported(founded) == [
            (OWN, key_name, "caller_unknown", 403, tenant),
            (OWN, f"visitor_{1:016d}", "caller_unknown", 403, tenant),
        ]
    assert {commit.tenant for commit in founded.gate.commits if denied(commit)} == {OWN}


def denied(commit):
    return any(isinstance(event, DenialReported) for event in commit.events)


async def test_a_member_of_another_twin_is_the_platforms_business(founded):
    """A person belongs to no twin alone."""
    founded.directory.add_person("ana", {OTHER: "owner"})
    token = founded.tokens.issue(principal="person_ana", tenant=OTHER)
    await answered(founded, token)

    assert await reported(founded) == [(PLATFORM, "person_ana", "caller_unknown", 403, OWN)]


async def test_who_belongs_there_and_may_not_is_in_the_twins_own_log(world):
    """Without the scope, on another page, from a page that was taken off, after it was closed."""
    key, visitor = world.key("read"), (OWN, f"visitor_{1:016d}")
    await answered(world, key)
    await told(world, world.visitor(), origin=EVIL)
    await told(world, world.visitor(deployment="nowhere"))
    disabling = DisableDeployment(command_id="x", deployment="web")
    await world.gate.command(OWN, disabling, OPERATOR)
    await told(world, world.visitor())

    reader, *visits = await reported(world)
    assert reader == (OWN, f"key_{key.split('_')[2]}", "caller_not_allowed", 403, None)
    # Two for the page, of which the second may have met the first still waiting.
    codes = [one[2:] for one in visits]
    assert codes[0] == ("origin_not_allowed", 403, None)
    assert codes[-1] == ("deployment_disabled", 403, None)
    assert {one[:2] for one in visits} == {visitor}


async def test_a_key_that_was_right_once_is_an_event(world):
    """Somebody goes on using it after it was revoked."""
    revoked = world.directory.add_key(OWN, "calls", revoked_at_us=NOW_US - 1)
    await answered(world, revoked)

    found = (OWN, f"key_{revoked.split('_')[2]}", "key_refused", 401, None)
    assert await reported(world) == [found]


async def test_who_guesses_and_who_waits_write_nothing(world):
    """Or anybody could write into any log; and that the gate is away is nobody's fault."""
    for shown in (forged(world.key()), "eyJx.e30.AAAA", "x"):
        await answered(world, shown)
    world.gate.fault = unverified()
    await told(world, world.visitor())
    world.gate.fault = None

    assert await reported(world) == []


async def test_a_flood_is_counted(world):
    """A page that tries for ever is one event with a count while the log is busy."""
    for _ in range(30):
        await told(world, world.visitor(), origin=EVIL)
    await world.running.denials.written()

    assert sum(command.times for _, command in world.gate.reported) == 30


@pytest.fixture
async def issuer():
    made = Issuer()
    await made.start()
    yield made
    await made.stop()


async def test_the_issuers_people_are_known_here_as_at_the_http_door(issuer):
    """They hold no conversations, like every person; whose twin it is decides what they hear."""
    async with standing(issuer=issuer) as world:
        found(world)
        for person, role in (("ana", OWN), ("bea", OTHER)):
            world.directory.add_person(person, {role: "owner"})
        tokens = {
            person: issuer.token(email=f"{person}@example.com") for person in ("ana", "bea", "eve")
        }
        answers = {who: (await answered(world, token))[::2] for who, token in tokens.items()}
        foreign = await answered(world, issuer.token(aud="somebody-else"))

        codes = {"ana": "caller_not_allowed", "bea": "caller_unknown", "eve": "key_refused"}
        for who, (status, body) in answers.items():
            assert (status, codes[who] in body.decode()) == (401 if who == "eve" else 403, True)
        assert foreign[0] == 401
        assert await reported(world) == [
            (OWN, "person_ana", "caller_not_allowed", 403, None),
            (PLATFORM, "person_bea", "caller_unknown", 403, OWN),
        ]


async def test_an_issuer_that_is_away_makes_nobody_a_liar(issuer):
    """503, and nothing is written down; who has a key of ours is not concerned."""
    issuer.status = 500
    async with standing(issuer=issuer) as world:
        status, _, body = await answered(world, issuer.token())
        assert (status, "identity_unavailable" in body.decode()) == (503, True)
        await (await world.connect(world.key())).hello()
        assert await reported(world) == []
