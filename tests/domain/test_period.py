"""Months: half-open, without gap or overlap, in any time zone, whatever clocks do."""

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest

from contracts.budget import PeriodOpened, RefusalsCounted
from domain import gate
from domain.period import month_after, month_at, zone
from tests.domain.world import DAY, HOUR, SECOND, Twin, policy

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def us(text: str, time_zone: str = "UTC", fold: int = 0) -> int:
    """Microseconds of a local time such as `2026-11-01T00:00`."""
    local = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(time_zone), fold=fold)
    return (local - EPOCH) // timedelta(microseconds=1)


def local(at_us: int, time_zone: str) -> str:
    moment = EPOCH + timedelta(microseconds=at_us)
    return moment.astimezone(ZoneInfo(time_zone)).replace(tzinfo=None).isoformat()


class TestMonth:
    @pytest.mark.parametrize(
        ("at", "label"),
        [
            ("2026-02-28T23:59:59.999999", "2026-02"),
            ("2026-03-01T00:00", "2026-03"),
            ("2028-02-29T12:00", "2028-02"),
            ("2026-12-31T23:59:59", "2026-12"),
            ("2027-01-01T00:00", "2027-01"),
            ("2026-01-31T23:00", "2026-01"),
        ],
    )
    def test_ends_at_midnight_of_the_first(self, at, label):
        """28, 29, 30 and 31 days; the last microsecond is in, the first of the next is not."""
        assert month_at(us(at), "UTC").label == label

    @pytest.mark.parametrize("time_zone", ["Europe/Madrid", "Asia/Beirut", "Pacific/Kiritimati"])
    def test_is_the_one_of_the_time_zone(self, time_zone):
        """The month of a twin in Madrid ends at midnight in Madrid."""
        end = us("2026-12-01T00:00", time_zone)

        assert month_at(end - 1, time_zone).label == "2026-11"
        assert month_at(end, time_zone).label == "2026-12"
        assert month_at(end - 1, time_zone).ends_us == end

    def test_with_a_clock_change_is_an_hour_shorter_or_longer(self):
        """March and October are not 31 days of 24 hours in Madrid."""
        march = month_at(us("2026-03-10T00:00"), "Europe/Madrid")
        october = month_at(us("2026-10-10T00:00"), "Europe/Madrid")

        assert march.ends_us - march.starts_us == 31 * DAY - HOUR
        assert october.ends_us - october.starts_us == 31 * DAY + HOUR

    @pytest.mark.parametrize(
        ("time_zone", "first", "shown"),
        [
            # The clock goes from 23:59:59 to 01:00:00: there is no midnight.
            ("America/Asuncion", "2017-10-01T00:00", "2017-10-01T01:00:00"),
            ("Asia/Amman", "2011-04-01T00:00", "2011-04-01T01:00:00"),
            ("Asia/Damascus", "2005-04-01T00:00", "2005-04-01T01:00:00"),
        ],
    )
    def test_begins_when_the_clock_skips_its_midnight(self, time_zone, first, shown):
        """A midnight that does not exist must not leave a gap."""
        month = month_at(us(first, time_zone) + SECOND, time_zone)

        assert local(month.starts_us, time_zone) == shown
        assert month_at(month.starts_us - 1, time_zone).ends_us == month.starts_us
        assert local(month.starts_us - 1, time_zone).endswith("T23:59:59.999999")

    @pytest.mark.parametrize(
        ("time_zone", "first"),
        [
            # 00:01 goes back to 23:01 of the day before: the old month is shown once more.
            ("America/St_Johns", "2009-11-01T00:00"),
            # 01:00 goes back to 00:00: the first of two midnights counts.
            ("America/Havana", "2026-11-01T00:00"),
        ],
    )
    def test_begins_once_when_its_midnight_comes_twice(self, time_zone, first):
        """Otherwise the month would begin, end, and begin with a new limit."""
        starts = us(first, time_zone, fold=0)
        labels = {month_at(starts + minute * 60 * SECOND, time_zone).label for minute in range(180)}

        assert month_at(starts - 1, time_zone).label == "2009-10" or time_zone != "America/St_Johns"
        assert len(labels) == 1
        assert month_at(starts, time_zone).starts_us == starts

    def test_history_of_midnight_changes_in_sao_paulo(self):
        """Its clocks changed at midnight for decades; no month may gain or lose an instant."""
        at = us("1985-01-15T00:00")
        while at < us("2020-01-01T00:00"):
            month = month_at(at, "America/Sao_Paulo")
            assert month.starts_us <= at < month.ends_us
            assert month_at(month.ends_us, "America/Sao_Paulo").starts_us == month.ends_us
            at = month.ends_us

    def test_of_every_zone_contains_its_instants_and_adjoins_the_next(self):
        """All zones, around every first of the month for a year: no gap, no overlap."""
        around = [offset * SECOND for offset in (-3_600, -1, 0, 1_800, 3_600)]
        for time_zone in sorted(available_timezones()):
            if zone(time_zone) is None:
                continue
            month = month_at(us("2023-12-15T00:00"), time_zone)
            for _ in range(14):
                following = month_after(month.label, time_zone)
                assert following.starts_us == month.ends_us, time_zone
                for at in (following.starts_us + offset for offset in around):
                    found = month_at(at, time_zone)
                    assert found.starts_us <= at < found.ends_us, time_zone
                month = following


class TestZone:
    @pytest.mark.parametrize(
        "name", ["Mars/Olympus", "", "../../etc/passwd", "Europe", "/etc/localtime", "a\0b"]
    )
    def test_that_is_none_is_not_found(self, name):
        """A name from a policy reaches the file system; it must stay among the zones."""
        assert zone(name) is None


class TestOpening:
    def test_the_first_month_begins_with_the_calendar(self):
        """Meters of a twin that was made on the 10th are of the whole month."""
        opened = Twin().log[3]

        assert isinstance(opened, PeriodOpened)
        assert (opened.period, opened.starts_us, opened.ends_us) == (
            "2026-11",
            us("2026-11-01T00:00"),
            us("2026-12-01T00:00"),
        )

    def test_a_new_month_brings_the_whole_limit(self):
        """No job resets anything: the first decision of a month opens it."""
        twin = Twin(policy(limit=100))
        twin.settle(twin.authorize(100), 100)
        twin.now_us = us("2026-12-01T00:00") - 1
        assert twin.authorize(1).code == "monthly_hard_limit_reached"

        twin.now_us += 1

        assert twin.authorize(100).period == "2026-12"

    def test_months_without_a_decision_are_left_out(self):
        """A twin that sleeps a year does not write twelve events when it wakes."""
        twin = Twin()

        opened = [e for e in twin.pass_time(400 * DAY) if isinstance(e, PeriodOpened)]

        assert [e.period for e in opened] == ["2027-12"]
        assert opened[0].starts_us == us("2027-12-01T00:00")


def opened_periods(twin: Twin) -> list[PeriodOpened]:
    return [event for event in twin.log if isinstance(event, PeriodOpened)]


class TestChangeOfTimeZone:
    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("Europe/Madrid", "America/New_York"),
            ("America/New_York", "Europe/Madrid"),
            ("Pacific/Kiritimati", "Pacific/Pago_Pago"),
            ("Pacific/Pago_Pago", "Pacific/Kiritimati"),
            ("UTC", "Asia/Kathmandu"),
        ],
    )
    def test_leaves_no_gap_and_no_overlap(self, before, after):
        """The month in force ends as announced; the next begins there and ends in the new zone."""
        twin = Twin(policy(time_zone=before), now_us=us("2026-11-10T12:00"))
        twin.set_policy(policy(time_zone=after))

        for _ in range(3 * 31 * 8):
            twin.pass_time(3 * HOUR)

        periods = opened_periods(twin)
        assert [p.period for p in periods] == ["2026-11", "2026-12", "2027-01", "2027-02"]
        for one, following in itertools.pairwise(periods):
            assert following.starts_us == one.ends_us
        assert periods[0].ends_us == us("2026-12-01T00:00", before)
        assert periods[1].ends_us == us("2027-01-01T00:00", after)

    def test_brings_no_second_limit_for_the_hours_between(self):
        """Moving a twin west near a month's end must not double what it may spend."""
        twin = Twin(policy(limit=100, time_zone="Europe/Madrid"))
        twin.settle(twin.authorize(100), 100)
        twin.set_policy(policy(limit=100, time_zone="America/New_York"))
        twin.now_us = us("2026-12-01T00:00", "Europe/Madrid")

        granted = twin.authorize(100)
        twin.settle(granted, 100)
        twin.now_us = us("2026-12-01T00:00", "America/New_York")

        assert granted.period == "2026-12"
        assert twin.authorize(1).code == "monthly_hard_limit_reached"

    def test_again_and_again_brings_no_second_limit_either(self):
        """The same, for somebody who tries every day of the month."""
        zones = ["Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC", "Asia/Tokyo"]
        twin = Twin(policy(limit=10, time_zone="UTC"))
        for day in range(100):
            twin.pass_time(DAY)
            twin.set_policy(policy(limit=10, time_zone=zones[day % 4]))
            twin.authorize(1, ttl_ms=86_400_000)

        periods = opened_periods(twin)
        assert [p.period for p in periods] == ["2026-11", "2026-12", "2027-01", "2027-02"]
        for one, following in itertools.pairwise(periods):
            assert following.starts_us == one.ends_us

    def test_a_repeated_midnight_opens_one_month(self):
        """St. John's in 2009 showed October again after November began."""
        first = us("2009-11-01T00:00", "America/St_Johns")
        twin = Twin(policy(time_zone="America/St_Johns"), now_us=first - HOUR)
        for _ in range(30):
            twin.pass_time(10 * 60 * SECOND)

        assert [p.period for p in opened_periods(twin)] == ["2009-10", "2009-11"]


class TestClockSteppingBack:
    def test_never_grants_more(self):
        """An hour back must bring neither the old month's rest nor leaked tokens nor live holds."""
        twin = Twin(policy(limit=100), now_us=us("2026-11-30T23:59:59"))
        twin.settle(twin.authorize(40), 40)
        twin.pass_time(2 * SECOND)
        twin.settle(twin.authorize(100), 100)

        twin.now_us -= HOUR

        refused = twin.authorize(1)
        assert refused.code == "monthly_hard_limit_reached"
        assert refused.at_us == us("2026-12-01T00:00:01")
        assert [p.period for p in opened_periods(twin)] == ["2026-11", "2026-12"]

    def test_is_not_seen_by_the_state(self):
        """Should a log ever hold an earlier time after a later one, decisions do not go back."""
        twin = Twin()
        latest = twin.pass_time(SECOND) or twin.authorize(1).at_us

        gate.evolve(twin.state, RefusalsCounted(latest - HOUR, latest - HOUR, latest, {}, 0))

        assert twin.state.clock_us == latest
