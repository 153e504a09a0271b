"""The sandbox's Tavus has the quirks of the real one, which is what adapters are built against."""

import pytest

from contracts.usage import Usage

CREATE = {"persona_id": "p1", "conversation_name": "one"}


async def made(tavus, **fields):
    status, body = await tavus("POST", "/v2/conversations", {**CREATE, **fields})
    assert status == 200
    return body["conversation_id"]


def billed(sandbox, ref):
    sandbox.reckon()
    return sandbox.ledger.bills("tavus")[ref].stream_ms


class TestBilling:
    async def test_it_bills_from_the_creation_whoever_joins(self, tavus, sandbox, clock):
        """Not from the join: the reason why an unused conversation must be ended."""
        ref = await made(tavus)
        clock.advance_ms(100_000)
        assert (await tavus("POST", f"/v2/conversations/{ref}/end"))[1] == b""
        clock.advance_ms(100_000)

        assert billed(sandbox, ref) == 100_000

    async def test_a_create_that_is_sent_twice_is_two_conversations(self, tavus, sandbox, clock):
        """There is no idempotency key, so a blind retry costs double."""
        refs = {await made(tavus) for _ in range(2)}
        clock.advance_ms(10_000)
        sandbox.reckon()

        assert len(refs) == 2
        assert sandbox.ledger.bill("tavus") == Usage(stream_ms=20_000)

    async def test_a_test_conversation_costs_nothing_and_is_ended(self, tavus, sandbox, clock):
        """As documented for test_mode."""
        ref = await made(tavus, test_mode=True)
        clock.advance_ms(10_000)

        assert (await tavus("GET", f"/v2/conversations/{ref}"))[1]["status"] == "ended"
        assert ref not in sandbox.ledger.bills("tavus")


class TestEndingByItself:
    async def test_nobody_came(self, tavus, sandbox, clock):
        """After participant_absent_timeout, 300 s by default."""
        ref = await made(tavus)
        clock.advance_ms(299_999)
        assert (await tavus("GET", f"/v2/conversations/{ref}"))[1]["status"] == "active"
        clock.advance_ms(10_000)
        _, shown = await tavus("GET", f"/v2/conversations/{ref}", query={"verbose": "true"})

        assert shown["status"] == "ended"
        (event,) = shown["events"]
        assert event["properties"]["shutdown_reason"] == "participant_absent_timeout"
        # When it ended, not when somebody looked.
        assert billed(sandbox, ref) == 300_000

    async def test_the_last_one_left(self, tavus, sandbox, clock):
        """After participant_left_timeout, at once by default."""
        ref = await made(tavus, properties={"participant_left_timeout": 5})
        vendor = sandbox.vendors["tavus"]
        assert vendor.join(ref)
        clock.advance_ms(400_000)
        assert vendor.leave(ref)
        clock.advance_ms(5_000)

        assert not vendor.join(ref)
        assert billed(sandbox, ref) == 405_000

    async def test_the_longest_call(self, tavus, sandbox, clock):
        """max_call_duration ends it whatever happens."""
        ref = await made(tavus, properties={"max_call_duration": 60})
        sandbox.vendors["tavus"].join(ref)
        clock.advance_ms(3_600_000)

        assert billed(sandbox, ref) == 60_000


class TestListing:
    async def test_it_pages_from_the_newest_and_filters_by_status(self, tavus):
        """limit (10), page (1), status; with total_count of what fits."""
        refs = [await made(tavus, conversation_name=f"n{n}") for n in range(12)]
        await tavus("POST", f"/v2/conversations/{refs[11]}/end")
        _, page = await tavus("GET", "/v2/conversations", query={"status": "active"})
        _, rest = await tavus("GET", "/v2/conversations", query={"status": "active", "page": 2})

        assert page["total_count"] == 11
        found = [one["conversation_id"] for one in page["data"] + rest["data"]]
        assert found == refs[10::-1]
        assert page["data"][0]["conversation_name"] == "n10"


class TestErrors:
    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ({}, 400),
            ({"persona_id": 3}, 400),
            ({**CREATE, "properties": {"max_call_duration": 3_601}}, 400),
            ({"pal_id": "p1", "face_id": "r1"}, 200),
        ],
    )
    async def test_what_a_create_wants(self, tavus, body, status):
        """Both spellings of persona and replica are read; 3,600 s is the longest."""
        found, said = await tavus("POST", "/v2/conversations", body)

        assert found == status
        assert status == 200 or said["error"]

    async def test_too_many_at_once_is_a_400(self, tavus, sandbox):
        """Not a 429: seen in the wild, and to be told from a wrong request."""
        sandbox.vendors["tavus"].concurrent_max = 1
        await made(tavus)
        status, body = await tavus("POST", "/v2/conversations", CREATE)

        assert status == 400
        assert body == {"message": "User has reached maximum concurrent conversations"}

    async def test_an_unknown_conversation_is_a_400(self, tavus):
        """Not a 404."""
        status, body = await tavus("POST", "/v2/conversations/nope/end")

        assert (status, body) == (400, {"error": "Invalid conversation_id"})

    async def test_ending_twice_is_fine(self, tavus, sandbox, clock):
        """And changes no bill."""
        ref = await made(tavus)
        clock.advance_ms(1_000)
        for _ in range(2):
            assert (await tavus("POST", f"/v2/conversations/{ref}/end"))[0] == 200
            clock.advance_ms(1_000)

        assert billed(sandbox, ref) == 1_000
