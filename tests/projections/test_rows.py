"""What each event becomes, shown in the public views of a real database."""

from datetime import timedelta
from decimal import Decimal

import pytest

from contracts.budget import RefusalsCounted
from contracts.policy import SetPolicy
from contracts.price_book import PriceBookSet, SetPriceBook
from contracts.tenant import ResumeTenant, SuspendTenant
from contracts.twin import Refinement, RefineTwin, RetireTwin
from tests.projections.twin_story import (
    SECOND_US,
    START_US,
    TwinStory,
    policy,
    price_book,
    replaced,
)
from tests.projector.read_side import connected, prepared, project, rows


@pytest.fixture
async def read_side(database):
    async with connected(await prepared(database)) as projector, connected(database) as owner:

        async def show(story: TwinStory, query: str) -> list[tuple]:
            await project(projector, [story.opened()])
            return await rows(owner, query)

        yield show


class TestAuditLog:
    async def test_has_one_row_with_cost_and_provider_for_a_minute_of_video(self, read_side):
        """EV-04 of the requirements: exactly one entry, with the right cost and provider."""
        story = TwinStory()
        story.do(story.authorize("video", 70_000))
        story.do(story.settle(story.reservations[0], "video", 60_000, vendor_ref="v-1"))

        found = await read_side(
            story,
            "SELECT provider_id, cost_amount, cost_nanos, currency, minute_units, reservation_id,"
            " decision_id, position, ordinal, vendor_ref, late, overrun_nanos FROM audit_logs",
        )

        cost, rest = 7 * 60_000, (3, 0, "v-1", False, 0)
        assert [
            ("video-vendor", Decimal(cost) / 10**9, cost, "USD", 1, "cantor.2", "cantor.3", *rest)
        ] == found

    async def test_shows_the_currency_of_the_price_book_that_priced_the_call(self, read_side):
        """A later price book in another currency must not relabel what was spent before."""
        story = TwinStory()
        story.do(story.authorize("text", 10))
        story.do(story.settle(story.reservations[0], "text", 10))
        (book,) = [e for e in story.commits[0] if isinstance(e, PriceBookSet)]
        euros = replaced(book.price_book, currency="EUR")
        story.write(replaced(book, decision=9, version=2, price_book=euros))

        assert await read_side(story, "SELECT currency FROM audit_logs") == [("USD",)]

    async def test_flags_a_late_settlement_and_one_above_its_hold(self, read_side):
        """Both were really spent, and an auditor must find them."""
        story = TwinStory()
        story.do(story.authorize("data", 1), story.authorize("data", 2))
        story.do(story.settle(story.reservations[0], "data", 5))
        story.later(200 * SECOND_US)
        story.do(story.settle(story.reservations[1], "data", 2))

        found = await read_side(
            story, "SELECT late, overrun_nanos, held_nanos FROM audit_logs ORDER BY decision"
        )

        assert found == [(False, 4_000, 1_000), (True, 2_000, 0)]

    async def test_takes_any_text_that_a_log_may_have(self, read_side):
        """NUL, tabs, backslashes and COPY's own end mark are data, in every column."""
        story = TwinStory()
        story.do(story.authorize("data", 1, session_id="s-1"))
        wild = "a\0b\tc\nd\\e\\.\r\n\\N"
        story.do(story.settle(story.reservations[0], "data", 1))
        story.amend(vendor_ref=wild)

        found = await read_side(story, "SELECT vendor_ref, session_id FROM audit_logs")

        assert [(wild.replace("\0", "\N{REPLACEMENT CHARACTER}"), "s-1")] == found


class TestDecisions:
    async def test_lists_grants_with_their_verdict(self, read_side):
        """The page must show the word that the caller was answered."""
        story = TwinStory(rules=policy(rate=policy().rate.__class__(1, 1_000, 1, "queue", 5_000)))
        option = {"fallbacks": []}
        story.do(story.authorize("text", 1, **option))
        story.do(story.authorize("text", 1))

        found = await read_side(
            story,
            "SELECT verdict, status, code, delay_us, reservation_id FROM decisions"
            " WHERE verb = 'authorize' ORDER BY decision",
        )

        assert found == [
            ("PASS", 200, "granted", 0, "cantor.2"),
            ("THROTTLE", 200, "granted", 1_000_000, "cantor.3"),
        ]

    async def test_lists_refusals_with_their_reason(self, read_side):
        """A refusal is a decision: it has an id, a code and the figures that led to it."""
        story = TwinStory(rules=policy(limit_nanos=100))
        story.do(story.authorize("data", 1))
        story.do(story.settle("cantor.99", "data", 1))

        found = await read_side(
            story,
            "SELECT decision_id, verb, verdict, status, code, amount_nanos, limit_nanos"
            " FROM decisions WHERE decision > 1 ORDER BY decision",
        )

        assert found == [
            ("cantor.2", "authorize", "DENY", 402, "monthly_hard_limit_reached", 1_000, 100),
            ("cantor.3", "settle", None, 404, "hold_unknown", 0, 100),
        ]

    async def test_every_decision_is_in_the_list_or_in_the_audit_log(self, read_side):
        """A decision id that a caller was given must be found, and in one place only."""
        story = TwinStory()
        story.do(story.authorize("text", 5), story.authorize("data", 5))
        story.do(story.extend(story.reservations[0], "text", 5))
        story.do(story.settle(story.reservations[0], "text", 5), story.top_up(5))
        story.do(story.release(story.reservations[1]))
        story.do(SuspendTenant(command_id="s"), ResumeTenant(command_id="r"))
        story.do(SetPolicy(command_id="p", policy=policy()))
        story.do(SetPriceBook(command_id="b", price_book=price_book()))
        story.shape()
        story.sign()
        story.do(
            RefineTwin(command_id="f", refinement=Refinement(900, 900)), RetireTwin(command_id="x")
        )

        found = await read_side(
            story,
            "SELECT decision FROM decisions UNION ALL SELECT decision FROM audit_logs ORDER BY 1",
        )

        assert [(n,) for n in range(1, story.state.decisions + 1)] == found

    async def test_counts_refusals_of_a_flood_by_minute_and_code(self, read_side):
        """A flood is not listed one by one, but how large it was must not be lost."""
        story = TwinStory()
        minute = START_US - START_US % 60_000_000
        for at_us, count in ((minute, 3), (minute + 59_000_000, 4), (minute + 60_000_000, 5)):
            counted = {"rate_limited": count}
            story.write(RefusalsCounted(at_us, at_us, at_us + SECOND_US, counted, 10**20))

        found = await read_side(story, "SELECT code, refusals, position FROM refusal_counts")

        assert sorted(found) == [("rate_limited", 5, 4), ("rate_limited", 7, 3)]


class TestHolds:
    async def test_ends_in_the_state_that_closed_it(self, read_side):
        """An operator must see what became of money that was set aside."""
        story = TwinStory()
        story.do(*(story.authorize("data", 1) for _ in range(4)))
        story.do(story.settle("cantor.2", "data", 1), story.release("cantor.3"))
        story.later(200 * SECOND_US)
        story.do(story.authorize("data", 1))

        found = await read_side(
            story, "SELECT reservation_id, state, settlement_id FROM holds ORDER BY reservation"
        )

        assert found == [
            ("cantor.2", "settled", "cantor.6"),
            ("cantor.3", "released", None),
            ("cantor.4", "expired", None),
            ("cantor.5", "expired", None),
            ("cantor.8", "open", None),
        ]

    async def test_grows_when_extended_and_keeps_its_amount_when_closed(self, read_side):
        """The amount says what was held at most, also after it is free again."""
        story = TwinStory()
        story.do(story.authorize("voice", 100))
        story.later(60 * SECOND_US)
        story.do(story.extend("cantor.2", "voice", 50))
        story.do(story.release("cantor.2"))

        found = await read_side(
            story,
            "SELECT amount_nanos, stream_ms_milli, extensions, state, expires_at - granted_at"
            " FROM holds",
        )

        assert (*found[0][:4], found[0][4].total_seconds()) == (450, 150_000, 1, "released", 180)


class TestTenants:
    async def test_shows_status_versions_and_the_last_position(self, read_side):
        """A reader who waits for a position waits for this one."""
        story = TwinStory()
        story.do(SetPolicy(command_id="p", policy=policy(limit_nanos=5)))
        story.do(SuspendTenant(command_id="s", mode="asleep", reason="cost"))

        found = await read_side(
            story,
            "SELECT tenant, status, reason, display_name, currency, time_zone, policy_version,"
            " price_version, position FROM tenants",
        )

        expected = ("cantor", "asleep", "cost", "Twin cantor", "USD", "America/Mexico_City")
        assert [(*expected, 2, 1, 3)] == found


class TestTwins:
    WHOLE = (
        "SELECT live_version, draft_version, purpose_version, calibration, calibration_version,"
        " modality, provider_id, sku, samples, activated_at IS NULL, retired_at IS NULL FROM twins"
    )

    async def test_shows_how_far_a_draft_is(self, read_side):
        """The wizard's page: a sample is there, two are missing."""
        story = TwinStory(activation="after_sign_off")
        story.shape()

        found = await read_side(story, self.WHOLE)

        assert found == [(0, 1, 1, 1, 1, "video", "video-vendor", "s", 1, True, True)]

    async def test_shows_what_is_live_while_the_next_is_drafted_and_when_it_ended(self, read_side):
        """A new draft begins its calibration anew; the old version stays."""
        story = TwinStory(activation="after_sign_off")
        story.shape()
        story.sign()
        story.do(RefineTwin(command_id="f", refinement=Refinement(900, 1_100)))
        story.do(RetireTwin(command_id="x", reason="contract ended"))

        assert await read_side(story, self.WHOLE) == [(1, 2, 1, 0, 0, "", "", "", 0, False, False)]
        assert await read_side(story, "SELECT status, reason FROM tenants") == [
            ("retired", "contract ended")
        ]

    async def test_keeps_every_version_and_who_signed_it_off_when(self, read_side):
        """The lawyer's question, answered by one row."""
        story = TwinStory(activation="after_sign_off")
        story.shape(signature_phrases=["¡Goooool!", "tab\t\\\\N"])
        story.later(SECOND_US)
        story.sign(note="¡Soy yo!")
        story.do(RefineTwin(command_id="f", refinement=Refinement(900, 1_100)))

        found = await read_side(
            story,
            "SELECT part, version, pitch_permille, speed_permille, note, signed_off_by,"
            " signed_off_at - occurred_at, sign_off_id, sign_off_note,"
            " document->'signature_phrases'->>0, document->'signature_phrases'->>1"
            " FROM twin_dna ORDER BY part, version",
        )

        phrases = ("¡Goooool!", "tab\t\\\\N")
        signed = ("operator", timedelta(seconds=1), "cantor.14", "¡Soy yo!")
        assert found == [
            ("identity", 1, 1_000, 1_000, "n", *signed, *phrases),
            ("identity", 2, 900, 1_100, None, None, None, None, None, *phrases),
            ("purpose", 1, None, None, None, None, None, None, None, None, None),
        ]

    async def test_keeps_what_the_owner_was_shown(self, read_side):
        """Each sample leads to the call that paid for it."""
        story = TwinStory(activation="after_sign_off")
        story.shape()
        story.sign()

        found = await read_side(
            story,
            "SELECT s.number, s.calibration, s.version, s.reservation_id, s.reference, a.cost_nanos"
            " FROM twin_samples s JOIN audit_logs a USING (tenant, reservation) ORDER BY number",
        )

        assert found == [
            (1, 1, 1, "cantor.5", "v-1", 7_000),
            (2, 1, 1, "cantor.8", "v-1", 7_000),
            (3, 1, 1, "cantor.11", "v-1", 7_000),
        ]

    async def test_status_is_what_the_gate_has(self, read_side):
        """Suspended before its sign-off, a twin must not show as active after it."""
        story = TwinStory(activation="after_sign_off")
        assert story.state.tenant.status == "provisioned"
        story.do(SuspendTenant(command_id="s"), ResumeTenant(command_id="r"))

        found = await read_side(story, "SELECT status FROM tenants")

        assert found == [(story.state.tenant.status,)] == [("provisioned",)]

    async def test_a_twin_of_a_test_is_activated_at_once(self, read_side):
        """And nothing else is known of it."""
        assert await read_side(TwinStory(), self.WHOLE) == [
            (0, 0, 0, 0, 0, "", "", "", 0, False, True)
        ]


class TestVersions:
    async def test_keeps_every_policy_and_price_book(self, read_side):
        """An auditor looks up the rules that decided then, not those of today."""
        story = TwinStory()
        story.do(SetPolicy(command_id="p", policy=policy(limit_nanos=5), note="lower"))
        story.amend(note="lower\0")
        story.do(SetPriceBook(command_id="b", price_book=price_book()))
        story.amend(price_book=price_book(note="nul \0"))

        found = await read_side(
            story,
            "SELECT version, policy->'budget'->>'monthly_hard_limit_nanos', note FROM policies"
            " UNION ALL SELECT version, currency, note FROM (SELECT version, note,"
            " coalesce(price_book->'entries'->0->'provenance'->>'note', '') AS currency"
            " FROM price_books) b",
        )

        fffd = "\N{REPLACEMENT CHARACTER}"
        assert [
            (1, "", None),
            (1, str(10**12), None),
            (2, "5", f"lower{fffd}"),
            (2, f"nul {fffd}", None),
        ] == sorted(found, key=repr)
