"""What goes in and out of a real worker over a real bus, as bytes."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from contracts.budget import AUTHORIZATIONS_PER_MESSAGE_MAX, AuthorizeCall, TopUpCredits
from contracts.commands import NOUN_AND_VERB
from contracts.replies import Decision, Receipt
from contracts.subjects import command, log_of, query, shard_of
from contracts.usage import Usage
from contracts.views import BudgetView, PolicyView, PriceBookView, RateView, TenantView
from domain.refusals import TWIN_UNKNOWN
from services.client import GateClient
from services.gate.endpoints import MSGPACK, QUESTIONS, SERVICE, Outbox, ShardEndpoints
from tests.gate.served import ask, connected, json_of, problem_in, stored
from tests.rig.twins import PRICE_NANOS, provision_twin
from tests.simulation.twins import provision

AUTHORIZE = ("budget", "authorize")
TOP_UP = ("budget", "top_up")
ONE = {"modality": "text", "provider_id": "p", "sku": "s", "estimate": {"requests": 1}}


def authorize(command_id: str, **changes) -> dict:
    return {"command_id": command_id, **ONE, **changes}


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
                policy=template.policy, price_book=template.price_book,
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


# -- what cannot be read --------------------------------------------------------------------

MALFORMED = {
    "empty": (b"", "truncated"),
    "no JSON": (b"{", "truncated"),
    "nothing": (b"null", "Expected `object`"),
    "unknown field": (json_of(authorize("a", model="x")), "unknown field `model`"),
    "missing field": (json_of({"command_id": "a"}), "missing required field `modality`"),
    "wrong type": (json_of(authorize("a", ttl_ms="1")), "$.ttl_ms"),
    "below its bound": (json_of(authorize("a", ttl_ms=1)), "$.ttl_ms"),
    "above its bound": (json_of(authorize("a", ttl_ms=10**9)), "$.ttl_ms"),
    "negative": (json_of(authorize("a", estimate={"requests": -1})), "$.estimate.requests"),
    "a fraction": (json_of(authorize("a", estimate={"requests": 0.5})), "$.estimate.requests"),
    "an id with a line end": (json_of(authorize("a\n")), "`command_id` must match"),
    "an id that is too long": (json_of(authorize("a" * 65)), "$.command_id"),
    "an unknown modality": (json_of(authorize("a", modality="smell")), "$.modality"),
    "too many fallbacks": (json_of(authorize("a", fallbacks=[ONE] * 4)), "$.fallbacks"),
    "no text": (b'{"command_id":"\xff"}', "utf-8"),
    "very deep": (b'{"estimate":' + b"[" * 100_000, "$.estimate"),
}


@pytest.mark.parametrize("case", MALFORMED)
async def test_what_is_malformed_is_answered_with_what_is_wrong(served, case):
    """
    A caller corrects its program by the answer: field, rule, remedy, and headers as NATS has them.
    """
    payload, expected = MALFORMED[case]
    async with connected(served) as bus:
        problem = problem_in(await ask(bus, "anybody", AUTHORIZE, payload))
    assert (problem.code, problem.status) == ("malformed_command", 400)
    assert expected in problem.detail
    assert "AuthorizeCall" in problem.remedy


@pytest.mark.parametrize(
    "payload", [b"", b"\xc1", b"\x81\xa2\xff\xff\x01", b"\xdf\xff\xff\xff\xff", b"[1]"]
)
async def test_malformed_messagepack_is_answered_in_json(served, payload):
    """
    Who cannot write an encoding may not be able to read it either.
    """
    async with connected(served) as bus:
        reply = await ask(bus, "anybody", AUTHORIZE, payload, content_type=MSGPACK)
    assert problem_in(reply).status == 400


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
        wrong = f"shard.{(own + 1) % shards}.{command('astray', *TOP_UP)}"
        reply = await bus.request(wrong, payload, timeout=10)
        assert msgspec.json.decode(reply.data, type=Decision).code == "twin_unknown"
        right = f"shard.{own}.{command('astray', *TOP_UP)}"
        reply = await bus.request(right, payload, timeout=10)
        assert msgspec.json.decode(reply.data, type=Receipt).code == "topped_up"
        question = f"shard.{(own + 1) % shards}.{query('astray', 'budget')}"
        reply = await bus.request(question, b"", timeout=10)
        assert msgspec.json.decode(reply.data, type=Decision).code == "twin_unknown"
    subjects = {subject for subject, _ in await stored(served, "astray")}
    prefix = log_of("astray", own).removesuffix(">")
    assert all(s.startswith(prefix) for s in subjects if ".astray." in s)


# -- a reply subject is the requester's choice -------------------------------------------------

FORGERIES = {
    "an answer": (AUTHORIZE, json_of(authorize("forged")), None),
    "a refusal": (AUTHORIZE, b"{", None),
    "no text": (AUTHORIZE, b"\x81\xa2\xff\xff\x01", MSGPACK),
    "a list": (AUTHORIZE, json_of([authorize("forged-in-a-list")]), None),
}


@pytest.mark.parametrize("case", FORGERIES)
async def test_nobody_can_talk_a_worker_into_writing_an_event(served, case):
    """
    The worker may publish events and the requester names the subject of the reply: it must be an
    inbox, or one message of any client would end up in the log and stop whoever reads it.
    """
    noun_and_verb, payload, content_type = FORGERIES[case]
    name = f"forged-{list(FORGERIES).index(case)}"
    await provision_twin(served, name)
    subject = f"evt.{shard_of(name, served.settings.shards)}.{name}.budget"
    headers = {"Content-Type": content_type} if content_type else None
    async with connected(served) as bus:
        await bus.publish(command(name, *noun_and_verb), payload, reply=subject, headers=headers)
        await bus.publish(query(name, "budget"), b"", reply=subject)
        # Asked after them, over the same connection: answered after them.
        for question in QUESTIONS:
            await bus.request(query(name, question), b"", timeout=10)
        reply = await ask(bus, name, AUTHORIZE, json_of(authorize("honest")))
        assert msgspec.json.decode(reply.data, type=Decision).status == 200
    written = [headers for found, headers in await stored(served, name) if f".{name}." in found]
    assert all("Vito-Version" in headers for headers in written)


class Faulty:
    """A shard with a bug."""

    shard = 0

    def receive(self, tenant, waiter) -> None:
        raise ZeroDivisionError


async def test_a_fault_in_the_gate_is_answered_by_the_gate_and_not_by_the_library(served):
    """
    The library would send the fault's text wherever the requester likes.
    """
    heard = []
    async with connected(served, "unrestricted") as worker:
        outbox = Outbox(_Raw(worker))
        endpoints = ShardEndpoints(worker, outbox, Faulty(), "faulty")
        endpoints._shard.shard = 9
        await endpoints.start()
        await worker.subscribe("evt.9.>", cb=_into(heard))
        subject = "shard.9.cmd.cantor.budget.top_up"
        payload = json_of({"command_id": "a", "amount_nanos": 1})
        async with connected(served, "unrestricted") as anybody:
            await anybody.publish(subject, payload, reply="evt.9.cantor.budget")
            problem = problem_in(await anybody.request(subject, payload, timeout=10))
        await worker.flush()
        await endpoints.stop()
    assert (problem.status, problem.code) == (500, "internal_error")
    assert "ZeroDivision" not in problem.detail
    assert not heard


class _Raw:
    """A client of the library, with the one shortcut that the outbox uses."""

    def __init__(self, connection) -> None:
        self._connection = connection

    async def send(self, frames: bytes) -> None:
        await self._connection._send_command(frames)
        await self._connection._flush_pending()


def _into(heard: list):
    async def note(message) -> None:
        heard.append(message)

    return note


# -- discovery ------------------------------------------------------------------------------------


async def everybody(connection, subject: str) -> list[dict]:
    """Collect the answers of all services that there are."""
    answers: list[dict] = []
    inbox = connection.new_inbox()
    enough = asyncio.Event()

    async def note(message) -> None:
        answers.append(msgspec.json.decode(message.data))
        if len(answers) == 2:
            enough.set()

    await connection.subscribe(inbox, cb=note)
    await connection.publish(subject, b"", reply=inbox)
    await asyncio.wait_for(enough.wait(), 5)
    return answers


async def test_services_are_found_with_everything_a_caller_needs(served):
    """
    `nats micro ls` and `info` work, and say where to send what.
    """
    async with connected(served, "auditor") as bus:
        pings = await everybody(bus, f"$SRV.PING.{SERVICE}")
        infos = await everybody(bus, f"$SRV.INFO.{SERVICE}")
    assert {ping["metadata"]["shard"] for ping in pings} == {"0", "1"}
    for info in infos:
        assert info["metadata"]["worker"].startswith("worker-")
        sent_to = {endpoint["metadata"]["send_to"] for endpoint in info["endpoints"]}
        assert sent_to == {
            *(f"cmd.{{tenant}}.{noun}.{verb}" for noun, verb in NOUN_AND_VERB.values()),
            *(f"qry.{{tenant}}.{noun}.show" for noun in QUESTIONS),
        }
        for endpoint in info["endpoints"]:
            assert endpoint["subject"].startswith(f"shard.{info['metadata']['shard']}.")
            assert endpoint["metadata"]["schema"]


async def test_statistics_count_what_was_asked(served):
    """
    An operator sees from outside that a shard is served at all.
    """
    await provision_twin(served, "counted")
    async with connected(served) as bus:
        for number in range(3):
            await ask(bus, "counted", AUTHORIZE, json_of(authorize(f"c{number}")))
    async with connected(served, "auditor") as bus:
        stats = await everybody(bus, f"$SRV.STATS.{SERVICE}")
    shard = str(shard_of("counted", served.settings.shards))
    (own,) = [stat for stat in stats if stat["metadata"]["shard"] == shard]
    (asked,) = [e for e in own["endpoints"] if e["name"] == "budget-authorize"]
    assert asked["num_requests"] >= 3
    assert asked["num_errors"] == 0


async def test_a_client_may_not_ask_for_discovery(served):
    """
    The library answers discovery to any subject that is asked for.
    """
    refused = asyncio.Event()

    async def note(problem) -> None:
        if "permissions violation" in str(problem).lower():
            refused.set()

    async with connected(served) as bus:
        bus._error_cb = note
        await bus.publish("$SRV.INFO", b"", reply="evt.0.cantor.budget")
        await asyncio.wait_for(refused.wait(), 5)
