"""The gateway as a process, on a real bus with a real worker behind it."""

import aiohttp
import pytest

from contracts.deployment import CreateDeployment, DeploymentTerms, EnableDeployment
from services.client.sender import new_id
from services.embedded import ports
from tests.gateway.conftest import DISCLOSURE, PAGE
from tests.rig.deployment import Deployment
from tests.rig.twins import provision_twin


@pytest.fixture
async def deployment(nats_factory, directory):
    """A worker and a gateway. No database: a visitor needs none."""
    server = nats_factory(shards=1)
    await server.start()
    port = ports.pick()
    made = Deployment(
        server,
        directory / "data",
        variables={
            "VITO_GATEWAY_PORT": str(port),
            "VITO_POSTGRES_READER_DSN": f"postgresql://nobody@127.0.0.1:{ports.pick()}/none",
        },
    )
    made.url = f"http://127.0.0.1:{port}"
    await made.set_up()
    await made.start("worker")
    yield made
    made.kill_all()


async def test_from_a_page_to_a_conversation_and_an_orderly_stop(deployment):
    """
    Goal: role, permissions, keys and wiring are right: a page of the list reaches the engine.
    Method: real minting through the gateway's own bus login, a real token, a real handshake.
    """
    process = await deployment.start("gateway")
    await provision_twin(deployment, "cantor")
    async with deployment.client("cantor") as gate:
        terms = DeploymentTerms(surface="web_widget", ceiling="voice", origins=[PAGE])
        for command in (
            CreateDeployment(
                command_id=new_id(), deployment="web", terms=terms, disclosure=DISCLOSURE
            ),
            EnableDeployment(command_id=new_id(), deployment="web"),
        ):
            assert (await gate.tell(command)).status == 200
    async with aiohttp.ClientSession() as session:
        path = f"{deployment.url}/v1/twins/cantor/deployments/web/visitors"
        async with session.post(path, headers={"Origin": PAGE}) as answer:
            assert answer.status == 200, await answer.text()
            token = (await answer.json())["token"]
        socket = await session.ws_connect(
            f"{deployment.url}/v1/twins/cantor/stream",
            protocols=["vito.v1", f"bearer.{token}"],
            headers={"Origin": PAGE},
        )
        await socket.send_json({"type": "hello"})
        told = await socket.receive_json()
        while not socket.closed:
            await socket.receive()
        code = await process.stop()

    assert told["type"] in ("welcome", "closing"), told
    assert code == 0, process.said()
    assert token not in process.said()
    assert '"level": "error"' not in process.said().replace('":"', '": "')
