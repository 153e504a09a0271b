"""What every vendor of the sandbox gets from its frame: keys, faults, the ledger, the clock."""

import asyncio

import aiohttp
import pytest

from contracts.usage import Usage
from services.sandbox.clock import HandClock
from services.sandbox.faults import FAULTS_MAX, Fault, Faults, TooManyFaults
from services.sandbox.ledger import Ledger
from services.sandbox.server import PortTaken, Sandbox

CREATE = {"persona_id": "p1"}


class TestKeys:
    async def test_an_unknown_key_gets_the_vendors_own_words(self, tavus, sandbox):
        """And is counted, with no more of it than its last four characters."""
        status, body = await tavus("POST", "/v2/conversations", CREATE, key="stolen-key-1234")

        assert (status, body) == (401, {"message": "Invalid access token"})
        (call,) = sandbox.ledger.calls("tavus")
        assert (call.status, call.is_billed, call.key_last_four) == (401, False, "1234")

    async def test_a_test_may_give_each_customer_a_key(self, http):
        """Two twins with a key each can be told apart."""
        async with Sandbox(keys={"tavus": ["of-cantor"]}) as sandbox:
            url = f"{sandbox.base_url('tavus')}/v2/conversations"
            for key in ("of-cantor", "sandbox-tavus"):
                async with http.get(url, headers={"x-api-key": key}) as response:
                    assert response.status == 200


class TestFaults:
    async def test_a_status_is_said_in_the_vendors_words_and_nothing_is_done(self, tavus, sandbox):
        """A vendor that fails has made nothing."""
        sandbox.faults.add(
            Fault(
                vendor="tavus",
                operation="conversation.create",
                kind="status",
                status=429,
                headers={"Retry-After": "7"},
                times=1,
            )
        )
        assert (await tavus("POST", "/v2/conversations", CREATE))[0] == 429
        assert sandbox.ledger.bill("tavus") == Usage()
        # Used up.
        assert (await tavus("POST", "/v2/conversations", CREATE))[0] == 200
        assert sandbox.faults.listed() == []

    @pytest.mark.parametrize(("at", "made"), [("before", 0), ("after", 1)])
    async def test_a_connection_is_cut_before_or_after_the_work(self, tavus, sandbox, at, made):
        """The second is the cruel one: the answer is lost and the bill is not."""
        sandbox.faults.add(Fault(vendor="tavus", kind="drop", at=at, times=1))
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await tavus("POST", "/v2/conversations", CREATE)

        assert len(sandbox.vendors["tavus"].active) == made
        (call,) = sandbox.ledger.calls("tavus")
        assert (call.status, call.is_billed) == (0, bool(made))

    async def test_a_slow_vendor_takes_the_clocks_time(self, tavus, sandbox, clock):
        """So that no test waits for it."""
        sandbox.faults.add(Fault(vendor="tavus", kind="slow", delay_ms=60_000, times=1))
        asked = asyncio.ensure_future(tavus("GET", "/v2/conversations"))
        while not clock._sleepers:  # noqa: ASYNC110 - the sandbox has no event of ours
            await asyncio.sleep(0)
        assert not asked.done()
        clock.advance_ms(60_000)

        assert (await asked)[0] == 200

    def test_chance_repeats_with_its_seed(self):
        """A run with random faults can be run again."""

        def struck(seed):
            faults = Faults()
            faults.add(Fault(vendor="tavus", kind="drop", probability=0.3, seed=seed))
            return [faults.strike("tavus", "x") is not None for _ in range(200)]

        assert struck(7) == struck(7) != struck(8)
        assert 30 < sum(struck(7)) < 90

    def test_they_are_bounded(self):
        """Nothing grows for ever in a server that runs for weeks."""
        faults = Faults()
        for _ in range(FAULTS_MAX):
            faults.add(Fault(vendor="tavus", kind="drop"))
        with pytest.raises(TooManyFaults):
            faults.add(Fault(vendor="tavus", kind="drop"))


class TestControl:
    async def test_faults_are_set_and_cleared_over_http(self, http, sandbox, tavus):
        """From another process, as people do."""
        url = f"{sandbox.url}/_sandbox/faults"
        fault = {"vendor": "tavus", "kind": "status", "status": 503}
        async with http.post(url, json=fault) as response:
            assert response.status == 201
        assert (await tavus("GET", "/v2/conversations"))[0] == 503
        async with http.delete(url) as response:
            assert response.status == 204
        assert (await tavus("GET", "/v2/conversations"))[0] == 200

    @pytest.mark.parametrize(
        "wrong",
        [{"vendor": "nobody", "kind": "drop"}, {"vendor": "tavus"}, {"kind": 3}, {"x": 1}],
    )
    async def test_a_wrong_fault_is_refused(self, http, sandbox, wrong):
        """With what is wrong with it; a fault that never strikes would be believed to have."""
        async with http.post(f"{sandbox.url}/_sandbox/faults", json=wrong) as response:
            assert response.status == 422
            assert (await response.json())["error"]

    async def test_the_ledger_is_read_over_http(self, http, sandbox, tavus, clock):
        """Calls, counters and bills, brought up to the moment."""
        _, made = await tavus("POST", "/v2/conversations", CREATE)
        clock.advance_ms(90_000)
        ref = made["conversation_id"]

        async with http.get(f"{sandbox.url}/_sandbox/bills", params={"vendor": "tavus"}) as said:
            assert (await said.json())["bills"][ref]["stream_ms"] == 90_000
        async with http.get(f"{sandbox.url}/_sandbox/calls") as said:
            (call,) = (await said.json())["calls"]
            assert (call["operation"], call["ref"]) == ("conversation.create", ref)
        async with http.get(f"{sandbox.url}/_sandbox/counters") as said:
            (count,) = (await said.json())["counters"]
            assert (count["vendor"], count["status"], count["calls"]) == ("tavus", 200, 1)


class TestLedger:
    def test_what_leaves_it_stays_in_the_sums(self):
        """A long run must not forget what it cost."""
        ledger = Ledger(calls_kept=2)
        for _ in range(5):
            call = ledger.open("tavus", "conversation.create", 0)
            call.is_billed, call.usage = True, Usage(stream_ms=1_000)
            ledger.close(call, 200)

        assert len(list(ledger.calls())) == 2
        assert ledger.bill("tavus") == Usage(stream_ms=5_000)
        assert ledger.count("tavus") == 5


async def test_a_taken_port_is_said_with_its_remedy(sandbox):
    """Not a traceback."""
    with pytest.raises(PortTaken, match="--port"):
        await Sandbox(int(sandbox.url.rpartition(":")[2])).__aenter__()


async def test_sleepers_wake_in_order():
    """The clock of the tests is what the order of faults rests on."""
    clock, woken = HandClock(), []

    async def sleep(for_ms):
        await clock.sleep_ms(for_ms)
        woken.append(for_ms)

    tasks = [asyncio.ensure_future(sleep(for_ms)) for for_ms in (30, 10, 20)]
    await asyncio.sleep(0)
    clock.advance_ms(25)
    await asyncio.wait(tasks[1:])
    assert woken == [10, 20]
    clock.advance_ms(5)
    await asyncio.wait(tasks)
    assert woken == [10, 20, 30]
