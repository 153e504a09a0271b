"""Reading what the projections show: wait for them, page through them, and give up in time."""

import msgspec
import pytest
from aiohttp import web

from services.client.read_side import PAGE_ENTRIES, ReadSide, ReadSideProblem

ENTRY = {
    "decision_id": "cantor.2",
    "reservation_id": "cantor.1",
    "provider_id": "acme",
    "sku": "calls",
    "outcome": "completed",
    "stream_ms": 0,
    "minute_units": "0",
    "cost_amount": "0.010000000",
    "cost_nanos": 10_000_000,
    "currency": "USD",
    "vendor_ref": None,
    "unknown_to_us": True,
}


class Api:
    """Answers what the test says, in order, and keeps what it was asked."""

    def __init__(self):
        self.answers = []
        self.asked = []

    async def answer(self, request):
        self.asked.append((request.path, dict(request.query), request.headers["Authorization"]))
        status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return web.Response(status=status, body=msgspec.json.encode(body))


@pytest.fixture
async def api():
    found = Api()
    app = web.Application()
    app.router.add_get("/{path:.*}", found.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


def page(*, cursor=None, entries=1):
    return 200, {"tenant": "t", "position": 9, "items": [ENTRY] * entries, "next_cursor": cursor}


class TestReading:
    async def test_a_read_side_that_lags_is_asked_again(self, api):
        """The writer is ahead by design; 503 and a twin that is not known yet mean: soon."""
        api.answers = [(404, {}), (503, {}), page()]
        async with ReadSide(api.url, "key") as read_side:
            entries = await read_side.audit_log("cantor", position=9)

        assert [entry.cost_nanos for entry in entries] == [10_000_000]
        query = {"limit": str(PAGE_ENTRIES), "min_position": "9"}
        assert api.asked == [("/v1/tenants/cantor/audit-log", query, "Bearer key")] * 3

    async def test_all_pages_are_read(self, api):
        """An audit that stops at the first page proves nothing."""
        api.answers = [page(cursor="a", entries=2), page(cursor="b", entries=2), page()]
        async with ReadSide(api.url, "key") as read_side:
            entries = await read_side.audit_log("cantor", position=9)

        assert len(entries) == 5
        assert [query.get("cursor") for _, query, _ in api.asked] == [None, "a", "b"]

    async def test_it_gives_up_at_the_deadline_and_says_why(self, api):
        """A projector that has stopped must not hang who waits for it."""
        api.answers = [(503, {"code": "position_not_reached"})]
        async with ReadSide(api.url, "key", deadline_s=0.3) as read_side:
            with pytest.raises(ReadSideProblem, match="position_not_reached"):
                await read_side.meters("cantor", position=9)

    async def test_a_refused_key_is_said_at_once(self, api):
        """Asking again would not help."""
        api.answers = [(401, {"code": "key_refused"})]
        async with ReadSide(api.url, "key") as read_side:
            with pytest.raises(ReadSideProblem, match="key_refused"):
                await read_side.meters("cantor", position=9)

        assert len(api.asked) == 1

    async def test_a_server_that_is_away_is_waited_for(self):
        """It may be restarting; but only until the deadline."""
        async with ReadSide("http://127.0.0.1:1", "key", deadline_s=0.3) as read_side:
            with pytest.raises(ReadSideProblem, match=r"for 0\.3 s"):
                await read_side.meters("cantor", position=9)


class TestVersions:
    ROW = {
        "version": 2, "base_version": 1, "active": True, "actor": "ana", "note": None,
        "occurred_at": "2026-11-22T14:05:27Z", "decision_id": "cantor.3", "changed_position": 3,
    }  # fmt: skip

    async def test_versions_are_listed_as_of_a_position(self, api):
        """Somebody who has just saved one must see it."""
        api.answers = [(200, {"position": 9, "items": [self.ROW], "next_cursor": None})]
        async with ReadSide(api.url, "key") as read_side:
            prompts = await read_side.prompt_versions("cantor", 20, position=9)
            topics = await read_side.topics_versions("cantor", 5, position=9)

        assert [(row.version, row.active, row.actor) for row in (*prompts, *topics)] == [
            (2, True, "ana")
        ] * 2
        assert [(path, query) for path, query, _ in api.asked] == [
            ("/v1/tenants/cantor/prompt/versions", {"limit": "20", "min_position": "9"}),
            ("/v1/tenants/cantor/topics/versions", {"limit": "5", "min_position": "9"}),
        ]

    async def test_one_version_with_its_variables_and_what_it_changes(self, api):
        """What `vito prompt diff` prints, and what a new version keeps."""
        whole = {
            **self.ROW,
            "text": "Hola {{user_name}}",
            "variables": [{"name": "user_name", "required": True}],
            "compared_with": 1,
            "diff": ["-Adiós"],
        }
        api.answers = [(200, whole)]
        async with ReadSide(api.url, "key") as read_side:
            found = await read_side.prompt_version("cantor", 2, position=9, against=1)

        assert (found.text, found.diff) == ("Hola {{user_name}}", ["-Adiós"])
        assert found.variables[0].required
        assert api.asked[0][1] == {"against": "1", "min_position": "9"}

    async def test_a_version_that_is_not_there_is_said_at_once(self, api):
        """Waiting for it, as for a twin that is new, would help nobody."""
        problem = {"code": "version_unknown", "detail": "There is no version 9.", "remedy": "List."}
        api.answers = [(404, problem)]
        async with ReadSide(api.url, "key") as read_side:
            with pytest.raises(ReadSideProblem) as refused:
                await read_side.prompt_version("cantor", 9, position=1)

        assert (refused.value.message, refused.value.remedy) == ("There is no version 9.", "List.")
        assert len(api.asked) == 1
