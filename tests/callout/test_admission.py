"""Who comes in: decided from what the directory says now, and told to nobody who guesses."""

from __future__ import annotations

import io

import pytest

from services import logs
from services.callout import admission
from services.callout.admission import Admission, Admitted, Refused, Unknown
from services.callout.connection_name import ConnectionName
from services.callout.request import Client, Login, Question, Server
from services.callout.throttle import FREE_PER_NAME, Throttle
from services.identity import api_key
from services.identity.tokens import Claims
from tests.callout.world import (
    SESSION,
    Caller,
    Directory,
    ana,
    callout,
    is_let_in,
    token,
    verifier,
)

NOW_S = 1_900_000_000


class Clock:
    def __init__(self) -> None:
        self.now_s = NOW_S

    def __call__(self) -> int:
        return self.now_s * 1_000_000


def admission_of(directory, clock=None, chance: float = 0.0) -> Admission:
    clock = clock or Clock()
    return Admission(
        directory,
        verifier(),
        parse=api_key.parse,
        throttle=Throttle(clock=clock),
        clock=clock,
        chance=lambda: chance,
    )


def question(host: str = "192.0.2.1", kind: str = "Client", **login) -> Question:
    return Question(
        Server("N"), "U", Client(host=host, id=1, kind=kind, type="nats"), Login(**login)
    )


@pytest.mark.parametrize(("chance", "life_s"), [(0.0, 2_700), (0.5, 3_150), (1.0, 3_600)])
async def test_nobody_stays_longer_than_an_hour(chance, life_s):
    """And not everybody leaves at once."""
    directory = Directory()
    key = directory.issue("calls")
    found = await admission_of(directory, chance=chance).decide(question(auth_token=key.text))

    assert isinstance(found, Admitted)
    assert found.expires_at_s == NOW_S + life_s


async def test_nobody_outlives_what_let_them_in():
    """A key, a token, a session: whichever ends first."""
    directory = Directory()
    key = directory.issue("calls", expires_at_us=(NOW_S + 60) * 1_000_000 + 999_999)
    found = await admission_of(directory).decide(question(auth_token=key.text))
    assert found.expires_at_s == NOW_S + 60
    assert found.name == ConnectionName(f"key_{key.key_id}", "cantor")

    by_token = admission_of(directory)
    by_token._clock = verifier()._clock
    claims = ana()
    found = await by_token.decide(question(user="token", password=token(claims)))
    expires_at_s = verifier().verify(token(claims)).expires_at_s
    assert expires_at_s - 2 <= found.expires_at_s <= expires_at_s
    assert found.name == ConnectionName("person_ana", "cantor", SESSION)


async def test_what_is_just_over_opens_nothing():
    """Patience with clocks is for reading a token, not for a connection that has no time."""
    directory, clock = Directory(), Clock()
    by_token = Admission(
        directory,
        verifier(),
        parse=api_key.parse,
        throttle=Throttle(clock=clock),
        clock=lambda: verifier()._clock() + 905 * 1_000_000,
        chance=lambda: 0.0,
    )
    found = await by_token.decide(question(auth_token=token(ana())))

    assert found == Refused("just_over", found.login, guessed=False)


@pytest.mark.parametrize("kind", ["Leafnode", "Router", ""])
async def test_only_clients_come_through_this_door(kind):
    """A leaf node would bring a whole bus along."""
    directory = Directory()
    login = {"auth_token": directory.issue("calls").text}
    found = await admission_of(directory).decide(question(kind=kind, **login))

    assert isinstance(found, Refused)


async def test_two_secrets_are_none():
    """Which one counts would be a guess."""
    directory = Directory()
    text = directory.issue("calls").text
    for login in (
        {"auth_token": text, "user": "key", "password": text},
        {"auth_token": text, "user": "worker"},
        {"auth_token": text, "jwt": "x"},
        {"auth_token": text, "nkey": "x"},
        {"user": "key"},
        {"password": text},
    ):
        found = await admission_of(directory).decide(question(**login))
        assert found == Refused("no_credential", guessed=False), login


async def test_guessing_is_slowed_and_asks_nobody():
    """The directory must not feel a flood; the right key from elsewhere comes in meanwhile."""
    directory, clock = Directory(), Clock()
    decides = admission_of(directory, clock)
    key, other = directory.issue("calls"), directory.issue("calls")
    wrong = directory.issue("calls")
    directory.keys[wrong.key_id] = directory.keys[other.key_id]
    for _ in range(FREE_PER_NAME + 1):
        found = await decides.decide(question(auth_token=wrong.text))
        assert found == Refused("wrong_key", wrong.key_id)

    asked = directory.asked
    for _ in range(1_000):
        found = await decides.decide(question(auth_token=wrong.text))
        assert found == Refused("slowed", wrong.key_id, guessed=False)
    assert directory.asked == asked
    assert isinstance(await decides.decide(question(auth_token=key.text)), Admitted)

    clock.now_s += 1
    found = await decides.decide(question(auth_token=wrong.text))
    assert found == Refused("wrong_key", wrong.key_id)


async def test_garbage_counts_against_the_address():
    """Texts that are no keys at all need no look-up, and are as many as one likes."""
    directory = Directory()
    decides = admission_of(directory)
    key = directory.issue("calls")
    for number in range(100):
        await decides.decide(question(auth_token=f"garbage-{number}"))
        await decides.decide(question(auth_token=f"a{number}.b.c"))

    assert directory.asked == 0
    found = await decides.decide(question(auth_token=key.text))
    assert found == Refused("slowed", key.key_id, guessed=False)
    assert isinstance(await decides.decide(question("198.51.100.1", auth_token=key.text)), Admitted)


async def test_when_the_directory_does_not_answer_we_cannot_tell():
    """That is no refusal, counts against nobody, and lets nobody in."""
    directory = Directory()
    decides = admission_of(directory)
    key, directory.down = directory.issue("calls"), True
    for _ in range(100):
        found = await decides.decide(question(auth_token=key.text))
        assert isinstance(found, Unknown)
    directory.down = False
    assert isinstance(await decides.decide(question(auth_token=key.text)), Admitted)


async def test_whether_somebody_still_stands_is_looked_up():
    """The same answer as at the door, without the secret."""
    directory = Directory()
    decides = admission_of(directory)
    key = directory.issue("calls")
    name = ConnectionName(f"key_{key.key_id}", "cantor")
    member = ConnectionName("person_ana", "cantor", SESSION)

    assert await decides.still_stands(name)
    assert not await decides.still_stands(name._replace(tenant="fernandez"))
    assert not await decides.still_stands(ConnectionName("key_none", "cantor"))
    assert await decides.still_stands(member)
    assert not await decides.still_stands(member._replace(tenant="fernandez"))
    assert not await decides.still_stands(member._replace(session=""))
    assert not await decides.still_stands(ConnectionName("visitor_v", "cantor"))
    directory.revoke(key)
    assert not await decides.still_stands(name)


async def test_nothing_secret_is_logged(bus, directory_of_people):
    """Logs are read by many; a key in one is a key for all of them."""
    stream = io.StringIO()
    logs.configure("callout", stream=stream)
    good, wrong = directory_of_people.issue("calls"), Directory().issue("calls")
    held = token(Claims(principal="admin_root"))
    async with callout(bus, directory_of_people):
        assert await is_let_in(Caller.with_key(bus, good))
        assert not await is_let_in(Caller.with_key(bus, wrong))
        assert not await is_let_in(Caller.with_token(bus, held))
        assert not await is_let_in(Caller(bus, "_INBOX.x", token="hunter2hunter2"))

    said = stream.getvalue()
    for secret in (good.text, wrong.text, held, "hunter2", good.text.split("_")[-1]):
        assert secret not in said
        assert secret not in bus.log.read_text()
    # What an operator needs to find the one who knocks.
    for known in (good.key_id, wrong.key_id, "wrong_key", "malformed", "127.0.0.1", "cantor"):
        assert known in said


def test_the_limits_are_what_is_promised():
    """An hour at most: what everybody missed ends then."""
    assert 0 < admission.LIFE_MIN_S < admission.LIFE_MAX_S <= 3_600
