"""Whatever four roles of one twin send, generated from the document: no fault, and no leak."""

import json
import secrets

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.access import ROLES
from services.http_api.app import Limits
from services.query_api.problems import Problem
from tests.http_door.cast import cast
from tests.http_door.conftest import NOBODY, OTHER, OWN, SENTINEL, standing
from tests.http_door.doors import World
from tests.http_door.operations import OPERATIONS, TENANT, body_of
from tests.query_api.test_fuzz import NASTY, spelled

EXAMPLES = 8
REQUESTS = 40
WHO = (*ROLES, "key read", "key calls")
# Who has signed out is nobody, and nobody gets far.
TRIED = sorted(set(OPERATIONS) - {"signOut"})

JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(min_value=2**53, max_value=2**70),
        st.floats(allow_nan=False),
        NASTY.map(lambda text: text.encode("utf-8", "replace").decode()),
        st.sampled_from([OTHER, f"{OTHER}.2", "cantor.2", "openai", "owner", "2026-11"]),
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
REQUEST = st.fixed_dictionaries(
    {
        "operation": st.sampled_from(TRIED),
        "who": st.sampled_from(WHO),
        "tenant": st.one_of(st.sampled_from([OWN, OTHER, NOBODY]), NASTY),
        "names": st.fixed_dictionaries(
            {
                "decision_id": st.one_of(st.sampled_from(["cantor.2", f"{OTHER}.2"]), NASTY),
                "version": st.one_of(st.sampled_from(["1", "2"]), NASTY),
                "deployment": st.one_of(st.just("web"), NASTY),
                "source": st.one_of(st.just("rules"), NASTY),
            }
        ),
        # Which fields of a valid body are replaced, and by what.
        "changes": st.lists(st.tuples(st.integers(0, 30), JSON), max_size=3),
        "body": st.one_of(st.none(), JSON, st.binary(max_size=40)),
        "key": st.one_of(st.none(), st.sampled_from(["k1", "k2"]), NASTY),
        "query": st.lists(
            st.tuples(st.sampled_from(["limit", "from", "cursor", "min_position", "x"]), NASTY),
            max_size=2,
        ),
    }
)  # fmt: skip


def target(path, request):
    """The bytes of a request line."""
    for name, value in {**request["names"], "tenant": request["tenant"]}.items():
        path = path.replace(f"{{{name}}}", spelled(value))
    words = "&".join(f"{name}={spelled(value)}" for name, value in request["query"])
    return f"{path}?{words}" if words else path


def sent(method, path, request):
    """The bytes of a body: a valid one with some fields replaced, or anything."""
    if method == "GET":
        return None
    if isinstance(request["body"], bytes):
        return request["body"]
    if request["body"] is not None or not path.startswith(TENANT):
        return json.dumps(request["body"]).encode()
    body = body_of(path) or {}
    places = [(body, name) for name in body]
    places += [
        (body[name], inner) for name in body if isinstance(body[name], dict) for inner in body[name]
    ]
    for number, value in request["changes"]:
        if places:
            owner, name = places[number % len(places)]
            owner[name] = value
    return json.dumps(body).encode()


def headers_of(shown, request):
    """What somebody shows, and a key that may be none."""
    key = secrets.token_hex(8) if request["key"] is None else request["key"]
    is_header = key.isascii() and key.isprintable()
    named = {"Idempotency-Key": key} if is_header else {}
    return shown | named | {"Content-Type": "application/json"}


@given(requests=st.lists(REQUEST, min_size=REQUESTS, max_size=REQUESTS))
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
async def test_no_request_makes_the_server_fail_or_tell_of_another_twin(two_twins, requests):
    """Every operation, by everybody of one twin, at both twins."""
    world = World()
    world.gate.provision(OWN)
    world.gate.provision(OTHER, name=SENTINEL)
    everybody = cast(world)
    limits = Limits(position_wait_s=0.01)
    async with standing(two_twins, world, limits=limits) as site:
        for request in requests:
            method, path, operation = OPERATIONS[request["operation"]]
            asked = target(path, request)
            headers = headers_of(everybody[request["who"]], request)
            answer = await site.ask_raw(method, asked, headers, sent(method, path, request))

            refused = answer.headers.get("Content-Type", "").startswith("application/problem+json")
            code = answer.json["code"] if refused else ""
            assert answer.status < 500 or code in CALM, (request, answer.body)
            if refused:
                problem = Problem.model_validate(answer.json)
                assert problem.status == answer.status
                assert problem.remedy
                documented = operation["responses"].get(str(answer.status), {})
                assert code in documented.get("description", "") or code in ANYWHERE, request
            told = answer.body.decode() + str(dict(answer.headers))
            assert SENTINEL not in told, request


# What the path's own entry cannot say: some of these lines lead to no path.
ANYWHERE = ("route_unknown", "method_not_allowed", "malformed_request")
# What is no fault: the twin is not as far as was asked for, or holds as many calls as it may.
CALM = ("position_not_reached", "too_many_holds")
