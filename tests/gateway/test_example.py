"""The example that a newcomer copies is run, and comes back when its connection is lost."""

import asyncio
import io
import re
from pathlib import Path

from contracts.stream import TextPiece, TurnEnded, TurnStarted
from services import gateway, logs
from tests.gateway.talker import happens

TEXT = (Path(gateway.__file__).parent / "README.md").read_text()
[EXAMPLE] = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


async def test_it_asks_and_is_told_what_it_costs(world, capsys):
    """Each answer once, although the connection breaks in the middle of the second."""

    async def breaks(conversation, turn, text):
        conversation.tell(TurnStarted(turn=turn), TextPiece(turn=turn, text=text))
        if turn == "t1":
            [stream] = world.gateway.streams._streams
            await happens(lambda: stream.outbox.acknowledged >= 3)
            stream.line._request.transport.abort()
        conversation.tell(
            TextPiece(turn=turn, text="!"), TurnEnded(turn=turn, outcome="done", cost_nanos=7)
        )

    # What the gateway writes must not stand among the answers.
    logs.configure("test", stream=io.StringIO())
    world.conversations.script = breaks
    names = {}
    exec(EXAMPLE, names)
    async with asyncio.timeout(10):
        cost = await names["talk"](world.url(), world.key(), ["Hola", "¿Qué tal?"])
    await world.conversation.has_closed.wait()

    assert cost == 7
    assert capsys.readouterr().out == "Hola!\n¿Qué tal?!\n"
    assert (len(world.conversations.opened), world.conversation.closed) == (1, "user_exit")
    assert [turn for turn, _ in world.conversation.said] == ["t0", "t1"]
