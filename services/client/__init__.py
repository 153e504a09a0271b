"""
How a service asks the gate.

    async with GateClient.connect(url, tenant="cantor", user=user, password=password) as gate:
        decision = await gate.authorize(
            modality="voice",
            provider_id="cartesia",
            sku="sonic-3",
            estimate=Usage(characters=900, stream_ms=60_000),
        )
        if decision.status == 200:
            await asyncio.sleep(decision.delay_us / 1_000_000)
            spoken = await call_the_vendor()
            await gate.settle(decision.reservation_id, spoken)

A service of one twin passes the twin's API key instead (`key=`), or a token (`token=`).

Who lets `services.vendors.metered` do the calling gets the waiting, the settling, the giving
back and the cancellation right without writing them.
"""

from services.client.errors import (
    CannotVerify,
    MalformedCommand,
    NoGrant,
    NotAllowed,
    Refused,
    SecretRefused,
)
from services.client.gate_client import GateClient
from services.client.session_changes import SessionChange
from services.client.wire import Encoding

__all__ = [
    "CannotVerify",
    "Encoding",
    "GateClient",
    "MalformedCommand",
    "NoGrant",
    "NotAllowed",
    "Refused",
    "SecretRefused",
    "SessionChange",
]
