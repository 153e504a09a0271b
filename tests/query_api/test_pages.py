"""Pages put together are the whole, whatever is written meanwhile."""

import asyncio
import base64

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.query_api.cursors import Cursors
from services.query_api.problems import HttpProblem
from tests.query_api.conftest import PAGES_MAX
from tests.query_api.twins import Twin

CANTOR = "/v1/tenants/cantor"


@pytest.mark.parametrize("limit", [1, 2, 7, 39, 40, 41, 500])
async def test_pages_of_any_size_put_together_are_the_whole(api, limit):
    """Also where the last page is exactly full, or the only one."""
    whole = (await api.get(f"{CANTOR}/audit-log", params={"limit": 500})).json

    assert whole["next_cursor"] is None
    assert await api.pages(f"{CANTOR}/audit-log", limit=limit) == whole["items"]


async def test_pages_are_the_whole_while_rows_arrive(own_api, tables):
    """A reader sees everything that was there at the first page, once, in order."""
    twin, other = Twin("cantor"), Twin("fernandez")
    await tables.add(twin, twin.provision())
    await tables.add(other, other.provision())
    for _ in range(30):
        await tables.add(twin, twin.authorize(), twin.settle())
    there = list(reversed(twin.settled))
    done = asyncio.Event()

    async def write():
        while not done.is_set():
            await tables.add(twin, twin.authorize(), twin.settle())
            await tables.add(other, other.authorize(), other.settle())

    writer = asyncio.create_task(write())
    try:
        seen, positions, cursor = [], [], None
        for _ in range(PAGES_MAX):
            params = {"limit": 3} | ({"cursor": cursor} if cursor else {})
            page = (await own_api.get(f"{CANTOR}/audit-log", params=params)).json
            seen += [int(row["decision_id"].rpartition(".")[2]) for row in page["items"]]
            positions.append(page["position"])
            cursor = page["next_cursor"]
            if cursor is None:
                break
    finally:
        done.set()
        await writer

    assert cursor is None
    assert positions == sorted(positions)
    assert positions[-1] > positions[0], "nothing was written meanwhile: the test shows nothing"
    first = seen.index(there[0])
    assert seen[first:] == there
    assert seen == sorted(set(seen), reverse=True)


async def test_twins_that_appear_meanwhile_neither_shift_nor_repeat_a_page(own_api, tables):
    """Names arrive anywhere in the order, not only at its end."""
    before = [f"b-{number}" for number in range(6)]
    for name in before:
        await tables.add(Twin(name), Twin(name).provision())
    seen, cursor = [], None
    for late in ("a", "b-0a", "b-3a", "c"):
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await own_api.get("/v1/tenants", params=params)).json
        seen += [row["tenant"] for row in page["items"]]
        cursor = page["next_cursor"]
        await tables.add(Twin(late), Twin(late).provision())
        if cursor is None:
            break

    assert seen == sorted(set(seen))
    assert set(before) <= set(seen)


async def test_a_cursor_is_good_for_its_question_only(api):
    """With another filter it would skip rows in silence."""
    log = f"{CANTOR}/audit-log"
    cursor = (await api.get(log, params={"limit": 2})).json["next_cursor"]

    for path, params in (
        (log, {"provider_id": "openai"}),
        (log, {"from": "2026-01-01T00:00:00Z"}),
        (f"{CANTOR}/decisions", {}),
        (f"{CANTOR}/holds", {}),
        ("/v1/tenants/fernandez/audit-log", {}),
        ("/v1/tenants", {}),
    ):
        answer = await api.get(path, params=params | {"cursor": cursor})
        assert (answer.status, answer.json["code"]) == (400, "invalid_cursor"), path
    other_size = await api.get(log, params={"limit": 9, "cursor": cursor})
    assert other_size.status == 200


async def test_a_bent_cursor_is_refused(api):
    """It is the client's to keep and not to change."""
    log = f"{CANTOR}/audit-log"
    cursor = (await api.get(log, params={"limit": 2})).json["next_cursor"]
    raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    bent = [bytes([*raw[:at], raw[at] ^ 1, *raw[at + 1 :]]) for at in range(len(raw))]

    for candidate in [*bent, raw[:-1], raw[:16], raw[16:], raw + b" ", b"[1]"]:
        text = base64.urlsafe_b64encode(candidate).rstrip(b"=").decode()
        answer = await api.get(log, params={"cursor": text})
        assert (answer.status, answer.json["code"]) == (400, "invalid_cursor"), candidate


@given(cursor=st.text(max_size=64), secret=st.binary(min_size=1, max_size=32))
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_any_other_text_is_no_cursor(cursor, secret):
    """Whatever is sent, reading it never fails in another way."""
    with pytest.raises(HttpProblem):
        Cursors(secret).read("question", cursor, int)


@given(number=st.integers(-(2**63), 2**63 - 1), text=st.text(max_size=40))
def test_a_cursor_gives_back_what_was_put_in(number, text):
    """Any process with the same secret can go on where another one stopped."""
    written = Cursors(b"secret").write("question", (number, text))

    assert Cursors(b"secret").read("question", written, int, str) == (number, text)
    with pytest.raises(HttpProblem):
        Cursors(b"other").read("question", written, int, str)
