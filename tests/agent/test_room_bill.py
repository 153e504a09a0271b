"""The room is paid for while it lasts, by everybody who is in it, in begun minutes."""

import pytest

from services.agent import room_bill
from services.agent.twin_session import NotHeld
from services.twins.prices import LIVEKIT_ROOM
from services.vendors.face.livekit import LiveKitAdapter
from services.vendors.outbound import Outbound
from services.vendors.reconciliation import Product, Reconciler
from services.vendors.session_name import parse
from tests.agent.talking import PAID_ROOM_BOOK, SHORT, rules, talking, until
from tests.agent.visiting import ROOM, visit

MINUTE_NANOS = 500_000


async def test_a_room_is_marked_held_for_and_booked_by_who_was_in_it(served):
    """Two for a begun minute each; it is a leg of what the session costs."""
    async with talking(served, "bill-room", book=PAID_ROOM_BOOK) as twin, visit(twin) as visit_:
        mark = parse(visit_.server.rooms[ROOM].info.metadata)
        assert mark.tenant == "bill-room"
        assert (await twin.books()).open_holds == 1
        await visit_.held.aclose("user_exit")
        assert visit_.server.rooms == {}
        assert await twin.settled() == 2 * MINUTE_NANOS
        assert visit_.held._bill.receipt.cost_nanos == 2 * MINUTE_NANOS


async def test_without_money_for_the_room_nothing_is_held_and_everybody_is_out(served):
    """Nobody sits in a room that nobody pays for."""
    async with talking(served, "bill-none", book=PAID_ROOM_BOOK, limit_nanos=1_000) as twin:
        with pytest.raises(NotHeld, match=r"monthly_hard_limit_reached|twin_sleeping"):
            async with visit(twin):
                raise AssertionError("it was held")
        assert (await twin.session()).status == "ended"
        assert await twin.settled() == 0


async def test_when_the_next_minute_is_refused_the_conversation_ends(served, monkeypatch):
    """With what is left of the minute that was paid for."""
    monkeypatch.setattr(room_bill, "MINUTE_MS", 1_500)
    monkeypatch.setattr(room_bill, "AHEAD_MS", 500)
    async with talking(served, "bill-end", book=PAID_ROOM_BOOK) as twin, visit(twin) as visit_:
        await twin.gate.set_policy(rules(modalities=["text"], ladder=["text"]))
        await visit_.held.wait()
        assert (await twin.session()).status == "ended"
        assert visit_.server.rooms == {}
        assert await twin.settled() >= 2 * MINUTE_NANOS


async def test_a_room_whose_hold_ran_out_is_found_by_its_mark_ended_and_booked(served):
    """As after the death of the process that paid for it."""
    async with talking(served, "bill-lost", book=PAID_ROOM_BOOK) as twin, visit(twin) as visit_:
        reservation = parse(visit_.server.rooms[ROOM].info.metadata).reservation_id
        # The hold is over, and nobody renews it.
        visit_.held._bill._renewing.cancel()
        assert (await twin.gate.release(reservation, "its process died")).status == 200
        http = visit_.server.url.replace("ws", "http")
        async with Outbound(http) as outbound:
            adapter = LiveKitAdapter("livekit", outbound)
            product = Product("data", LIVEKIT_ROOM.sku)
            report = await Reconciler(twin.gate, adapter, product, grace_ms=0).run()
        assert [one.ref for one in report.findings] == [ROOM]
        await until(visit_.visitor.out.is_set)
        assert visit_.server.rooms == {}
        visit_.held._bill = None
        await visit_.held.aclose("error")


async def test_a_twin_that_pays_for_no_rooms_is_in_one_all_the_same(served):
    """Its deployment pays for them."""
    async with talking(served, "bill-free") as twin, visit(twin) as visit_:
        assert visit_.held._bill is None
        await visit_.visitor.write(SHORT)
        await until(lambda: visit_.visitor.read)
