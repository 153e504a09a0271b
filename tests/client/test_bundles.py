"""An agent's bundles: whatever happens on the way, none is missed, none comes twice or too late."""

import asyncio
from contextlib import aclosing

import msgspec
import pytest

from contracts.bundle import BundleContent, BundleView, LivePrompt, LiveTopics
from contracts.replies import Decision
from services.client import CannotVerify, Refused
from services.client.bundles import follow

SUBJECT = "push.cantor.bundle"
WITHIN_S = 5.0


def bundle(revision: int, *, notice: bool = False) -> BundleView:
    content = BundleContent(
        prompt=LivePrompt(version=revision, text=f"v{revision}", variables=[]),
        dna=None,
        topics=LiveTopics(version=0, topics=[]),
    )
    return BundleView(
        tenant="cantor",
        position=revision,
        revision=revision,
        hash=str(revision),
        content=None if notice else content,
    )


class Bus:
    """The connection of an agent: a test pushes, and says what a question is answered with."""

    def __init__(self):
        self.stats = {"reconnects": 0}
        self.current = bundle(1)
        self.problem = None
        self.asked = 0
        self.take = None
        self.asked_often = asyncio.Event()
        self.ended = False

    async def subscribe(self, subject, *, cb):
        assert subject == SUBJECT
        assert self.asked == 0, "a change between asking and subscribing would be missed"
        self.take = cb
        return self

    async def unsubscribe(self):
        self.ended = True

    async def fetch(self):
        self.asked += 1
        if self.asked > 3:
            self.asked_often.set()
        if self.problem is not None:
            raise self.problem
        return self.current

    async def push(self, *pushed):
        for one in pushed:
            data = one if isinstance(one, bytes) else msgspec.json.encode(one)
            await self.take(type("Msg", (), {"data": data}))


@pytest.fixture
async def bus():
    async with asyncio.timeout(WITHIN_S):
        yield Bus()


def following(bus, again_s=WITHIN_S):
    return aclosing(follow(bus, "cantor", bus.fetch, again_s=again_s))


async def revision_after(bundles, bus, *pushed):
    """The revision of the next bundle once these were pushed."""
    await bus.push(*pushed)
    return (await anext(bundles)).revision


async def test_begins_with_what_is_in_force_and_goes_on_with_what_is_pushed(bus):
    """One question, whatever follows."""
    async with following(bus) as bundles:
        assert (await anext(bundles)).revision == 1
        assert await revision_after(bundles, bus, bundle(2)) == 2
        assert await revision_after(bundles, bus, bundle(7)) == 7

    assert (bus.asked, bus.ended) == (1, True)


async def test_what_is_old_or_known_is_not_given_again(bus):
    """A push that was on its way while the question was answered; one that comes out of order."""
    async with following(bus) as bundles:
        bus.current = bundle(5)
        assert (await anext(bundles)).revision == 5
        assert await revision_after(bundles, bus, bundle(4), bundle(5), bundle(6)) == 6
        assert await revision_after(bundles, bus, bundle(6), bundle(2), bundle(8)) == 8


async def test_pushes_wait_in_order_for_an_agent_that_is_busy(bus):
    """Only when it is very late the oldest ones go; each later one says everything."""
    async with following(bus) as bundles:
        await anext(bundles)
        await bus.push(*(bundle(number) for number in range(2, 12)))
        assert [(await anext(bundles)).revision for _ in range(10)] == list(range(2, 12))

        await bus.push(*(bundle(number) for number in range(20, 220)))
        assert (await anext(bundles)).revision == 220 - 64


async def test_a_notice_makes_it_ask_when_it_is_news(bus):
    """It is too large to be pushed, or a worker has taken over."""
    async with following(bus) as bundles:
        await anext(bundles)
        bus.current = bundle(3)
        assert (
            await revision_after(bundles, bus, bundle(1, notice=True), bundle(3, notice=True)) == 3
        )
        assert bus.asked == 2
        bus.current = bundle(4)
        assert await revision_after(bundles, bus, bundle(3, notice=True), bundle(4)) == 4

    assert bus.asked == 2


@pytest.mark.parametrize("wrong", [b"", b"{}", b"\xff", b'{"revision": "x"}', b"[1]"])
async def test_what_is_no_bundle_is_ignored(bus, wrong):
    """Only the gate may push; whatever else comes there must not end an agent."""
    async with following(bus) as bundles:
        await anext(bundles)
        assert await revision_after(bundles, bus, wrong, bundle(2)) == 2


async def test_asks_again_after_the_connection_was_away(bus):
    """Pushes are kept nowhere: what came meanwhile was not heard."""
    async with following(bus) as bundles:
        await anext(bundles)
        bus.current = bundle(9)
        bus.stats["reconnects"] += 1
        assert (await anext(bundles)).revision == 9


async def test_asks_again_after_a_while_although_nothing_came(bus):
    """A worker may die between its commit and its push, and a connection of its own may break."""
    async with following(bus, again_s=0.01) as bundles:
        await anext(bundles)
        bus.current = bundle(2)
        assert (await anext(bundles)).revision == 2

    assert bus.asked >= 2


async def test_an_answer_that_is_no_news_is_not_given_again(bus):
    """It asks every so often; hardly ever has anything changed."""
    async with following(bus, again_s=0.01) as bundles:
        await anext(bundles)
        waiting = asyncio.ensure_future(anext(bundles))
        await bus.asked_often.wait()
        bus.current = bundle(2)
        assert (await waiting).revision == 2


async def test_an_agent_goes_on_while_nobody_answers(bus):
    """It has a bundle; losing the gate for a minute is no reason to hang up."""
    async with following(bus, again_s=0.01) as bundles:
        await anext(bundles)
        bus.problem = CannotVerify("qry", "", attempts=1, reason="away")
        waiting = asyncio.ensure_future(anext(bundles))
        await bus.asked_often.wait()
        bus.problem, bus.current = None, bundle(2)
        assert (await waiting).revision == 2


async def test_without_a_first_bundle_it_says_so(bus):
    """An agent that knows nothing must not speak."""
    bus.problem = CannotVerify("qry", "", attempts=1, reason="away")
    async with following(bus) as bundles:
        with pytest.raises(CannotVerify):
            await anext(bundles)

    assert bus.ended


async def test_an_agent_that_may_not_ask_any_more_is_told(bus):
    """Its key was revoked while it ran."""
    async with following(bus, again_s=0.01) as bundles:
        await anext(bundles)
        denied = Decision("DENY", 403, "caller_unknown", "", None, None, message="Forbidden.")
        bus.problem = Refused(denied)
        with pytest.raises(Refused):
            await anext(bundles)


async def test_over_a_real_connection_that_breaks(own_nats, client, fake_gate):
    """
    Goal: the rollback that happened while the agent's connection was away reaches it.
    Method: the server is killed between two changes; only the first is pushed.
    """
    async with asyncio.timeout(20), aclosing(client.bundles()) as bundles:
        assert (await anext(bundles)).revision == 0
        await client.save_prompt("one", expected_version=0)
        await client.activate_prompt(1)
        state = fake_gate.states["cantor"]
        await fake_gate.push_bundle("cantor")
        assert (await anext(bundles)).content.prompt.text == "one"

        own_nats.kill()
        state.prompts.kept[1] = msgspec.structs.replace(state.prompts.kept[1], text="two")
        state.bundle_revision += 1
        await own_nats.start()

        assert (await anext(bundles)).content.prompt.text == "two"
