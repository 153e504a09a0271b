"""Prompts and topics in the public views of a real database: every version, and which is live."""

import json

import pytest

from contracts.prompt import ActivatePrompt, RollBackPrompt, SavePrompt, Variable
from contracts.topics import RollBackTopics, SetTopics, Topic
from tests.projections.twin_story import TwinStory
from tests.projector.read_side import connected, prepared, project, rows

WILD = "¡Goooool!\n\tTab \\N \\. {{user_name}} 👩\u200d🎤 \u2028"
NAME = Variable(name="user_name", type="choice", choices=["Ana\\t"], default="Ana\\t")
BETS = Topic(name="apuestas", phrases=["casa de apuestas", "\\N"])


@pytest.fixture
async def read_side(database):
    async with connected(await prepared(database)) as projector, connected(database) as owner:

        async def show(story: TwinStory, query: str) -> list[tuple]:
            await project(projector, [story.opened()])
            return await rows(owner, query)

        yield show


def saved(story: TwinStory, version: int, text: str = "text", **more) -> SavePrompt:
    return SavePrompt(
        command_id=story.command_id(), text=text, expected_version=version - 1, **more
    )


def live(story: TwinStory, version: int, kind=ActivatePrompt, **more):
    return kind(command_id=story.command_id(), version=version, **more)


async def test_a_version_is_shown_exactly_as_it_was_saved(read_side):
    """The text goes to a model: one character less is another prompt."""
    story = TwinStory()
    story.do(saved(story, 1))
    story.do(saved(story, 2, WILD, variables=[NAME], note="más\tcalma", base_version=0))

    found = await read_side(
        story,
        "SELECT version, base_version, text, variables, note, actor, decision_id, position"
        " FROM twin_system_prompts WHERE tenant = 'cantor' ORDER BY version",
    )

    assert found[0] == (1, 0, "text", [], None, "operator", "cantor.2", 2)
    assert found[1][:3] == (2, 0, WILD)
    assert found[1][3] == [
        {"name": "user_name", "type": "choice", "default": "Ana\\t", "choices": ["Ana\\t"]}
    ]
    assert found[1][4:] == ("más\tcalma", "operator", "cantor.3", 3)


async def test_one_version_at_most_is_active_and_the_history_says_why(read_side):
    """Also when two changes went into one commit."""
    story = TwinStory()
    story.do(*(saved(story, number) for number in (1, 2, 3)))
    active = "SELECT version FROM twin_system_prompts WHERE active"
    assert await read_side(story, active) == []

    other = TwinStory()
    other.do(*(saved(other, number) for number in (1, 2, 3)))
    other.do(live(other, 3), live(other, 1), live(other, 2, RollBackPrompt, reason="too loud"))

    assert await read_side(other, active) == [(2,)]
    assert await read_side(
        other,
        "SELECT version, previous_version, rolled_back, reason, actor, position"
        " FROM twin_prompt_activations ORDER BY decision",
    ) == [
        (3, 0, False, None, "operator", 3),
        (1, 3, False, None, "operator", 3),
        (2, 1, True, "too loud", "operator", 3),
    ]


async def test_topics_are_in_force_when_set_and_when_rolled_back(read_side):
    """The last of both decides."""
    story = TwinStory()
    active = "SELECT version, topics FROM twin_prohibited_topics WHERE active"

    def list_of(version, *topics):
        return SetTopics(
            command_id=story.command_id(), topics=list(topics), expected_version=version - 1
        )

    story.do(list_of(1, BETS), list_of(2))
    story.do(live(story, 1, RollBackTopics, reason="oops"))
    expected = json.loads(json.dumps([{"name": BETS.name, "phrases": BETS.phrases}]))
    assert await read_side(story, active) == [(1, expected)]
    assert await read_side(
        story, "SELECT version, previous_version, reason, position FROM twin_topics_rollbacks"
    ) == [(1, 2, "oops", 3)]


async def test_a_new_list_after_a_rollback_is_in_force(read_side):
    """The other order of the two."""
    story = TwinStory()
    for command in (
        SetTopics(command_id="1", topics=[BETS], expected_version=0),
        SetTopics(command_id="2", topics=[], expected_version=1),
        RollBackTopics(command_id="3", version=1),
        SetTopics(command_id="4", topics=[BETS], expected_version=2),
    ):
        story.do(command)

    active = "SELECT version FROM twin_prohibited_topics WHERE active"
    assert await read_side(story, active) == [(3,)]


async def test_every_change_is_a_decision_with_its_actor(read_side):
    """The audit of a twin is one list; who changed what it says is on it."""
    story = TwinStory()
    story.do(saved(story, 1, note="first"), saved(story, 9), live(story, 1, reason="semifinal"))
    story.do(saved(story, 2), live(story, 2), live(story, 1, RollBackPrompt))
    story.do(SetTopics(command_id="t", topics=[BETS], expected_version=0))
    story.do(SetTopics(command_id="u", topics=[], expected_version=1))
    story.do(live(story, 1, RollBackTopics))

    found = await read_side(
        story,
        "SELECT noun, verb, code, actor, facts FROM decisions WHERE decision > 1 ORDER BY decision",
    )

    assert [row[:4] for row in found] == [
        ("prompt", "save", "prompt_saved", "operator"),
        ("prompt", "save", "version_conflict", None),
        ("prompt", "activate", "prompt_activated", "operator"),
        ("prompt", "save", "prompt_saved", "operator"),
        ("prompt", "activate", "prompt_activated", "operator"),
        ("prompt", "roll_back", "prompt_rolled_back", "operator"),
        ("topics", "set", "topics_set", "operator"),
        ("topics", "set", "topics_set", "operator"),
        ("topics", "roll_back", "topics_rolled_back", "operator"),
    ]
    assert found[0][4] == {"version": 1, "base_version": 0, "note": "first"}
    assert found[2][4] == {"version": 1, "previous_version": 0, "reason": "semifinal"}
