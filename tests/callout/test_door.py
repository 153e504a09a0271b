"""The door of the bus from the outside, on a real server: what a key opens, and that it is all."""

from __future__ import annotations

import pytest

from contracts import subjects
from contracts.access import ROLES
from contracts.account import PLATFORM
from domain.rights import RIGHTS
from services.embedded.polling import until
from services.identity.tokens import Claims
from tests.callout.world import ANA, FOREVER_US, Caller, ana, callout, is_let_in, token

SCOPES = ("calls", "agent", "read", "mint")
EVERYTHING = tuple(RIGHTS)


def asked(noun: str, verb: str, principal: str, tenant: str = "cantor") -> str:
    return subjects.asked(tenant, noun, verb, principal)


def allowed_to_scope(scope: str) -> set[tuple[str, str]]:
    return {name for name, right in RIGHTS.items() if scope in right.scopes}


def allowed_to_role(role: str) -> set[tuple[str, str]]:
    return {
        name
        for name, right in RIGHTS.items()
        if right.role is not None and ROLES.index(role) >= ROLES.index(right.role)
    }


@pytest.mark.parametrize("scope", SCOPES)
async def test_a_key_says_what_the_matrix_gives_it_and_no_more(bus, directory_of_people, scope):
    """Each command and question there is, against each scope, as generated from the domain."""
    key = directory_of_people.issue(scope)
    me = f"key_{key.key_id}"
    every = {asked(*name, me): name for name in EVERYTHING}
    async with callout(bus, directory_of_people), Caller.with_key(bus, key) as caller:
        passed = await caller.may_publish(*every)
        direct = await caller.may_publish(*(f"shard.0.{subject}" for subject in every))

        assert {every[one] for one in passed} == allowed_to_scope(scope)
        assert {one.removeprefix("shard.0.") for one in direct} == passed


@pytest.mark.parametrize("role", ROLES)
async def test_a_member_says_what_the_matrix_gives_the_role(bus, directory_of_people, role):
    """The role of now, not the one of when the token was made."""
    directory_of_people.roles["ana"] = {"cantor": role, "fernandez": "owner"}
    every = {asked(*name, ANA): name for name in EVERYTHING}
    elsewhere = [asked(*name, ANA, "fernandez") for name in EVERYTHING]
    async with (
        callout(bus, directory_of_people),
        Caller.with_token(bus, token(ana())) as caller,
    ):
        passed = await caller.may_publish(*every)

        assert {every[one] for one in passed} == allowed_to_role(role)
        assert not await caller.may_publish(*elsewhere)


def forbidden_to_say(me: str, other: str) -> list[str]:
    """Whatever a key with every scope may not say."""
    return [
        *(asked(*name, me, "fernandez") for name in EVERYTHING),
        *(asked(*name, other) for name in EVERYTHING),
        *(asked(*name, "operator") for name in EVERYTHING),
        *(f"shard.0.{asked(*name, me, 'fernandez')}" for name in EVERYTHING),
        # A wildcard in a subject is a mistake of the sender, not a broadcast.
        "shard.0.cmd.cantor.budget.authorize.operator",
        "cmd.cantor.budget.authorize",
        "evt.0.cantor.budget",
        "evt.1.cantor.tenant",
        f"_INBOX.{other}.x",
        "_INBOX_api.x",
        "_INBOX_worker.x",
        "push.cantor.prompt",
        "gate.heartbeat",
        "$KV.KEYS.cantor.1",
        "$KV.LEASES.0",
        "$O.SNAPSHOTS.C.x",
        "$JS.API.INFO",
        "$JS.API.STREAM.CREATE.X",
        "$JS.API.STREAM.INFO.EVT_0",
        "$JS.API.STREAM.DELETE.EVT_0",
        "$JS.API.STREAM.PURGE.EVT_0",
        "$JS.API.STREAM.MSG.DELETE.EVT_0",
        "$JS.API.STREAM.MSG.GET.EVT_0",
        "$JS.API.DIRECT.GET.EVT_0",
        "$JS.API.CONSUMER.CREATE.EVT_0",
        "$JS.ACK.EVT_0.x.1.1.1.1.1",
        "$SRV.PING",
        "$SYS.REQ.USER.AUTH",
        "$SYS.REQ.USER.INFO",
        "$SYS.REQ.SERVER.PING",
        "$SYS.REQ.SERVER.PING.CONNZ",
        "$SYS.REQ.ACCOUNT.PING.CONNZ",
        "$SYS.REQ.ACCOUNT.VITO.CONNZ",
    ]


def forbidden_to_hear(other: str) -> list[str]:
    return [
        ">",
        "*",
        "*.*",
        "cmd.>",
        "qry.>",
        "shard.>",
        "shard.0.cmd.cantor.>",
        "evt.>",
        "evt.0.cantor.>",
        "push.>",
        "push.*.>",
        "push.fernandez.>",
        "_INBOX.>",
        "_INBOX.*.>",
        f"_INBOX.{other}.>",
        "_INBOX_client.>",
        "_INBOX_api.>",
        "$SYS.>",
        "$SYS.REQ.USER.AUTH",
        "$SRV.>",
        "$KV.>",
        "$JS.>",
        "gate.heartbeat",
    ]


async def test_a_key_says_and_hears_nothing_else(bus, directory_of_people):
    """Not another's commands, no event, no answer to somebody else, no stream, no server."""
    key, other = directory_of_people.issue(*SCOPES), directory_of_people.issue(*SCOPES)
    me, them = f"key_{key.key_id}", f"key_{other.key_id}"
    async with callout(bus, directory_of_people), Caller.with_key(bus, key) as caller:
        assert await caller.may_publish(*forbidden_to_say(me, them)) == set()
        assert await caller.may_subscribe(*forbidden_to_hear(them)) == set()
        # The control: what is its own, the same connection may.
        assert await caller.may_publish(asked("budget", "authorize", me))
        assert await caller.may_subscribe(f"_INBOX.{me}.>", "push.cantor.prompt")


async def test_a_key_without_any_right_may_say_nothing(bus, directory_of_people):
    """To a server, an empty list of what is allowed means everything."""
    key = directory_of_people.issue()
    async with callout(bus, directory_of_people), Caller.with_key(bus, key) as caller:
        assert await caller.may_publish("evt.0.cantor.budget", "cmd.cantor.budget.authorize") == (
            set()
        )


@pytest.mark.parametrize("scopes", [("calls",), ("read",), ("mint",), ("calls", "read", "mint")])
async def test_only_agents_hear_what_is_pushed(bus, directory_of_people, scopes):
    """It contains prompts."""
    key = directory_of_people.issue(*scopes)
    async with callout(bus, directory_of_people), Caller.with_key(bus, key) as caller:
        everything = "push.cantor.>", "push.cantor.bundle", "push.fernandez.session"
        assert await caller.may_subscribe(*everything) == set()


@pytest.mark.parametrize("scope", ["calls", "read", "mint"])
async def test_who_makes_calls_hears_which_sessions_have_ended(bus, directory_of_people, scope):
    """It has their media to stop; nobody else need know who talks to a twin."""
    key = directory_of_people.issue(scope)
    async with callout(bus, directory_of_people), Caller.with_key(bus, key) as caller:
        heard = await caller.may_subscribe("push.cantor.session")
        assert bool(heard) == (scope == "calls")


async def test_an_answer_arrives_and_in_no_other_inbox(bus, directory_of_people):
    """The gate's door must be able to answer every caller, and callers nobody."""
    key = directory_of_people.issue("calls")
    me = f"key_{key.key_id}"
    async with (
        callout(bus, directory_of_people),
        Caller.as_role(bus, "door") as door,
        Caller.with_key(bus, key) as caller,
    ):

        async def answer(message) -> None:
            await message.respond(message.subject.encode())

        await door.bus.subscribe("shard.>", cb=answer)
        await door.settle()
        reply = await caller.bus.request(asked("budget", "authorize", me), b"")

        shard = subjects.shard_of("cantor", bus.config.shards)
        assert reply.data.decode() == f"shard.{shard}.cmd.cantor.budget.authorize.{me}"
        assert reply.subject.startswith(f"_INBOX.{me}.")


def bad_logins(directory) -> dict[str, dict]:
    """Every way not to be somebody: nothing of it may open the bus."""
    good, over = directory.issue("calls"), directory.issue("calls", expires_at_us=1)
    revoked, other = directory.issue("calls"), directory.issue("calls")
    directory.revoke(revoked, told=False)
    mixed = good.text.replace(good.key_id, other.key_id)
    # Of the same twin, so that it is the session alone that is not theirs.
    directory.roles["eve"] = {"cantor": "owner"}
    ended = Claims(principal=ANA, tenant="cantor", session="cd" * 32)
    return {
        "nothing": {},
        "an empty token": {"token": ""},
        "no key": {"token": "hello"},
        "a mistyped key": {"token": good.text[:-1] + ("0" if good.text[-1] != "0" else "1")},
        "another's secret": {"token": mixed},
        "a key that nobody issued": {"token": type(directory)().issue("calls").text},
        "an expired key": {"token": over.text},
        "a revoked key": {"token": revoked.text},
        "a key as a name": {"user": good.text, "password": "x"},
        "a key id and its text": {"user": f"key_{good.key_id}", "password": good.text},
        "a static name with a key": {"user": "worker", "password": good.text},
        "the callout's name": {"user": "callout", "password": good.text},
        "a static name without a word": {"user": "worker", "password": ""},
        "a token for pages": {"token": token(ana(), "api")},
        "a token of no session": {"token": token(Claims(principal=ANA, tenant="cantor"))},
        "a token of an ended session": {"token": token(ended)},
        "a token for a twin of others": {"token": token(ana("fernandez"))},
        "somebody else's session": {
            "token": token(Claims(principal="person_eve", tenant="cantor", session=ana().session))
        },
        "a platform admin": {"token": token(Claims(principal="admin_root"))},
        "a visitor": {"token": token(Claims(principal="visitor_v", tenant="cantor"))},
        "a token of a revoked key": {
            "token": token(Claims(principal=f"key_{revoked.key_id}", tenant="cantor"))
        },
        "a token of a key for another twin": {
            "token": token(Claims(principal=f"key_{good.key_id}", tenant="fernandez"))
        },
        "a token altered": {"token": token(ana())[:-8] + "AAAAAAAA"},
    }


async def test_nobody_else_gets_in(bus, directory_of_people):
    """One generated list of bad logins, each refused, and the good ones of the same kinds not."""
    good = directory_of_people.issue("calls", expires_at_us=FOREVER_US)
    prefix = "_INBOX.x"
    async with callout(bus, directory_of_people):
        for name, login in bad_logins(directory_of_people).items():
            assert not await is_let_in(Caller(bus, prefix, **login)), name
        for login in (
            {"token": good.text},
            {"user": "key", "password": good.text},
            {"token": token(ana())},
            {"user": "token", "password": token(ana())},
        ):
            assert await is_let_in(Caller(bus, prefix, **login))


REPORTED = {
    "an expired key": ("cantor", "key_over", None),
    "a revoked key": ("cantor", "key_over", None),
    "a token of no session": (PLATFORM, "session_over", "cantor"),
    "a token of an ended session": (PLATFORM, "session_over", "cantor"),
    "a token for a twin of others": (PLATFORM, "no_member", "fernandez"),
    "somebody else's session": (PLATFORM, "session_over", "cantor"),
    "a platform admin": (PLATFORM, "not_at_this_door", None),
    "a visitor": ("cantor", "not_at_this_door", None),
    "a token of a revoked key": ("cantor", "key_over", None),
    "a token of a key for another twin": ("cantor", "key_over", "fernandez"),
}


async def test_who_was_known_and_is_kept_out_is_on_record(bus, directory_of_people):
    """Once, however many callouts hear of it; who guesses is nobody, and writes nowhere."""
    async with callout(bus, directory_of_people), callout(bus, directory_of_people):
        for name, login in bad_logins(directory_of_people).items():
            directory_of_people.reported.clear()
            assert not await is_let_in(Caller(bus, "_INBOX.x", **login)), name
            if name not in REPORTED:
                continue
            # Both have decided by then, or will: the second one reports the same.
            await until(lambda: reported_by(directory_of_people, 2), every_s=0.005, timeout_s=5)
            (log, code, about) = REPORTED[name]
            for told, command in directory_of_people.reported:
                assert (told, command.code, command.about) == (log, code, about), name
                assert (command.door, command.noun, command.verb) == ("bus", "bus", "connect")
                assert (command.status, command.times) == (401, 1)
            assert len({command.command_id for _, command in directory_of_people.reported}) == 1
        directory_of_people.reported.clear()
        for name, login in bad_logins(directory_of_people).items():
            if name not in REPORTED:
                assert not await is_let_in(Caller(bus, "_INBOX.x", **login))
        good = directory_of_people.issue("calls")
        assert await is_let_in(Caller.with_key(bus, good))
    assert directory_of_people.reported == []


async def reported_by(directory, callouts: int) -> bool:
    return len(directory.reported) == callouts


async def test_who_reports_denials_says_nothing_else(bus):
    """A callout lives in the system account; this is the one thing that it tells the gate."""
    async with Caller.as_role(bus, "doorkeeper") as role:
        said = "cantor.access.report_denial"
        assert await role.may_publish(f"cmd.{said}", f"shard.0.cmd.{said}.operator")
        assert (
            await role.may_publish(
                "cmd.cantor.access.issue_key",
                "cmd.cantor.budget.top_up",
                f"cmd.{said}.key_a",
                f"shard.0.cmd.{said}.person_a",
                "qry.cantor.budget.show",
                "evt.0.cantor.access",
                "_INBOX_worker.x",
                "$JS.API.INFO",
            )
            == set()
        )
        assert await role.may_subscribe(">", "cmd.>", "shard.>", "_INBOX.>", "push.>") == set()


async def test_a_token_of_a_key_has_no_more_than_both(bus, directory_of_people):
    """A key exchanged for a token with fewer scopes, and one that claims more."""
    key = directory_of_people.issue("calls", "read")
    principal = f"key_{key.key_id}"
    claims = Claims(principal=principal, tenant="cantor", scopes=frozenset(["read", "agent"]))
    every = {asked(*name, principal): name for name in EVERYTHING}
    async with (
        callout(bus, directory_of_people),
        Caller.with_token(bus, token(claims), principal) as caller,
    ):
        passed = await caller.may_publish(*every)

        assert {every[one] for one in passed} == allowed_to_scope("read")
        assert await caller.may_subscribe("push.cantor.>") == set()


async def test_what_the_server_asks_is_sealed_and_names_no_secret(bus, directory_of_people):
    """The question contains the key; whoever sees it pass must not."""
    key = directory_of_people.issue("calls")
    seen = []
    async with callout(bus, directory_of_people), Caller.as_role(bus, "callout") as witness:

        async def note(message) -> None:
            seen.append(message.data)

        await witness.bus.subscribe("$SYS.REQ.USER.AUTH", cb=note)
        await witness.settle()
        assert await is_let_in(Caller.with_key(bus, key))
        await witness.settle()

    assert seen
    for data in seen:
        assert data.startswith(b"xkv1")
        assert key.text.encode() not in data
    assert key.text not in bus.log.read_text()


async def test_the_callout_is_confined(bus, directory_of_people):
    """Whoever takes it over can let people in; they must not be able to read or write the log."""
    async with Caller.as_role(bus, "callout") as role:
        assert (
            await role.may_publish(
                "evt.0.cantor.budget",
                "cmd.cantor.budget.authorize",
                "_INBOX_worker.x",
                "$JS.API.STREAM.INFO.EVT_0",
                "$SYS.REQ.USER.AUTH",
                "$SYS.REQ.SERVER.PING.JSZ",
                "$SYS.REQ.SERVER.X.RELOAD",
                "$SYS.REQ.ACCOUNT.VITO.CONNZ",
                "$SYS.REQ.CLAIMS.UPDATE",
            )
            == set()
        )
        assert await role.may_subscribe(">", "$SYS.>", "evt.>", "_INBOX.>", "shard.>") == set()
        assert await role.may_publish("$SYS.REQ.SERVER.PING.CONNZ", "$SYS.REQ.SERVER.X.KICK")
