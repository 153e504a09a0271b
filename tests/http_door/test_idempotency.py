"""One key takes effect once, whoever asks how often, and is answered the same."""

import asyncio

import pytest

from contracts.budget import TopUpCredits
from domain.refusals import BY_CODE
from services.http_door.idempotency import Idempotency
from services.query_api.problems import HttpProblem
from tests.http_door.cast import cast
from tests.http_door.conftest import OWN
from tests.http_door.people import bearer
from tests.http_door.test_commands import BUDGET, CALL, TOP_UP, told
from tests.query_api.conftest import KEY, soon

OPERATOR = bearer(KEY)
RACERS = 12


async def test_a_repeated_command_is_answered_the_same_and_says_so(site):
    """The second answer differs in one field and one header."""
    first = await site.post(f"{BUDGET}/top-up", OPERATOR, TOP_UP, key="k")
    second = await site.post(f"{BUDGET}/top-up", OPERATOR, TOP_UP, key="k")

    assert second.json == first.json | {"replayed": True}
    assert second.headers["Idempotency-Replayed"] == "true"
    assert second.position == first.position
    assert site.world.gate.credits(OWN) == TOP_UP["amount_nanos"]


async def test_a_refusal_is_repeated_as_well(site):
    """Also when it would be granted now."""
    dear = {**CALL, "estimate": {"requests": 900_000_000}}
    first = await site.post(f"{BUDGET}/authorize", OPERATOR, dear, key="k")
    second = await site.post(f"{BUDGET}/authorize", OPERATOR, dear, key="k")

    assert (first.status, second.status) == (402, 402)
    assert second.json["decision_id"] == first.json["decision_id"]
    assert second.headers["Idempotency-Replayed"] == "true"


async def test_the_same_key_with_another_payload_is_422(site):
    """And with another command; the first one stays as it is."""
    await site.post(f"{BUDGET}/top-up", OPERATOR, TOP_UP, key="k")
    other = await site.post(f"{BUDGET}/top-up", OPERATOR, {"amount_nanos": 8}, key="k")
    another = await site.post(f"/v1/tenants/{OWN}/tenant/suspend", OPERATOR, {}, key="k")

    told(other, 422, "command_id_reused")
    told(another, 422, "command_id_reused")


async def test_while_it_runs_the_same_key_is_409_and_another_payload_422(site):
    """The first one is answered all the same."""
    gate = site.world.gate
    gate.pause = asyncio.Event()
    first = asyncio.create_task(site.post(f"{BUDGET}/top-up", OPERATOR, TOP_UP, key="k"))
    await soon(gate.taken.wait())
    same = await site.post(f"{BUDGET}/top-up", OPERATOR, TOP_UP, key="k")
    other = await site.post(f"{BUDGET}/top-up", OPERATOR, {"amount_nanos": 8}, key="k")
    gate.pause.set()

    told(same, 409, "command_running")
    assert same.headers["Retry-After"] == "1"
    told(other, 422, "command_id_reused")
    assert (await soon(first)).status == 200
    assert len(gate.heard) == 1


async def test_a_race_of_equal_commands_takes_effect_once(site):
    """Whoever loses is told to ask again, and then gets the winner's answer."""

    async def ask():
        while True:
            answer = await site.post(f"{BUDGET}/top-up", OPERATOR, TOP_UP, key="k")
            if answer.status != 409:
                return answer

    answers = await soon(asyncio.gather(*(ask() for _ in range(RACERS))))

    assert {answer.status for answer in answers} == {200}
    assert len({answer.json["decision_id"] for answer in answers}) == 1
    assert sum(not answer.json["replayed"] for answer in answers) == 1
    assert site.world.gate.credits(OWN) == TOP_UP["amount_nanos"]


async def test_a_race_of_different_commands_under_one_key_has_one_winner(site):
    """Everybody else is told that the key is another's, or running."""
    amounts = range(1, RACERS + 1)
    answers = await soon(
        asyncio.gather(
            *(
                site.post(f"{BUDGET}/top-up", OPERATOR, {"amount_nanos": amount}, key="k")
                for amount in amounts
            )
        )
    )

    [won] = [answer for answer in answers if answer.status == 200]
    assert {answer.status for answer in answers} - {200} == {422}
    assert site.world.gate.credits(OWN) == won.json["credits_nanos"]


async def test_two_twins_have_keys_of_their_own(site):
    """A key is the caller's name for a command to one twin."""
    for tenant in (OWN, "fernandez"):
        answer = await site.post(f"/v1/tenants/{tenant}/budget/top-up", OPERATOR, TOP_UP, key="k")
        assert (answer.status, answer.json["replayed"]) == (200, False)


async def test_too_many_commands_at_once_are_refused_early():
    """And what has ended makes room."""
    idempotency = Idempotency(None, None, has_same_value=None, lag_max=1, running_max=1)
    async with idempotency.running("cantor", command("a")):
        with pytest.raises(HttpProblem, match="overloaded"):
            async with idempotency.running("cantor", command("b")):
                pass
    async with idempotency.running("cantor", command("b")):
        pass


def command(name):
    return TopUpCredits(command_id=name, amount_nanos=1)


# -- Longer than the gate remembers ---------------------------------------------------


COMMANDS = {
    "top-up": ("budget/top-up", TOP_UP),
    "grant": ("budget/authorize", CALL),
    "refusal": ("budget/authorize", {**CALL, "estimate": {"requests": 900_000_000}}),
    "not priced": ("budget/authorize", {**CALL, "sku": "unknown", "session_id": "s-1"}),
    "suspend": ("tenant/suspend", {"reason": "¡Goooool!"}),
    "refused command": ("tenant/resume", {}),
    "issue a key": (
        "access/issue-key",
        {
            "key_id": "abcdefghijkl",
            "label": "bot",
            "scopes": ["read"],
            "secret_hash": "A" * 43 + "=",
        },
    ),
}


@pytest.mark.parametrize("name", COMMANDS)
async def test_a_late_repetition_gets_the_same_answer_and_no_second_effect(late, name):
    """Field by field, from the tables, without asking the gate."""
    path, sent = COMMANDS[name]
    path = f"/v1/tenants/{OWN}/{path}"
    first = await late.site.post(path, OPERATOR, sent, key="k")
    await late.forget()
    late.world.gate.heard.clear()
    again = await late.site.post(path, OPERATOR, sent, key="k")

    assert again.status == first.status
    assert same(again.json) == same(first.json)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.position == first.position
    assert late.world.gate.heard == []


async def test_late_extensions_and_releases_are_answered_the_same(late):
    """They are about a call that was granted before."""
    granted = (await late.site.post(f"{BUDGET}/authorize", OPERATOR, CALL)).json
    about = {"reservation_id": granted["reservation_id"]}
    more = about | {"estimate": {"requests": 1}}
    extended = await late.site.post(f"{BUDGET}/extend", OPERATOR, more, key="e")
    released = await late.site.post(f"{BUDGET}/release", OPERATOR, about, key="r")
    await late.forget()
    again_extended = await late.site.post(f"{BUDGET}/extend", OPERATOR, more, key="e")
    again_released = await late.site.post(f"{BUDGET}/release", OPERATOR, about, key="r")

    assert same(again_extended.json) == same(extended.json)
    assert same(again_released.json) == same(released.json)


async def test_a_late_settlement_is_answered_the_same_but_for_how_the_month_stood(late):
    """What the tables do not keep is left out; nothing is booked a second time."""
    granted = (await late.site.post(f"{BUDGET}/authorize", OPERATOR, CALL)).json
    sent = {"reservation_id": granted["reservation_id"], "usage": {"requests": 2}}
    first = await late.site.post(f"{BUDGET}/settle", OPERATOR, sent, key="s")
    await late.forget()
    again = await late.site.post(f"{BUDGET}/settle", OPERATOR, sent, key="s")
    other_payload = await late.site.post(
        f"{BUDGET}/settle", OPERATOR, sent | {"usage": {"requests": 3}}, key="t"
    )

    left_out = first.json.keys() - again.json.keys()
    assert {**again.json} == {k: v for k, v in first.json.items() if k not in left_out} | {
        "replayed": True
    }
    assert left_out == {
        *("committed_nanos", "held_nanos", "limit_nanos"),
        *("credits_nanos", "remaining_nanos", "resets_at_us"),
    }
    told(other_payload, 409, "hold_closed")


async def test_a_late_repetition_with_another_payload_is_422(late):
    """A key belongs to its command for ever."""
    await late.site.post(f"{BUDGET}/top-up", OPERATOR, TOP_UP, key="k")
    await late.forget()
    other = await late.site.post(f"{BUDGET}/top-up", OPERATOR, {"amount_nanos": 8}, key="k")
    another = await late.site.post(f"/v1/tenants/{OWN}/tenant/suspend", OPERATOR, {}, key="k")

    told(other, 422, "command_id_reused")
    told(another, 422, "command_id_reused")


async def test_who_may_not_ask_learns_nothing_of_what_was_answered(late):
    """The tables know the answer; a viewer is refused by the gate all the same."""
    everybody = cast(late.world)
    await late.site.post(f"{BUDGET}/top-up", everybody["owner"], TOP_UP, key="k")
    await late.forget()
    answer = await late.site.post(f"{BUDGET}/top-up", everybody["viewer"], TOP_UP, key="k")

    told(answer, 403, "caller_not_allowed")
    assert "credits_nanos" not in answer.json


async def test_what_a_stranger_was_told_is_no_answer_to_the_command(late):
    """Whoever guesses a key must not spoil it for its owner, not even later on."""
    everybody = cast(late.world)
    await late.site.post(f"{BUDGET}/top-up", everybody["viewer"], TOP_UP, key="k")
    await late.forget()
    answer = await late.site.post(f"{BUDGET}/top-up", everybody["owner"], TOP_UP, key="k")

    assert (answer.status, answer.json["replayed"]) == (200, False)


@pytest.mark.parametrize("trouble", ["unknown", "far behind"])
async def test_without_a_record_that_is_complete_nothing_new_is_begun(late, trouble):
    """Between the tables and the gate's memory there must be no gap; a settlement needs neither."""
    granted = (await late.site.post(f"{BUDGET}/authorize", OPERATOR, CALL)).json
    late.site.heads.away = trouble == "unknown"
    late.site.heads.heads = {0: 1_000_000}
    late.site.api.lag._last = None
    refused = await late.site.post(f"{BUDGET}/top-up", OPERATOR, TOP_UP, key="k")
    settled = await late.site.post(
        f"{BUDGET}/settle",
        OPERATOR,
        {"reservation_id": granted["reservation_id"], "usage": {"requests": 1}},
    )

    told(refused, 503, "cannot_verify")
    assert settled.status == 200
    assert late.world.gate.credits(OWN) == 0


def same(reply):
    """A reply without what names the request and the repetition."""
    hidden = {"replayed", "instance"}
    found = {name: value for name, value in reply.items() if name not in hidden}
    assert found["code"] in BY_CODE or found["status"] == 200
    return found
