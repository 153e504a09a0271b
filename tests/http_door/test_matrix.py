"""Every operation x everybody: the matrix of the requirements, generated from the document."""

import pytest

from contracts.access import ROLES
from domain import rights
from tests.http_door.cast import STRANGERS, UNKNOWN, cast
from tests.http_door.conftest import NOBODY, OTHER, OWN, SENTINEL
from tests.http_door.operations import OPERATIONS, TENANT, ask, is_open, right_of
from tests.http_door.people import SCOPES

OF_TWINS = sorted(name for name, (_, path, _) in OPERATIONS.items() if path.startswith(TENANT))
OF_NOBODY = sorted(set(OPERATIONS) - set(OF_TWINS))
FORBIDDEN = ("caller_unknown", "caller_not_allowed")


def may(who, noun, verb):
    """What the table of rights says, read without the code of the door."""
    right = rights.RIGHTS[noun, verb]
    if who == "token of an owner":
        who = "owner"
    if who in ROLES:
        return right.role is not None and ROLES.index(who) >= ROLES.index(right.role)
    if who.startswith("key "):
        return who.removeprefix("key ") in right.scopes
    return {"admin": right.admin, "operator": True}[who]


def code_of(answer):
    """The code of a problem, empty for an answer."""
    is_problem = answer.headers["Content-Type"].startswith("application/problem+json")
    return answer.json["code"] if is_problem else ""


@pytest.mark.parametrize("operation", OF_TWINS)
async def test_every_operation_of_a_twin_is_for_those_whom_the_table_names(site, operation):
    """Who is nobody gets 401, who is a stranger 403, who may not 403 in other words."""
    method, path, _ = OPERATIONS[operation]
    noun, verb = right_of(method, path)
    for who, shown in cast(site.world).items():
        answer = await ask(site, operation, OWN, shown)
        code = code_of(answer)
        if who in UNKNOWN:
            assert answer.status == 401, (who, answer.body)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer"), who
        elif who in STRANGERS:
            assert (answer.status, code) == (403, "caller_unknown"), (who, answer.body)
        elif may(who, noun, verb):
            assert code not in FORBIDDEN, (who, answer.body)
            assert answer.status < 500, (who, answer.body)
        else:
            assert (answer.status, code) == (403, "caller_not_allowed"), (who, answer.body)
        assert SENTINEL not in answer.body.decode(), who


@pytest.mark.parametrize("operation", OF_TWINS)
async def test_of_another_twin_nothing_is_told_not_even_whether_there_is_one(site, operation):
    """EV-02: the same bytes for a twin that exists and for none, and nothing of it looked up."""
    everybody = cast(site.world)
    site.api.read_side.read = _never
    for who in (*(f"key {scope}" for scope in SCOPES), "owner", "token of an owner"):
        site.world.directory.asked.clear()
        site.world.gate.heard.clear()
        exists = await ask(site, operation, OTHER, everybody[who])
        looked_up = [what for what, _ in site.world.directory.asked]
        is_none = await ask(site, operation, NOBODY, everybody[who])
        unreadable = await ask(site, operation, "Not%20A.Twin", everybody[who])

        assert (exists.status, code_of(exists)) == (403, "caller_unknown"), (who, exists.body)
        assert exists.body == is_none.body == unreadable.body
        assert _telling(exists) == _telling(is_none)
        # Who they are, and nothing else; only an invitation is shown to the gate.
        assert set(looked_up) <= {"key", "session", "account", "roles"}
        assert operation == "access_accept" or site.world.gate.heard == []


@pytest.mark.parametrize("operation", OF_NOBODY)
async def test_what_is_about_no_twin_is_open_or_for_whoever_is_known(site, operation):
    """The document says which of the two; figures of the deployment are for its operator."""
    method, path, described = OPERATIONS[operation]
    if method == "POST":
        return
    for who, shown in cast(site.world).items():
        answer = await site.get(path, shown)
        if operation in ("beginOidcSignIn", "finishOidcSignIn"):
            # This deployment has no issuer; tests/http_door/test_oidc_sign_in.py has one.
            assert (answer.status, code_of(answer)) == (404, "oidc_not_offered"), who
        elif is_open(described):
            assert answer.status == 200 or path == "/readyz", who
        elif who in UNKNOWN:
            assert answer.status == 401, who
        elif operation == "readMetrics":
            assert answer.status == (200 if who == "operator" else 403), who
        else:
            assert answer.status == 200, (who, answer.body)
        if who not in ("operator", "admin") and not is_other(who):
            assert SENTINEL not in answer.body.decode(), who


def is_other(who):
    """Whether somebody belongs to the other twin."""
    return who in STRANGERS and "other" in who


async def test_a_list_of_twins_holds_those_of_the_caller(site):
    """And all of them for whoever runs the platform."""
    everybody = cast(site.world)
    seen = {
        who: [twin["tenant"] for twin in (await site.get("/v1/tenants", shown)).json["items"]]
        for who, shown in everybody.items()
        if who not in UNKNOWN
    }

    assert seen["operator"] == seen["admin"] == [OWN, OTHER]
    assert seen["viewer"] == seen["key read"] == seen["token of an owner"] == [OWN]
    assert seen["other twin's key"] == seen["other twin's owner"] == [OTHER]
    assert seen["person without twins"] == seen["key mint"] == []


async def test_the_figures_are_for_the_operator_only(site):
    """They say how much traffic everybody has."""
    everybody = cast(site.world)

    assert (await site.get("/metrics", everybody["operator"])).status == 200
    for who in ("owner", "admin", "key read"):
        assert (await site.get("/metrics", everybody[who])).status == 403


def _telling(answer):
    """The headers that could tell something: all but the name of the request and the time."""
    hidden = ("vito-request-id", "date")
    return {name: value for name, value in answer.headers.items() if name.lower() not in hidden}


async def _never(_work):
    raise AssertionError("a stranger's request reached the tables")
