"""
Use case B, end to end: `fernandez` in a long consultation.

Few come, and they stay. The soft cap takes the voice and leaves the conversation, the month's cap
holds, and one session cannot use what is meant for many.
"""

from __future__ import annotations

from contracts.policy import BudgetPolicy, SessionLimits
from contracts.stream import AudioPiece, TurnEnded
from services.twins.fernandez import FERNANDEZ
from tests.live.asking import asked, asked_until, notices, rungs
from tests.live.bills import explained
from tests.live.talking import BOOK, talking, texts
from tests.rig.checking import check_closed, read_log

LIMIT_NANOS = 60_000_000
SOFT_CAP_PERMILLE = FERNANDEZ.policy.budget.soft_cap_permille
QUESTION = "Which step of our plan for Spain comes next, and why that one?"
IN_WRITING = "From here on I go on in writing."


def of_fernandez(**fields):
    """Fernández' own policy, but for what a test makes small. His rate would be waited for."""
    policy = FERNANDEZ.policy
    kept = ("budget", "quotas", "session", "time_zone", "modalities", "ladder")
    return {name: getattr(policy, name) for name in kept} | fields


def outcomes(heard):
    return [one.outcome for one in heard if isinstance(one, TurnEnded)]


def spoken(heard):
    return [one for one in heard if isinstance(one, AudioPiece)]


async def test_a_consultation_goes_on_in_writing_and_ends_with_the_month(served, database):
    """
    Goal: at the soft cap the voice goes, with one notice, and the consultation does not: it goes on
    in writing, also after a top-up, which moves no cap; at the month's cap it ends, not a nano
    above; and all of it is explained.
    Method: his policy with a budget of six cents: turns by voice until the cap, thirty in writing,
    and then until nothing is granted. Log, audit log, sessions, meters and bills are compared.
    """
    budget = BudgetPolicy(
        monthly_hard_limit_nanos=LIMIT_NANOS,
        soft_cap_permille=SOFT_CAP_PERMILLE,
        soft_cap_modality="text",
    )
    async with talking(served, "fernandez", **of_fernandez(budget=budget)) as twin:
        page = await twin.visitor(modality="voice", language="en")

        by_voice = await asked_until(page, QUESTION, notices)
        (told,) = notices(by_voice)
        spent_nanos = await twin.settled()
        in_writing = await asked(page, QUESTION, 15)
        assert (await twin.gate.top_up(1_000)).status == 200
        in_writing += await asked(page, QUESTION, 15)
        ended = await asked_until(page, QUESTION, lambda heard: outcomes(heard)[-1] == "refused")
        problem = await page.ended()

        assert (told.code, told.modality, told.message) == ("soft_cap_reached", "text", IN_WRITING)
        assert len(spoken(by_voice)) > 0
        assert spent_nanos <= LIMIT_NANOS * SOFT_CAP_PERMILLE // 1_000 < LIMIT_NANOS
        assert set(outcomes(by_voice) + outcomes(in_writing)) == {"done"}
        assert not notices(in_writing), "told once is told"
        assert not spoken(in_writing)
        assert texts(in_writing)
        assert rungs(ended) == ["text"]
        assert notices(ended)[0].message.startswith("Twin is sleeping")
        assert problem.code == "monthly_hard_limit_reached"

        committed = await twin.settled()
        logged = await read_log(served, twin.tenant)
        check_closed(logged)
        async with explained(served, database, twin, BOOK) as bill:
            assert await bill.check() == committed <= LIMIT_NANOS
            (row,) = (await bill.sessions()).values()
            assert (row["reason"], row["steps"], row["turns"]) == (
                "twin_asleep",
                1,
                outcomes([*by_voice, *in_writing, *ended]).count("done"),
            )
            assert row["voice_nanos"] > row["text_nanos"] > 0


async def test_one_session_cannot_use_what_is_meant_for_many(served, database):
    """
    Goal: a session that has used its minutes goes on in writing, one that has used its tokens ends,
    politely and for that reason; the twin is there for the next one, and every call is explained.
    Method: his policy with sessions of one minute and fifteen thousand tokens, and money for many.
    """
    limits = SessionLimits(max_minute_units=1, max_token_units=15)
    async with talking(served, "fernandez-short", **of_fernandez(session=limits)) as twin:
        page = await twin.visitor(modality="voice", language="en")

        heard = await asked_until(page, QUESTION, lambda heard: outcomes(heard)[-1] == "refused")
        problem = await page.ended()
        calls = twin.calls()
        other = await twin.visitor(modality="voice", language="en")
        again = await other.turn(QUESTION)

        assert [(one.code, one.modality) for one in notices(heard)] == [
            ("session_limit_reached", "text"),
            ("session_limit_reached", "text"),
        ]
        assert notices(heard)[0].message == IN_WRITING
        assert notices(heard)[1].message.startswith("We have reached what one conversation may use")
        assert (problem.status, problem.code) == (403, "session_limit_reached")
        assert (await twin.found(page)).reason == "cost_limit"
        assert calls == outcomes(heard).count("done"), "what was refused was not called"
        assert outcomes(again) == ["done"]
        assert spoken(again)

        await twin.settled()
        async with explained(served, database, twin, BOOK) as bill:
            assert await bill.check() == twin.billed_nanos()
            lines = [
                one for one in await bill.lines() if one["session_id"] == page.welcome.session_id
            ]
            assert sum(one["input_tokens"] + one["output_tokens"] for one in lines) <= 15_000
            assert sum(one["stream_ms"] for one in lines) <= 60_000
