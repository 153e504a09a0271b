"""Every denial of the HTTP door is in a log: in one of whose readers may know of it."""

import pytest

from contracts.access import DenialReported
from contracts.account import PLATFORM, FoundPlatform
from services.gate.waiter import Waiter
from tests.http_door.cast import STRANGERS, cast
from tests.http_door.conftest import NOBODY, OTHER, OWN
from tests.http_door.operations import OPERATIONS, TENANT, ask, right_of
from tests.http_door.test_matrix import may

# Answered from the tables; the gate hears of none of them by itself.
TABLES = sorted(
    name
    for name, (method, path, _) in OPERATIONS.items()
    if method == "GET" and path.startswith(TENANT) and "/live/" not in path
)
OF_TWINS = sorted(name for name, (_, path, _) in OPERATIONS.items() if path.startswith(TENANT))
# Of whom a denial is written where.
HOMES = {
    "other twin's key": OTHER,
    "other twin's owner": PLATFORM,
    "person without twins": PLATFORM,
    "token of the other twin's key": OTHER,
    "token of a member for the other twin": PLATFORM,
}
OVER = {
    "expired key": (OWN, "key_"),
    "revoked key": (OWN, "key_"),
    "token of a revoked key": (OWN, "key_"),
    "closed session": (PLATFORM, "person_owner"),
    "expired session": (PLATFORM, "person_owner"),
    "session of somebody locked": (PLATFORM, "person_locked"),
}
GUESSED = (
    "nothing",
    "no credential",
    "half a key",
    "forged key",
    "key of nobody",
    "forged token",
    "token of the operator",
    "session of nobody",
)


@pytest.fixture
def everybody(site):
    """What each shows; the platform has a log as well."""
    founded = FoundPlatform(command_id="f", person="root", email="root@example.com")
    site.world.gate.writer(PLATFORM).offer(Waiter([founded], "operator", lambda _answers: None))
    site.world.gate.commit(PLATFORM)
    return cast(site.world)


async def reported(site):
    """What the door has reported since, with the log."""
    await site.denials.written()
    found = [*site.world.gate.reported]
    site.world.gate.reported.clear()
    return found


def logged(site, tenant):
    """The events of denials in a log, newest last."""
    return [
        event
        for commit in site.world.gate.commits
        if commit.tenant == tenant
        for event in commit.events
        if isinstance(event, DenialReported)
    ]


async def test_each_denied_question_to_the_tables_is_an_event_of_the_twin(site, everybody):
    """Who is known there and may not: exactly those, and what they asked."""
    for operation in TABLES:
        noun, verb = right_of(*OPERATIONS[operation][:2])
        for who in ("viewer", "key mint", "key ingest", "key without scopes"):
            await ask(site, operation, OWN, everybody[who])
            found = await reported(site)
            if who != "key without scopes" and may(who, noun, verb):
                assert found == [], (operation, who)
                continue
            ((log, command),) = found
            assert (log, command.noun, command.verb, command.about) == (OWN, noun, verb, None)
            assert (command.code, command.status) == ("caller_not_allowed", 403), (operation, who)


async def test_what_a_stranger_tries_is_an_event_of_a_log_of_theirs(site, everybody):
    """The same for a twin that exists and for none; in the other twin's log there is nothing."""
    for operation in OF_TWINS:
        noun, verb = right_of(*OPERATIONS[operation][:2])
        for who in STRANGERS if operation == "readMeters" else STRANGERS[:3:2]:
            for tenant in (OWN, NOBODY):
                await ask(site, operation, tenant, everybody[who])
                ((log, command),) = await reported(site)
                assert (log, command.about) == (HOMES[who], tenant), (operation, who)
                assert (command.noun, command.verb) == (noun, verb), (operation, who)
                assert (command.code, command.status) == ("caller_unknown", 403), (operation, who)
    assert not logged(site, OWN)
    assert logged(site, OTHER)
    assert logged(site, PLATFORM)
    assert NOBODY not in {commit.tenant for commit in site.world.gate.commits}


@pytest.mark.parametrize("who", OVER)
async def test_what_was_right_once_is_an_event(site, everybody, who):
    """A key that somebody goes on using after it was revoked is worth knowing."""
    log, principal = OVER[who]
    for tenant in (OWN, OTHER):
        answer = await site.get(f"/v1/tenants/{tenant}/meters", everybody[who])
        ((told, command),) = await reported(site)

        assert answer.status == 401
        assert (told, command.code, command.status) == (log, "key_refused", 401)
        assert command.principal.startswith(principal)
        assert command.about == (None if tenant == log else tenant)


@pytest.mark.parametrize("who", GUESSED)
async def test_what_was_never_right_writes_nothing(site, everybody, who):
    """Or whoever has seen the id of a key could write into its twin's log."""
    await site.get(f"/v1/tenants/{OWN}/meters", everybody[who])

    assert await reported(site) == []


async def test_what_the_gate_has_refused_is_written_once(site, everybody):
    """Commands and live views are denied, and recorded, by the gate itself."""
    for path in ("budget/top-up", "access/break-glass"):
        sent = {"amount_nanos": 1} if path.endswith("up") else {"reason": "x"}
        await site.post(f"/v1/tenants/{OWN}/{path}", everybody["viewer"], sent)
    await site.get(f"/v1/tenants/{OWN}/live/access", everybody["viewer"])

    assert await reported(site) == []
    recorded = [
        type(event).__name__ for commit in site.world.gate.commits for event in commit.events
    ]
    assert recorded.count("CallerRefused") == 3


async def test_what_is_the_operators_alone_is_denied_on_record(site, everybody):
    """The figures, and sessions without signing in."""
    await site.get("/metrics", everybody["owner"])
    await site.get("/metrics", everybody["key read"])
    await site.post(
        f"/v1/tenants/{PLATFORM}/account/open-session", everybody["owner"], {"person": "owner"}
    )

    assert [(log, c.noun, c.verb) for log, c in await reported(site)] == [
        (PLATFORM, "metrics", "show"),
        (OWN, "metrics", "show"),
        (PLATFORM, "account", "open_session"),
    ]


async def test_a_name_that_no_twin_can_have_is_not_repeated(site, everybody):
    """What somebody sends does not become a part of a log."""
    await site.get("/v1/tenants/Not%20A.Twin/meters", everybody["other twin's key"])
    ((log, command),) = await reported(site)

    assert (log, command.about) == (OTHER, None)


async def test_a_flood_is_one_event_with_a_count(site, everybody):
    """And is answered as fast as ever."""
    for _ in range(50):
        await site.get(f"/v1/tenants/{OWN}/secrets", everybody["key mint"])
    found = await reported(site)

    assert sum(command.times for _, command in found) == 50


async def test_nobody_reports_over_http(site, everybody):
    """Not even the operator's key: the door knows what it denies by itself."""
    answer = await site.post(
        f"/v1/tenants/{OWN}/access/report-denial",
        everybody["operator"],
        {"principal": "person_eve", "door": "http", "code": "x", "status": 403},
    )

    assert (answer.status, answer.json["code"]) == (404, "route_unknown")
