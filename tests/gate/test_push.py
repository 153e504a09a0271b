"""
What the gate tells running agents, in virtual time: every durable change once, and nothing else.
"""

from __future__ import annotations

import asyncio

from contracts.prompt import ActivatePrompt, RollBackPrompt, SavePrompt
from contracts.topics import SetTopics, Topic
from contracts.twin import SetIdentity, SetPurpose
from services.eventstore.errors import FenceConflict, StreamFull
from services.gate.endpoints import pushed
from tests.domain.dna import identity, purpose
from tests.gate.shards import ENDS_WITHIN_S, top_up
from tests.simulation.twins import provision
from tests.simulation.virtual_time import run
from tests.simulation.world import World


def prompts(*texts: str) -> list[SavePrompt]:
    return [
        SavePrompt(command_id=f"save-{number}", text=text, expected_version=number)
        for number, text in enumerate(texts)
    ]


def live(version: int) -> ActivatePrompt:
    return ActivatePrompt(command_id=f"live-{version}", version=version)


def pushing(scenario):
    """Run a test in a world whose worker's pushes are collected; two prompts are saved."""

    def test():
        async def main():
            async with asyncio.timeout(ENDS_WITHIN_S):
                world, heard = World(0), []
                worker = world.start_worker(push=heard.append)
                await world.ask("cantor", provision(1_000, 10))
                await world.send(worker, "cantor", *prompts("one", "two"))
                assert heard == [], "a version that is not live is nobody's business"
                await scenario(world, worker, heard)

        run(0, main())

    test.__name__, test.__doc__ = scenario.__name__, scenario.__doc__
    return test


@pushing
async def test_a_change_is_pushed_once_it_is_durable_and_not_before(world, worker, heard):
    """
    An agent must not say what a crash could undo.
    """
    world.log.open.clear()
    answered = world.send(worker, "cantor", live(1))
    await asyncio.sleep(1)
    assert heard == []

    world.log.open.set()
    (receipt,) = await answered

    (bundle,) = heard
    assert (bundle.tenant, bundle.content.prompt.text) == ("cantor", "one")
    assert f"cantor.{bundle.revision}" == receipt.decision_id
    assert bundle.position == receipt.position


@pushing
async def test_changes_that_share_a_commit_are_pushed_as_the_last_of_them(world, worker, heard):
    """
    What is live after the commit is what counts; the position would not tell them apart.
    """
    await world.send(worker, "cantor", live(1), live(2))

    assert [bundle.content.prompt.text for bundle in heard] == ["two"]


@pushing
async def test_a_push_shows_its_own_commit_and_not_what_was_decided_after_it(world, worker, heard):
    """
    While one commit is on its way to the disk the next change is decided already.
    """
    world.log.open.clear()
    first = world.send(worker, "cantor", live(1))
    await asyncio.sleep(1)
    second = world.send(worker, "cantor", live(2))
    third = world.send(worker, "cantor", RollBackPrompt(command_id="back", version=1))
    world.log.open.set()
    await asyncio.gather(first, second, third)

    assert [bundle.content.prompt.text for bundle in heard] == ["one", "one"]
    assert heard[0].revision < heard[1].revision
    assert heard[0].position < heard[1].position


@pushing
async def test_a_new_purpose_is_pushed_and_a_draft_of_the_identity_is_not(world, worker, heard):
    """
    An agent plays what is signed off; who drafts tries nothing out on visitors.
    """
    await world.send(worker, "cantor", SetIdentity(command_id="draft", identity=identity()))
    assert heard == []

    await world.send(worker, "cantor", SetPurpose(command_id="aim", purpose=purpose()))

    (bundle,) = heard
    assert bundle.content.dna.purpose.purpose == purpose()
    assert bundle.content.dna.identity is None


@pushing
async def test_topics_are_pushed_with_the_prompt_that_is_live(world, worker, heard):
    """
    An agent never has the topics of one moment with the prompt of another.
    """
    topic = Topic(name="t", phrases=["p"])
    await world.send(worker, "cantor", live(1))
    await world.send(
        worker, "cantor", SetTopics(command_id="t", topics=[topic], expected_version=0)
    )

    assert heard[1].content.topics.topics == [topic]
    assert heard[1].content.prompt.text == "one"


@pushing
async def test_what_changes_nothing_is_not_pushed(world, worker, heard):
    """
    Neither a refusal, nor a repetition, nor anything about money.
    """
    await world.send(worker, "cantor", live(1))
    heard.clear()

    await world.send(worker, "cantor", live(1))
    await world.send(worker, "cantor", ActivatePrompt(command_id="again", version=1))
    await world.send(worker, "cantor", *prompts("one", "two", "three"), top_up())

    assert heard == []


@pushing
async def test_a_change_that_the_log_does_not_take_is_not_pushed(world, worker, heard):
    """
    It did not happen.
    """
    append = world.log.append

    async def refused(_commits):
        raise StreamFull("full")

    world.log.append = refused
    (answer,) = await world.send(worker, "cantor", live(1))
    assert answer.code == "cannot_verify"
    world.log.append = append
    await world.send(worker, "cantor", top_up())

    assert [bundle.content for bundle in heard] == []


@pushing
async def test_a_change_decided_anew_after_a_conflict_is_pushed(world, worker, heard):
    """
    The first attempt was undone; the second one is in the log.
    """
    append, attempts = world.log.append, []

    async def once(commits):
        attempts.append(commits)
        if len(attempts) == 1:
            raise FenceConflict("somebody was first")
        return await append(commits)

    world.log.append = once
    await world.send(worker, "cantor", live(1))

    assert [bundle.content.prompt.text for bundle in heard if bundle.content] == ["one"]


@pushing
async def test_a_worker_that_takes_over_says_what_is_current(world, worker, heard):
    """
    The one before it may have died after its commit and before its push.
    """
    await world.send(worker, "cantor", live(1))
    world.kill_worker(worker)
    said = []
    world.start_worker(push=said.append)
    await world.ask("cantor", top_up())

    assert [(b.revision, b.hash, b.content) for b in said] == [
        (heard[-1].revision, heard[-1].hash, None)
    ]


class Box:
    def __init__(self):
        self.sent = []

    def put(self, subject, data):
        self.sent.append((subject, data))


@pushing
async def test_a_bundle_that_is_too_large_is_pushed_as_a_notice(world, worker, heard):
    """
    The subject, and what is left when the content does not fit.
    """
    await world.send(worker, "cantor", live(1))
    text = "😀" * 32_000
    words = [f"{'😀' * 60}x{number}" for number in range(100)]
    topics = [Topic(name=str(number), phrases=words) for number in range(7)]
    await world.send(
        worker,
        "cantor",
        SavePrompt(command_id="large", text=text, expected_version=2),
        ActivatePrompt(command_id="live-large", version=3),
        SetTopics(command_id="t", topics=topics, expected_version=0),
    )
    box = Box()
    for bundle in heard:
        pushed(box)(bundle)

    assert {subject for subject, _ in box.sent} == {b"push.cantor.bundle"}
    assert b'"text":"one"' in box.sent[0][1]
    assert b'"content":null' in box.sent[-1][1]
    assert len(box.sent[-1][1]) < 300
