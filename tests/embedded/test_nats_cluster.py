"""Three nodes: replicated streams survive the loss of their leader."""

import asyncio

import nats
import pytest
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.js.errors import NoStreamResponseError

PROBLEMS = (NatsError, NoRespondersError, NoStreamResponseError, TimeoutError)


async def test_every_node_syncs_before_it_acknowledges(nats_cluster):
    """Replication does not replace the fsync: machines lose power together."""
    for node in nats_cluster.nodes:
        assert (await node.varz())["jetstream"]["config"]["sync_always"] is True
        assert (await node.varz())["server_name"] == node.config.server_name


async def test_strangers_cannot_join(nats_cluster):
    """A node that joined would hold a copy of every stream."""
    text = (nats_cluster.nodes[0].directory / "nats.conf").read_text()

    assert "authorization {" in text.split("cluster {")[1].split("routes:")[0]


async def test_acknowledged_messages_survive_the_leader(nats_cluster):
    """The leader of a stream is the node whose loss hurts most."""
    connection = await nats.connect(
        nats_cluster.urls_for("unrestricted"), reconnect_time_wait=0.05, error_cb=quiet
    )
    stream = connection.jetstream()
    info = await stream.add_stream(name="SURVIVOR", subjects=["survivor.>"], num_replicas=3)
    for number in range(20):
        await publish_in_time(stream, str(number))

    leader = nats_cluster.node_named(info.cluster.leader)
    leader.kill()
    await publish_in_time(stream, "after")
    await leader.start()
    await nats_cluster.ready()

    state = (await stream.stream_info("SURVIVOR")).state
    assert state.messages == 21
    await stream.delete_stream("SURVIVOR")
    await connection.close()


async def publish_in_time(stream, text: str) -> None:
    # An election takes four to nine seconds; a Nats-Msg-Id makes repeating safe.
    async with asyncio.timeout(30):
        while True:
            try:
                await stream.publish("survivor.x", text.encode(), headers={"Nats-Msg-Id": text})
            except PROBLEMS:
                await asyncio.sleep(0.1)
            else:
                return


async def quiet(_error: Exception) -> None:
    """The connection to a killed node is expected to break."""


async def test_an_unknown_node_is_an_error(nats_cluster):
    """A leader of another cluster would be killed by mistake."""
    with pytest.raises(KeyError):
        nats_cluster.node_named("elsewhere")
