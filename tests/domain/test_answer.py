"""Answers: every field of a reply says what the event says."""

import msgspec
import pytest

from contracts.policy import Quotas, RatePolicy
from contracts.replies import Decision, Receipt
from contracts.session import BeginSession
from contracts.tenant import ResumeTenant, SuspendTenant
from domain.answer import answer, not_decided
from domain.refusals import BY_CODE, CANNOT_VERIFY
from tests.domain.governed import PAGE, TOLD, Governed
from tests.domain.world import NOON, SECOND, Twin, option, policy


def told(event, position=7) -> dict:
    return msgspec.to_builtins(answer("cantor", event, position))


class TestDecision:
    def test_of_a_grant_names_everything_a_caller_needs(self):
        """Spelled out by position in the code, so each field is checked by name here."""
        twin = Twin(policy(100))
        event = twin.authorize(60)

        assert told(event) == {
            "decision": "PASS",
            "status": 200,
            "code": "granted",
            "command_id": event.command_id,
            "decision_id": "cantor.2",
            "position": 7,
            "reservation_id": "cantor.2",
            "requested": "text",
            "modality": "text",
            "provider_id": "acme",
            "sku": "text",
            "delay_us": 0,
            "expires_at_us": NOON + 120 * SECOND,
            "amount_nanos": 60,
            "policy_version": 1,
            "price_version": 1,
            "committed_nanos": 0,
            "held_nanos": 60,
            "limit_nanos": 100,
            "credits_nanos": 0,
            "remaining_nanos": 40,
            "resets_at_us": twin.totals.ends_us,
            "retry_after_ms": None,
            "message": "",
            "remedy": "",
            "facts": {},
            "replayed": False,
        }

    def test_distinguishes_pass_throttle_and_downgrade(self):
        """The document's three ways to go on; a step down says more than a delay."""
        rate = RatePolicy(requests=1, overflow="queue", queue_max_delay_ms=60_000)
        twin = Twin(policy(1_000, rate=rate, quotas=Quotas(video_minute_units=0)))
        passed = twin.authorize(1)
        throttled = twin.authorize(1)
        stepped = twin.authorize(100, "video", fallbacks=[option(1, "text")])

        assert [told(e)["decision"] for e in (passed, throttled, stepped)] == [
            "PASS",
            "THROTTLE",
            "DOWNGRADE",
        ]
        assert (told(throttled)["delay_us"], told(stepped)["delay_us"]) == (SECOND, 2 * SECOND)
        assert told(stepped)["facts"] == {"stepped_down_for": "quota_exhausted"}
        assert (told(stepped)["requested"], told(stepped)["modality"]) == ("video", "text")

    def test_of_an_extension_names_the_first_reservation(self):
        """The reservation keeps its name; the extension is a decision of its own."""
        twin = Twin(policy(100))
        grant = twin.authorize(10)
        reply = told(twin.extend(grant, 5))

        assert (reply["code"], reply["decision_id"], reply["reservation_id"]) == (
            "extended",
            "cantor.3",
            "cantor.2",
        )
        assert (reply["amount_nanos"], reply["held_nanos"]) == (5, 15)

    def test_of_a_refusal_says_why_and_what_to_do(self):
        """Message and remedy are the refusal's; the status is HTTP-like."""
        reply = told(Twin(policy(1)).authorize(5))

        refusal = BY_CODE["monthly_hard_limit_reached"]
        assert (reply["decision"], reply["status"], reply["code"]) == ("DENY", 402, refusal.code)
        assert (reply["message"], reply["remedy"]) == (refusal.message, refusal.remedy)
        assert reply["message"].startswith("Twin is sleeping")
        assert (reply["reservation_id"], reply["retry_after_ms"]) == (None, None)
        assert (reply["amount_nanos"], reply["remaining_nanos"]) == (5, 1)

    def test_rounds_retry_after_up_to_milliseconds(self):
        """A client that waits as told must not come a microsecond early."""
        twin = Twin(policy(rate=RatePolicy(requests=3)))
        twin.authorize(0)

        assert told(twin.authorize(0))["retry_after_ms"] == 334

    def test_of_a_refusal_that_is_only_counted_has_no_position(self):
        """It is not in the log, and says so."""
        reply = told(Twin(policy(1)).authorize(5), position=None)

        assert (reply["decision_id"], reply["position"]) == (None, None)

    def test_of_what_could_not_be_decided_is_a_503_with_a_retry(self):
        """Fail closed, and honest that the outcome is unknown."""
        reply = not_decided("c-1", CANNOT_VERIFY, retry_after_ms=250)

        assert (reply.status, reply.decision, reply.position) == (503, "DENY", None)
        assert (reply.command_id, reply.retry_after_ms) == ("c-1", 250)


class TestReceipt:
    def test_of_a_settlement_names_cost_and_overrun(self):
        """By position in the code, by name here."""
        twin = Twin(policy(100))
        event = twin.settle(twin.authorize(10), 30)

        assert told(event) == {
            "status": 200,
            "code": "settled",
            "command_id": event.command_id,
            "decision_id": "cantor.3",
            "position": 7,
            "reservation_id": "cantor.2",
            "cost_nanos": 30,
            "overrun_nanos": 20,
            "late": False,
            "version": None,
            "committed_nanos": 30,
            "held_nanos": 0,
            "limit_nanos": 100,
            "credits_nanos": 0,
            "remaining_nanos": 70,
            "resets_at_us": twin.totals.ends_us,
            "message": "",
            "remedy": "",
            "facts": {},
            "replayed": False,
        }

    @pytest.mark.parametrize(
        ("code", "act"),
        [
            ("released", lambda twin: twin.release(twin.authorize(1))),
            ("topped_up", lambda twin: twin.top_up(5)),
            ("policy_set", lambda twin: twin.set_policy(policy())),
            ("price_book_set", lambda twin: twin.set_prices(twin.state.prices.book)),
            ("suspended", lambda twin: twin.decide(SuspendTenant(command_id="s"))),
            ("provisioned", lambda twin: twin.log[0]),
            (
                "resumed",
                lambda twin: (
                    twin.decide(SuspendTenant(command_id="s")),
                    twin.decide(ResumeTenant(command_id="r")),
                )[1],
            ),
        ],
    )
    def test_says_what_was_done(self, code, act):
        """One word for each command."""
        event = act(Twin())
        reply = answer("cantor", event, 3)

        assert isinstance(reply, Receipt)
        assert (reply.status, reply.code, reply.position) == (200, code, 3)
        assert reply.version == getattr(event, "version", None)

    @pytest.mark.parametrize(
        ("code", "act"),
        [
            ("deployment_created", lambda twin: twin.create()),
            ("deployment_changed", lambda twin: (twin.create(), twin.change())[1]),
            ("disclosure_set", lambda twin: (twin.create(), twin.disclose("b"))[1]),
            ("deployment_enabled", lambda twin: (twin.create(), twin.enable())[1]),
            ("deployment_disabled", lambda twin: (twin.opened(), twin.disable())[1]),
            ("visitor_admitted", lambda twin: (twin.opened(), twin.mint())[1]),
            ("source_added", lambda twin: twin.add()),
            ("source_submitted", lambda twin: (twin.reviewable(), twin.submit())[1]),
            ("ingestion_begun", lambda twin: (twin.add(), twin.begin())[1]),
            ("source_ingested", lambda twin: twin.reviewable()),
            ("ingestion_failed", lambda twin: (twin.add(), twin.begin(), twin.failed())[2]),
            ("source_approved", lambda twin: (twin.reviewable(), twin.approve())[1]),
            ("source_rejected", lambda twin: (twin.reviewable(), twin.reject())[1]),
            ("source_retired", lambda twin: (twin.reviewable(), twin.retire())[1]),
        ],
    )
    def test_says_what_was_done_where_a_twin_is_shown_and_with_what_it_knows(self, code, act):
        """One word for each of these commands too, and the version that it made."""
        event = act(Governed())
        reply = answer("cantor", event, 3)

        assert (reply.status, reply.code, reply.position) == (200, code, 3)
        assert reply.version == getattr(event, "version", None)

    def test_of_an_admission_says_all_that_a_token_needs(self):
        """Who signs the token has nothing but this answer."""
        twin = Governed()
        twin.opened(ceiling="voice")

        assert told(twin.mint(visitor_id="v" * 16))["facts"] == {
            "deployment": "web",
            "visitor_id": "v" * 16,
            "origin": PAGE,
            "ceiling": "voice",
            "expires_at_us": NOON + 900 * SECOND,
            "disclosure_version": 1,
        }

    def test_of_a_session_says_all_that_whoever_runs_it_needs(self):
        """What to show, until when it lasts, and what is pinned."""
        twin = Governed()
        twin.opened(ceiling="voice")
        twin.mint(visitor_id="v" * 16)
        begun = twin.converse("v" * 16, "voice")

        assert told(begun)["facts"] == {
            "session_id": "v" * 16,
            "modality": "voice",
            "deployment": "web",
            "disclosure_version": 1,
            "disclosure": TOLD,
            "language": "es-MX",
            "expires_at_us": NOON + 30 * SECOND,
            "ends_at_us": NOON + 900 * SECOND,
            "bundle_revision": 0,
            "bundle_hash": begun.bundle_hash,
            "identity_version": 0,
            "policy_version": 1,
            "price_version": 1,
            "knowledge_sources": 0,
            "knowledge_hash": begun.knowledge_hash,
        }

    def test_of_a_session_that_began_is_told_again_as_it_was(self):
        """From what the gate remembers of it, which leaves out what no answer has."""
        twin = Governed()
        twin.opened()
        twin.reviewable()
        twin.approve()
        first = told(twin.converse("s", deployment="web", command_id="open-1"))
        known = twin.again(
            BeginSession(command_id="open-1", session_id="s", modality="text", deployment="web")
        )

        assert answer("cantor", known.event, 9) == msgspec.convert(first | {"position": 9}, Receipt)

    def test_of_a_refusal_says_why(self):
        """Like a decision's."""
        twin = Twin()
        reply = told(twin.settle("cantor.99"))

        assert (reply["status"], reply["code"], reply["remedy"]) == (
            404,
            "hold_unknown",
            BY_CODE["hold_unknown"].remedy,
        )

    def test_replayed_says_so_and_nothing_else_differs(self):
        """A client may want to know; a ledger must not care."""
        event = Twin().top_up(5)

        first = answer("cantor", event, 3)
        again = answer("cantor", event, 3, replayed=True)

        assert msgspec.structs.replace(again, replayed=False) == first


def test_replies_can_be_built_by_name_and_by_position():
    """The order of the fields is used by the fast path; a field in between would shift them all."""
    assert Decision.__struct_fields__[:7] == (
        "decision",
        "status",
        "code",
        "command_id",
        "decision_id",
        "position",
        "reservation_id",
    )
    assert Receipt.__struct_fields__[5:9] == (
        "reservation_id",
        "cost_nanos",
        "overrun_nanos",
        "late",
    )
