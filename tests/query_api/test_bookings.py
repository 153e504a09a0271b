"""What reconciliation reads before it books without a hold, from the real query API."""

from datetime import datetime

from services.client.read_side import ReadSide
from services.vendors.reconciling import AuditLogBookings
from tests.query_api.conftest import KEY


async def test_a_providers_bookings_since_a_time_are_those_of_the_audit_log(api):
    """All of them, none of others: what is missing here would be booked a second time."""
    rows = await api.pages("/v1/tenants/cantor/audit-log")
    providers = {row["provider_id"] for row in rows}
    middle = sorted(row["occurred_at"] for row in rows)[len(rows) // 2]
    since_us = int(datetime.fromisoformat(middle).timestamp()) * 1_000_000
    async with ReadSide(api.url, KEY) as read_side:
        bookings = AuditLogBookings(read_side)
        for provider in providers:
            found = await bookings.since("cantor", provider, 0, position=1)
            wanted = [row for row in rows if row["provider_id"] == provider]
            assert [one.reservation_id for one in found] == [r["reservation_id"] for r in wanted]
            assert [one.stream_ms for one in found] == [row["stream_ms"] for row in wanted]
            later = await bookings.since("cantor", provider, since_us, position=1)
            assert {one.reservation_id for one in later} >= {
                row["reservation_id"] for row in wanted if row["occurred_at"] >= middle
            }
            assert len(later) < len(found) or len(found) < 2


async def test_every_twin_is_named_once(api):
    """Over all pages: a twin that is left out is not reconciled."""
    rows = await api.pages("/v1/tenants")
    async with ReadSide(api.url, KEY) as read_side:
        assert await read_side.tenants() == [row["tenant"] for row in rows]
