"""Calls that a page tells of: made through the gate of a place, by a key of the twin."""

from contracts.budget import AuthorizeCall, SettleCall
from contracts.session import BeginSession
from contracts.usage import Usage

KEY = "key_k1"
SESSION = "talk-1"


async def made_call(place, number=1, *, session_id=SESSION):
    """Grant and settle a call; the id of the grant."""
    gate = place.world.gate
    granted = await gate.command(
        "cantor",
        AuthorizeCall(
            command_id=f"a-{number}",
            modality="text",
            provider_id="p",
            sku="s",
            estimate=Usage(requests=2),
            session_id=session_id,
        ),
        KEY,
    )
    assert granted["status"] == 200, granted
    await gate.command(
        "cantor",
        SettleCall(
            command_id=f"s-{number}",
            reservation_id=granted["reservation_id"],
            usage=Usage(requests=1, turns=1),
        ),
        KEY,
    )
    return granted["reservation_id"]


async def talked(place, turns=2):
    """A session of so many turns that goes on; its grants."""
    gate = place.world.gate
    gate.admit("cantor", keys={"k1": ["agent"]})
    opened = await gate.command(
        "cantor", BeginSession(command_id="open-1", session_id=SESSION, modality="text"), KEY
    )
    assert opened["status"] == 200, opened
    return [await made_call(place, number) for number in range(1, turns + 1)]
