"""A broken glass opens a twin's tables to one super admin, for its time, and nothing else."""

import pytest

from domain import rights
from tests.http_door.cast import cast
from tests.http_door.conftest import OTHER, OWN
from tests.http_door.memory_gate import unverified
from tests.http_door.operations import OPERATIONS, TENANT, ask, right_of
from tests.http_door.people import cookie
from tests.http_door.test_commands import told

CLOSED = sorted(
    name
    for name, (method, path, _) in OPERATIONS.items()
    if method == "GET" and path.startswith(TENANT) and not rights.admin_may(*right_of(method, path))
)


async def break_glass(site, admin, ttl_s=60):
    answer = await site.post(
        f"/v1/tenants/{OWN}/access/break-glass", admin, {"reason": "ticket", "ttl_s": ttl_s}
    )
    assert answer.status == 200, answer.body


@pytest.mark.parametrize("operation", CLOSED)
async def test_what_an_owner_sees_opens_for_its_time(site, operation):
    """Tables and live views alike; not for another admin, and not the twin beside it."""
    admin = cast(site.world)["admin"]
    site.world.directory.add_person("other-admin", is_admin=True)
    other = cookie(site.world.directory.add_session("other-admin"))
    _, verb = right_of(*OPERATIONS[operation][:2])
    before = await ask(site, operation, OWN, admin)
    await break_glass(site, admin)
    opened = await ask(site, operation, OWN, admin)
    others = [await ask(site, operation, OWN, other), await ask(site, operation, OTHER, admin)]
    site.world.clock.pass_s(61)
    after = await ask(site, operation, OWN, admin)

    for answer in (before, *others, after):
        told(answer, 403, "caller_not_allowed")
    if verb == rights.QUESTION:
        assert opened.status in (200, 404), opened.body
        assert opened.status == 200 or opened.json["code"].endswith(("_unknown", "_gone"))
    else:
        # Such a question does not open in live views either.
        told(opened, 403, "caller_not_allowed")


def test_there_is_something_to_open():
    """The control: prompts, topics and DNA are a twin's own content."""
    assert len(CLOSED) > 8


async def test_each_denial_without_a_glass_is_an_event_of_the_twin(site):
    """The gate decides, and writes it down with the name of the admin."""
    admin = cast(site.world)["admin"]
    await site.get(f"/v1/tenants/{OWN}/prompt", admin)
    await site.denials.written()

    event = site.world.gate.commits[-1].events[-1]
    assert (type(event).__name__, event.principal) == ("CallerRefused", "admin_root")
    assert (event.noun, event.verb) == ("prompt", "show")
    assert site.world.gate.reported == []


async def test_a_glass_opens_no_command(site):
    """Who looks in does not act."""
    admin = cast(site.world)["admin"]
    await break_glass(site, admin)
    answer = await site.post(
        f"/v1/tenants/{OWN}/budget/top-up", admin, {"amount_nanos": 1, "reason": "x"}
    )

    told(answer, 403, "caller_not_allowed")


async def test_without_the_gate_nothing_opens(site):
    """Whether the glass is broken only the gate knows."""
    admin = cast(site.world)["admin"]
    await break_glass(site, admin)
    site.world.gate.fault = unverified()

    told(await site.get(f"/v1/tenants/{OWN}/prompt", admin), 503, "gate_unavailable")
