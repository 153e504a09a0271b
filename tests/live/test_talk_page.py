"""The gateway's own page: for twins that list it, with a strict policy, and money on no other."""

from __future__ import annotations

import msgspec
import pytest

from contracts.deployment import ChangeDeployment, DeploymentTerms
from contracts.views import BudgetView
from services.client.sender import new_id


async def listed(twin, origin):
    terms = DeploymentTerms(surface="web_widget", ceiling="video", origins=[origin])
    changed = ChangeDeployment(command_id=new_id(), deployment="web", terms=terms)
    assert (await twin.gate.tell(changed)).status == 200


async def get(twin, path):
    # By the name that a list may have: an address may not stand on one.
    url = twin.running.url.replace("127.0.0.1", "localhost")
    async with twin.session.get(url + path) as answer:
        return answer.status, answer.headers, await answer.read()


@pytest.fixture
async def open_twin(twin):
    """One whose page is the gateway's own."""
    await listed(twin, twin.running.url.replace("127.0.0.1", "localhost"))
    return twin


async def test_a_twin_that_lists_the_gateway_has_a_page_with_its_disclosure(open_twin):
    """
    Goal: the page shows the widget and the disclosure, and runs nothing but our scripts.
    Method: the page over HTTP; every script and style it names is served.
    """
    status, headers, body = await get(open_twin, f"/talk/{open_twin.tenant}")

    page = body.decode()
    assert status == 200
    assert "Hablas con una IA." in page
    assert "default-src 'none'; script-src 'self'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert "style=" not in page
    assert "<script>" not in page
    for name in ("/embed.js", "/talk.js", "/talk.css"):
        assert (await get(open_twin, name))[0] == 200


async def test_the_meter_beside_is_the_gates(open_twin):
    """
    Goal: the numbers on the page are those that the gate enforces.
    Method: the meter over HTTP after a call, and the live view.
    """
    status, _, body = await get(open_twin, f"/talk/{open_twin.tenant}/meter")

    books = await open_twin.gate.show(BudgetView)
    money = next(one for one in books.meters if one.meter == "money")
    assert status == 200
    assert msgspec.json.decode(body) == {
        "committed": money.committed,
        "held": money.held,
        "remaining": money.remaining,
        "scale": money.scale,
    }


async def test_a_twin_that_does_not_list_the_gateway_has_no_page_and_no_meter(twin):
    """
    Goal: the page tells nobody of twins that are not shown on it, nor what they spend.
    Method: a twin that lists another origin, one that does not exist, and no name at all.
    """
    for tenant in (twin.tenant, "nobody", "%2e%2e"):
        for path in (f"/talk/{tenant}", f"/talk/{tenant}/meter"):
            assert (await get(twin, path))[0] == 404


async def test_money_is_shown_on_machines_for_development_only(new_twin):
    """
    Goal: a visitor in production never sees what the twin spends.
    Method: a gateway that was not told that it is for development.
    """
    async with new_twin(shows_meter=False) as twin:
        await listed(twin, twin.running.url.replace("127.0.0.1", "localhost"))

        status, _, body = await get(twin, f"/talk/{twin.tenant}")

        assert status == 200
        assert b"meter" not in body
        assert (await get(twin, f"/talk/{twin.tenant}/meter"))[0] == 404
