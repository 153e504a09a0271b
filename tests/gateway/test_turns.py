"""The queue of turns, where moments count."""

import asyncio

from services.gateway.turns import Turn, Turns


async def test_a_turn_that_is_forgotten_at_once_does_not_stop_those_after_it():
    """
    Goal: `text` and `interrupt` in one breath leave a conversation that answers.
    Method: forgotten after its taker was woken, and before the taker goes on.
    """
    turns = Turns(8)
    taking = asyncio.create_task(turns.next())
    await asyncio.sleep(0)
    turns.offer(Turn("a", "Hola"))
    assert turns.clear() == [Turn("a", "Hola")]
    await asyncio.sleep(0)

    turns.offer(Turn("b", "Hola"))

    assert await taking == Turn("b", "Hola")
    assert turns.running == Turn("b", "Hola")
