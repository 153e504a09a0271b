"""What goes in and out of a real worker over a real bus, as bytes."""

from __future__ import annotations

import msgspec
import pytest

from contracts.budget import AUTHORIZATIONS_PER_MESSAGE_MAX, AuthorizeCall, TopUpCredits
from contracts.replies import Decision, Receipt
from contracts.subjects import command, log_of, query, shard_of
from contracts.usage import Usage
from contracts.views import BudgetView, PolicyView, PriceBookView, RateView, TenantView
from domain.refusals import TWIN_UNKNOWN
from services.client import GateClient
from services.gate.endpoints import MSGPACK
from tests.gate.served import (
    AUTHORIZE,
    ask,
    authorize,
    connected,
    json_of,
    problem_in,
    stored,
)
from tests.rig.twins import PRICE_NANOS, provision_twin
from tests.simulation.twins import provision

TOP_UP = ("budget", "top_up")

# -- every command and question ------------------------------------------------------


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
async def test_every_command_and_question_in_both_encodings(served, encoding):
    """
    Whoever speaks MessagePack must not find out which commands nobody has tried in it.
    """
    name = f"all-{encoding}"
    template = provision(10**15, PRICE_NANOS)
    async with connected(served) as bus:
        gate = GateClient(bus, name, encoding=encoding)
        said = [
            await gate.provision(
                display_name="A", organisation="B",
                policy=template.policy, price_book=template.price_book, activation="immediate",
            ),
            await gate.set_policy(template.policy, expected_version=1),
            await gate.set_price_book(template.price_book, expected_version=1),
            await gate.top_up(1_000),
            granted := await gate.authorize(
                modality="text", provider_id="p", sku="s", estimate=Usage(requests=2)
            ),
            await gate.extend(granted.reservation_id, Usage(requests=1)),
            settled := await gate.settle(granted.reservation_id, Usage(requests=3)),
            other := await gate.authorize(
                modality="text", provider_id="p", sku="s", estimate=Usage(requests=2)
            ),
            await gate.release(other.reservation_id),
            await gate.suspend(),
            await gate.resume(),
        ]  # fmt: skip
        assert [reply.code for reply in said] == [
            "provisioned", "policy_set", "price_book_set", "topped_up", "granted", "extended",
            "settled", "granted", "released", "suspended", "resumed",
        ]  # fmt: skip
        assert {reply.status for reply in said} == {200}
        assert settled.cost_nanos == 3 * PRICE_NANOS
        assert (await gate.show(TenantView)).status == "active"
        assert (await gate.show(PolicyView)).version == 2
        assert (await gate.show(PriceBookView)).version == 2
        assert (await gate.show(BudgetView)).position == said[-1].position
        assert (await gate.show(RateView)).tenant == name


async def test_a_command_repeated_in_the_other_encoding_is_the_same_command(served):
    """
    A retry may come from another program; its bytes differ and its meaning does not.
    """
    await provision_twin(served, "both")
    wanted = TopUpCredits(command_id="once", amount_nanos=7)
    async with connected(served) as bus:
        first = await ask(bus, "both", TOP_UP, msgspec.json.encode(wanted))
        packed = msgspec.msgpack.encode(wanted)
        again = await ask(bus, "both", TOP_UP, packed, content_type=MSGPACK)
    one = msgspec.json.decode(first.data, type=Receipt)
    two = msgspec.msgpack.decode(again.data, type=Receipt)
    assert (two.decision_id, two.position, two.replayed) == (one.decision_id, one.position, True)


async def test_an_id_with_another_payload_is_refused(served):
    """
    Two commands under one id would otherwise be one of them, silently.
    """
    await provision_twin(served, "reused")
    async with connected(served) as bus:
        await ask(bus, "reused", TOP_UP, json_of({"command_id": "a", "amount_nanos": 1}))
        for payload in ({"command_id": "a", "amount_nanos": 2},):
            reply = await ask(bus, "reused", TOP_UP, json_of(payload))
            refused = msgspec.json.decode(reply.data, type=Decision)
            assert (refused.status, refused.code) == (422, "command_id_reused")
        reply = await ask(bus, "reused", AUTHORIZE, json_of(authorize("a")))
        assert msgspec.json.decode(reply.data, type=Decision).code == "command_id_reused"


# -- lists of authorisations -------------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True])
async def test_a_list_is_decided_in_order_and_answered_in_order(served, packed):
    """
    One message, one reply, as many decisions as there were questions.
    """
    name = f"list-{int(packed)}"
    await provision_twin(served, name, limit_nanos=3 * PRICE_NANOS)
    calls = [
        AuthorizeCall(
            command_id=f"c{n}", modality="text", provider_id="p", sku="s",
            estimate=Usage(requests=1),
        )
        for n in range(AUTHORIZATIONS_PER_MESSAGE_MAX)
    ]  # fmt: skip
    library = msgspec.msgpack if packed else msgspec.json
    async with connected(served) as bus:
        reply = await ask(
            bus, name, AUTHORIZE, library.encode(calls), content_type=MSGPACK if packed else None
        )
    decisions = library.decode(reply.data, type=list[Decision])
    assert [decision.command_id for decision in decisions] == [call.command_id for call in calls]
    assert [decision.status for decision in decisions[:4]] == [200, 200, 200, 402]
    assert {decision.status for decision in decisions[3:]} == {402}


@pytest.mark.parametrize(
    ("count", "expected"), [(0, "length >= 1"), (AUTHORIZATIONS_PER_MESSAGE_MAX + 1, "<= 256")]
)
async def test_a_list_has_bounds(served, count, expected):
    """
    A message that is decided as a whole must end.
    """
    async with connected(served) as bus:
        payload = json_of([authorize(f"c{n}") for n in range(count)])
        problem = problem_in(await ask(bus, "anybody", AUTHORIZE, payload))
    assert problem.status == 400
    assert expected in problem.detail


async def test_a_list_with_one_malformed_call_is_refused_whole(served):
    """
    Half of a list decided and half not even read would leave the caller guessing.
    """
    await provision_twin(served, "halves")
    async with connected(served) as bus:
        payload = json_of([authorize("good"), authorize("bad", sku="no spaces please")])
        problem = problem_in(await ask(bus, "halves", AUTHORIZE, payload))
        assert "$[1]" in problem.detail
        again = await ask(bus, "halves", AUTHORIZE, json_of(authorize("good")))
    assert msgspec.json.decode(again.data, type=Decision).replayed is False


async def test_only_authorisations_come_in_lists(served):
    """
    What the contract does not offer is refused, not half done.
    """
    async with connected(served) as bus:
        payload = json_of([{"command_id": "a", "amount_nanos": 1}])
        problem = problem_in(await ask(bus, "anybody", TOP_UP, payload))
    assert "Expected `object`" in problem.detail


# -- who is asked about ----------------------------------------------------------------------


async def test_a_twin_that_does_not_exist_is_unknown_and_gets_no_log(served):
    """
    A name that somebody made up must not begin a log.
    """
    async with connected(served) as bus:
        reply = await ask(bus, "nobody", AUTHORIZE, json_of(authorize("a")))
        refused = msgspec.json.decode(reply.data, type=Decision)
        assert (refused.status, refused.code) == (404, TWIN_UNKNOWN.code)
        assert refused.retry_after_ms is None
        shown = await bus.request(query("nobody", "tenant"), b"")
        assert msgspec.json.decode(shown.data, type=TenantView).status == "absent"
    assert not [subject for subject, _ in await stored(served, "nobody") if ".nobody." in subject]


@pytest.mark.parametrize("name", ["Upper", "9lives", "a_b", "x" * 64, "ñ"])
async def test_a_name_that_no_twin_can_have_is_unknown(served, name):
    """
    The name is part of a subject; what it may be is decided before it is one.
    """
    async with connected(served) as bus:
        reply = await ask(bus, name, AUTHORIZE, json_of(authorize("a")))
    assert msgspec.json.decode(reply.data, type=Decision).status == 404


async def test_a_shard_addressed_directly_serves_only_its_own_twins(served):
    """
    Subject mappings do not keep a client from the mapped subjects; the worker must.
    """
    await provision_twin(served, "astray")
    shards = served.settings.shards
    own = shard_of("astray", shards)
    payload = json_of({"command_id": "direct", "amount_nanos": 1})
    async with connected(served) as bus:
        wrong = f"shard.{(own + 1) % shards}.{command('astray', *TOP_UP)}.operator"
        reply = await bus.request(wrong, payload, timeout=10)
        assert msgspec.json.decode(reply.data, type=Decision).code == "twin_unknown"
        right = f"shard.{own}.{command('astray', *TOP_UP)}.operator"
        reply = await bus.request(right, payload, timeout=10)
        assert msgspec.json.decode(reply.data, type=Receipt).code == "topped_up"
        question = f"shard.{(own + 1) % shards}.{query('astray', 'budget')}.operator"
        reply = await bus.request(question, b"", timeout=10)
        assert msgspec.json.decode(reply.data, type=Decision).code == "twin_unknown"
    subjects = {subject for subject, _ in await stored(served, "astray")}
    prefix = log_of("astray", own).removesuffix(">")
    assert all(s.startswith(prefix) for s in subjects if ".astray." in s)
