"""The example that a newcomer copies is run."""

import asyncio
import textwrap

from contracts.usage import Usage
from services import client as package
from services.client import GateClient
from services.twins import CANTOR


class TestTenLines:
    async def test_they_authorise_call_and_settle(self, own_nats, fake_gate):
        """An example that has gone stale is worse than none."""
        url, user = own_nats.url, "client"
        async with GateClient.connect(own_nats.url_for(user), tenant="cantor") as gate:
            await gate.provision(
                display_name="Cantor",
                organisation="Tests",
                policy=CANTOR.policy,
                price_book=CANTOR.price_book,
                activation="immediate",
            )
        example = textwrap.dedent(package.__doc__.split("\n\n")[1])
        program = "async def example():\n" + textwrap.indent(example, "    ")
        called = []

        async def call_the_vendor():
            called.append("cartesia")
            return Usage(characters=812, stream_ms=54_000)

        names = {
            "GateClient": GateClient,
            "Usage": Usage,
            "asyncio": asyncio,
            "call_the_vendor": call_the_vendor,
            "url": url,
            "user": user,
            "password": own_nats.password(user),
        }
        exec(program, names)
        await names["example"]()

        assert called == ["cartesia"]
        totals = fake_gate.totals("cantor")
        assert (totals.held_nanos, totals.committed_nanos) == (0, 812 * 50_000)
