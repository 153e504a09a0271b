"""Sessions over HTTP: the list, one of them, and its story with every decision and its money."""

from contracts.policy import SessionLimits
from projections.projection import Commit
from tests.domain.governed import Governed
from tests.domain.world import SECOND, policy
from tests.projector.read_side import project

SESSIONS = "/v1/tenants/cantor/sessions"
ANA = "a" * 16
# Provisioning is one decision of so many events.
PROVISIONED = 5


async def shown(tables, twin: Governed) -> None:
    """Put a twin's log into the tables, a commit an event."""
    groups = [twin.log[:PROVISIONED], *([event] for event in twin.log[PROVISIONED:])]
    commits = [
        Commit(0, index, "cantor", index, events[-1].at_us, events)
        for index, events in enumerate(groups, 1)
    ]
    await project(tables.connection, [commits])


def conversation() -> Governed:
    """A visitor's session: disclosed, called, throttled down, refused, left behind."""
    twin = Governed(policy(10_000, session=SessionLimits(max_seconds=600)))
    twin.opened(ceiling="voice")
    twin.mint(visitor_id=ANA)
    twin.actor = f"visitor_{ANA}"
    twin.converse(ANA, "voice")
    twin.authorize(10, "voice", session_id=ANA)
    twin.show(ANA)
    twin.settle(twin.authorize(20, "voice", session_id=ANA), 30)
    twin.authorize(100, "video", session_id=ANA)
    twin.settle(twin.authorize(7, "data", session_id=ANA), 7)
    twin.step(ANA, "text", why="soft_cap_reached", notice="spoken")
    twin.authorize(5, "text", session_id=ANA, ttl_ms=5_000)
    twin.actor = "operator"
    twin.converse("other")
    twin.authorize(3, session_id="other")
    twin.pass_time(40 * SECOND)
    twin.kill(ANA)
    return twin


async def test_a_story_has_every_decision_in_order_and_no_others(own_api, tables):
    """What was asked, what was answered and why, what it cost, and what became of each hold."""
    await shown(tables, conversation())

    story = await own_api.pages(f"{SESSIONS}/{ANA}/story", limit=3)

    assert [(one["noun"], one["verb"], one["code"]) for one in story] == [
        ("session", "open", "session_begun"),
        ("budget", "authorize", "disclosure_due"),
        ("session", "show_disclosure", "disclosure_shown"),
        ("budget", "authorize", "granted"),
        ("budget", "settle", "settled"),
        ("budget", "authorize", "modality_above_ceiling"),
        ("budget", "authorize", "granted"),
        ("budget", "settle", "settled"),
        ("session", "step", "session_stepped"),
        ("budget", "authorize", "granted"),
        ("session", "kill", "session_closed"),
    ]
    assert [one["hold"] for one in story if one["code"] == "granted"] == [
        "settled",
        "settled",
        "expired",
    ]
    assert [one["cost_nanos"] for one in story if one["code"] == "settled"] == [30, 7]
    assert story[1]["message"].startswith("The session's disclosure")
    assert story[8]["facts"] == {
        "previous": "voice",
        "why": "soft_cap_reached",
        "notice": "spoken",
    }
    assert (story[8]["modality"], story[0]["actor"]) == ("text", f"visitor_{ANA}")
    assert story[-1]["facts"]["reason"] == "lease_expired"


async def test_a_session_says_what_each_leg_cost_and_how_it_ended(own_api, tables):
    """The numbers are those of its settlements; time ended it, nobody did."""
    await shown(tables, conversation())

    found = (await own_api.get(f"{SESSIONS}/{ANA}")).json

    legs = {leg: found[f"{leg}_nanos"] for leg in ("text", "voice", "video", "data", "cost")}
    assert legs == {"text": 0, "voice": 30, "video": 0, "data": 7, "cost": 37}
    counted = ("grants", "denials", "settlements", "steps", "turns")
    assert [found[name] for name in counted] == [3, 2, 2, 1, 0]
    assert (found["state"], found["reason"], found["ended_by"]) == ("ended", "lease_expired", None)
    assert (found["wanted"], found["modality"], found["deployment"]) == ("voice", "text", "web")
    assert (found["disclosure_version"], found["disclosed_at"] is not None) == (1, True)
    assert found["knowledge"] == []


async def test_sessions_are_listed_newest_first_and_filtered(own_api, tables):
    """Open or ended, of a deployment, begun in a time range; page by page."""
    twin = conversation()
    twin.converse("last")
    await shown(tables, twin)

    async def ids(**params) -> list[str]:
        return [row["session_id"] for row in await own_api.pages(SESSIONS, limit=1, **params)]

    assert await ids() == ["last", "other", ANA]
    assert await ids(state="open") == ["last"]
    assert await ids(state="ended") == ["other", ANA]
    assert await ids(deployment="web") == [ANA]
    assert await ids(**{"from": "2026-11-10T12:00:01Z"}) == ["last"]
    assert await ids(to="2026-11-10T12:00:01Z") == ["other", ANA]


async def test_a_session_that_was_never_opened_is_none(api):
    """Services count under ids of their own; those are no sessions."""
    for path in ("s3", "nobody", "a%20b"):
        for rest in ("", "/story"):
            answer = await api.get(f"{SESSIONS}/{path}{rest}")
            assert (answer.status, answer.json["code"]) == (404, "session_unknown")
