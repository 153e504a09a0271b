"""The client against real rules on a real nats-server."""

import asyncio
from collections import Counter

import pytest

from contracts.usage import Usage
from contracts.views import VIEWS
from services.client import CannotVerify, GateClient, MalformedCommand
from services.client.patience import Patience
from tests.client.twin import BOOK, CENT, ask, authorize, policy, provision


class TestCommands:
    async def test_authorize_and_settle_move_money_from_held_to_committed(self, client, fake_gate):
        """The two commands that everything else is built on."""
        decision = await authorize(client)
        receipt = await client.settle(decision.reservation_id, Usage(requests=1))

        assert (decision.decision, decision.status, decision.held_nanos) == ("PASS", 200, CENT)
        assert (receipt.status, receipt.cost_nanos, receipt.held_nanos) == (200, CENT, 0)
        assert fake_gate.totals("cantor").committed_nanos == CENT

    async def test_no_hold_lasts_longer_than_its_client_has_them(self, client):
        """So long is money away when the process dies, whatever a call asked for."""
        client.hold_ms_max = 5_000
        at_us = client.timing.wall_us()

        first = await authorize(client, ttl_ms=600_000)
        more = await client.extend(first.reservation_id, Usage(requests=1), ttl_ms=600_000)
        (many,) = await client.for_tenant("cantor").authorize_many([ask(ttl_ms=600_000)])

        for decision in (first, more, many):
            assert decision.status == 200
            assert decision.expires_at_us - at_us < 60_000_000

    async def test_every_verb_is_answered(self, client):
        """A verb whose subject or struct is misspelt would never be answered."""
        decision = await authorize(client)
        extended = await client.extend(decision.reservation_id, Usage(requests=2))

        assert (extended.code, extended.held_nanos) == ("extended", 3 * CENT)
        assert (await client.release(decision.reservation_id)).code == "released"
        assert (await client.top_up(5 * CENT)).code == "topped_up"
        assert (await client.set_policy(policy(), expected_version=1)).version == 2
        assert (await client.set_price_book(BOOK)).version == 2
        assert (await client.suspend()).code == "suspended"
        assert (await authorize(client)).code == "twin_suspended"
        assert (await client.resume()).code == "resumed"
        assert (await client.suspend(asleep=True)).code == "suspended"
        assert (await authorize(client)).code == "twin_sleeping"

    @pytest.mark.parametrize("view", VIEWS.values())
    async def test_every_view_is_shown(self, client, view):
        """What the gate sees now, typed as the contract says."""
        assert (await client.show(view)).tenant == "cantor"

    async def test_a_refusal_is_returned_and_not_raised(self, client):
        """402 is an answer: callers branch on it."""
        decision = await authorize(client, estimate=Usage(requests=10_000))

        assert (
            decision.decision,
            decision.status,
            decision.code,
        ) == ("DENY", 402, "monthly_hard_limit_reached")
        assert decision.retry_after_ms is None

    async def test_a_malformed_command_is_raised_with_the_field_and_not_repeated(
        self, client, fake_gate
    ):
        """Repeating it could not help, and the field is what the developer needs."""
        with pytest.raises(MalformedCommand, match="ttl_ms") as caught:
            await authorize(client, ttl_ms=1)

        assert caught.value.problem.status == 400
        assert fake_gate.heard == []

    async def test_messagepack_means_the_same(self, own_nats, fake_gate):
        """The encoding is chosen by content type and must not change a decision."""
        async with GateClient.connect(
            own_nats.url_for("client"), tenant="cantor", encoding="msgpack"
        ) as gate:
            await provision(gate)
            decision = await authorize(gate)
            with pytest.raises(MalformedCommand):
                await authorize(gate, ttl_ms=1)

        assert (decision.decision, decision.held_nanos) == ("PASS", CENT)

    async def test_tenants_share_a_connection_but_not_their_money(self, client, fake_gate):
        """One process serves many twins over one connection."""
        other = client.for_tenant("fernandez")
        await provision(other)
        await authorize(other)

        assert fake_gate.totals("cantor").held_nanos == 0
        assert fake_gate.totals("fernandez").held_nanos == CENT


class TestRetries:
    async def test_a_lost_reply_is_asked_for_again_with_the_same_id(self, client, fake_gate):
        """The decision was taken: asking with a new id would hold the money twice."""
        fake_gate.faults.append("lost")
        decision = await authorize(client)

        first, second = fake_gate.heard
        assert first == second
        assert decision.replayed
        assert fake_gate.totals("cantor").held_nanos == CENT

    async def test_503_cannot_verify_is_asked_again_with_the_same_id(self, client, fake_gate):
        """The gate itself says that the same command gets the one true answer."""
        fake_gate.faults.append("503")
        decision = await authorize(client)

        assert decision.status == 200
        assert len(fake_gate.heard) == 1

    async def test_only_the_unanswered_of_a_list_are_asked_again(self, client, fake_gate):
        """A list may be answered in part; what was decided must keep its answer and its order."""
        fake_gate.faults += ["503", "lost"]
        commands = [ask(command_id=f"c{number}") for number in range(10)]
        decisions = await client.authorize_many(commands)

        assert [c.command_id for c in commands] == [d.command_id for d in decisions]
        assert fake_gate.totals("cantor").held_nanos == 10 * CENT
        heard = Counter(command.command_id for command in fake_gate.heard)
        assert {f"c{number}": 1 if number < 5 else 2 for number in range(10)} == heard

    async def test_256_commands_fit_in_one_message_and_257_do_not(self, client):
        """The bound is part of the contract; beyond it the gate would refuse the whole list."""
        decisions = await client.authorize_many([ask() for _ in range(256)])

        assert {200} == {decision.status for decision in decisions}
        with pytest.raises(ValueError, match="256"):
            await client.authorize_many([ask() for _ in range(257)])

    async def test_nobody_listening_ends_in_cannot_verify_at_the_deadline(self, own_nats):
        """Fail closed: without a gate no vendor may be called."""
        patience = Patience(deadline_s=0.3)
        async with GateClient.connect(
            own_nats.url_for("client"), tenant="cantor", patience=patience
        ) as gate:
            with pytest.raises(CannotVerify, match="nobody serves") as caught:
                await authorize(gate, command_id="mine")

        assert (caught.value.status, caught.value.command_id) == (503, "mine")
        assert caught.value.attempts > 1

    async def test_silence_ends_in_cannot_verify_at_the_deadline(self, client, fake_gate):
        """A paused worker neither answers nor refuses."""
        fake_gate.faults += ["lost"] * 100
        client.patience = Patience(deadline_s=0.3, attempt_s=0.1)
        with pytest.raises(CannotVerify, match="no reply"):
            await authorize(client)

    async def test_a_server_that_restarts_is_found_again(self, own_nats, fake_gate, client):
        """A kill -9 of the bus must cost a client a delay and nothing else."""
        own_nats.kill()
        asking = asyncio.create_task(authorize(client))
        await own_nats.start()
        # The gate's own connection comes back by itself as well.
        decision = await asking

        assert decision.status == 200


class TestConnect:
    async def test_no_server_is_said_so_within_the_time_given(self):
        """A wrong address must not hang a service's start."""
        with pytest.raises(ConnectionError, match="No connection to the bus"):
            async with GateClient.connect("nats://127.0.0.1:1", tenant="cantor", connect_s=0.2):
                pass

    async def test_a_wrong_password_is_said_so(self, own_nats):
        """The operator must learn that it is the login, and not see it."""
        with pytest.raises(ConnectionError) as caught:
            async with GateClient.connect(
                own_nats.url, tenant="cantor", user="client", password="hunter2", connect_s=2
            ):
                pass

        assert "authorization" in str(caught.value).lower()
        assert "hunter2" not in str(caught.value)
