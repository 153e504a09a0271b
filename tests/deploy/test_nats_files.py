"""The committed nats-server files, taken by the real server, with TLS."""

import asyncio
import json
import shutil
import signal
import ssl

import nats
import pytest
from nats.errors import Error as NatsError

from contracts.subjects import shard_of
from deploy import credentials, nats_nodes
from services.callout.keys import keys_in
from services.embedded import ports
from services.embedded.nats_permissions import ROLES, caller_inbox
from services.embedded.polling import until
from services.settings import Settings, password_name
from tests.callout.world import Directory, callout
from tests.deploy.nats_node import (
    CALLOUT_FILE,
    ONE_NODE,
    THREE_NODES,
    Certificates,
    Node,
    config_test,
    new_words,
    quiet,
    replaced,
)

PASSWORDS = new_words()


class Refusals:
    """Notes what the server forbids a connection to do."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def note(self, error: Exception) -> None:
        self.seen.append(str(error))

    async def may(self, connection, action) -> bool:
        before = len(self.seen)
        await action
        # The first ping may overtake what the client has buffered; the second comes after it.
        await connection.flush()
        await connection.flush()
        return len(self.seen) == before


@pytest.mark.parametrize("file", [ONE_NODE, *THREE_NODES], ids=lambda file: file.name)
def test_the_server_accepts_the_file(file, certificates, tmp_path):
    """The server's own check finds unknown words, bad subjects and unreadable certificates."""
    config = tmp_path / file.name
    config.write_text(
        replaced(
            file.read_text(),
            {
                nats_nodes.TLS_DIR: str(certificates.directory),
                nats_nodes.STORE_DIR: str(tmp_path / "jetstream"),
            },
        )
    )

    assert "is valid" in config_test(config, PASSWORDS).stderr
    for missing in PASSWORDS:
        if f"${missing}" not in config.read_text():
            continue
        others = {name: word for name, word in PASSWORDS.items() if name != missing}
        assert f"'{missing}'" in config_test(config, others).stderr


def test_the_files_hold_no_password():
    """They are committed."""
    for file in (ONE_NODE, *THREE_NODES):
        lines = [line for line in file.read_text().splitlines() if "password:" in line]
        assert lines
        for line in lines:
            assert line.split("password: ")[1].startswith("$"), line


async def test_what_a_server_says_of_itself(node):
    """An acknowledgement must mean that the bytes are on disk, whatever else is configured."""
    monitor = await node.connect("monitor")
    reply = await monitor.request("$SYS.REQ.SERVER.PING.VARZ", b"")
    varz = json.loads(reply.data)["data"]
    await monitor.close()

    assert varz["jetstream"]["config"]["sync_always"] is True
    assert varz["tls_required"] is True
    assert varz["auth_required"] is True
    assert varz["max_payload"] == 8 * 2**20
    assert varz["max_connections"] == 1024


# Something that each role has to be able to say.
ALLOWED = {
    "worker": ["evt.0.cantor.budget", "$KV.KEYS.cantor.1"],
    "door": ["_INBOX_client.x", "_INBOX.key_1.x"],
    "callout": ["$SYS.REQ.SERVER.PING.CONNZ", "$SYS.REQ.SERVER.X.KICK"],
    "doorkeeper": ["cmd.cantor.access.report_denial"],
    "projector": ["$JS.API.STREAM.INFO.EVT_0"],
    "knowledge": [
        "$JS.API.STREAM.INFO.EVT_0",
        "blob.cantor.upload.x.1",
        "$JS.API.STREAM.PURGE.KNOWLEDGE",
        "cmd.cantor.budget.authorize",
        "cmd.cantor.knowledge.begin_ingestion",
    ],
    "desk": ["_INBOX_gateway.x", "_INBOX.key_1.x"],
    "api": ["$JS.API.STREAM.INFO.EVT_0"],
    "http": [
        "cmd.cantor.budget.authorize.key_1",
        "qry.cantor.budget.show.person_1",
        "reconcile.hint",
        "prove",
    ],
    "gateway": [
        "cmd.cantor.deployment.mint",
        "qry.cantor.deployment.show",
        "cmd.cantor.budget.authorize",
        "cmd.cantor.session.open",
        "cmd.cantor.secret.open",
        "qry.cantor.bundle.show",
    ],
    "reconciler": [
        "cmd.cantor.budget.authorize",
        "cmd.cantor.budget.settle",
        "cmd.cantor.secret.open",
        "qry.cantor.budget.find",
    ],
    "prover": ["_INBOX_http.x"],
    "client": ["cmd.cantor.budget.authorize"],
    "auditor": ["$JS.API.STREAM.INFO.EVT_0"],
    "admin": ["$JS.API.STREAM.CREATE.EVT_0", "$JS.API.STREAM.SNAPSHOT.EVT_0"],
    "monitor": ["$SYS.REQ.SERVER.PING.HEALTHZ"],
}


async def test_every_role_connects_and_is_confined(node):
    """Rights that are right in the embedded server could still be lost on the way to a file."""
    forbidden = ["$JS.API.STREAM.DELETE.EVT_0", "$JS.API.STREAM.PURGE.EVT_0", "$SYS.REQ.x"]
    assert set(ALLOWED) == set(ROLES)
    for role, subjects in ALLOWED.items():
        refusals = Refusals()
        connection = await node.connect(role, error_cb=refusals.note)
        for subject in subjects:
            assert await refusals.may(connection, connection.publish(subject, b"")), (role, subject)
        others = [] if role == "worker" else ["evt.0.cantor.budget"]
        if role == "gateway":
            # In its own name only: it lets visitors in, and makes the calls of its conversations.
            others += ["cmd.cantor.deployment.mint.key_1", "cmd.cantor.budget.authorize.key_1"]
            others += ["cmd.cantor.budget.top_up", "cmd.cantor.session.kill"]
        if role == "desk":
            # Who asks names where the answer goes.
            others += ["cmd.cantor.knowledge.approve", "push.cantor.bundle"]
        if role == "reconciler":
            # It books what was left over, and neither hints at itself nor governs anything.
            others += ["reconcile.hint", "cmd.cantor.budget.top_up", "cmd.cantor.secret.put"]
        if role == "prover":
            # It reads as the auditor, on another connection.
            others += ["_INBOX_client.x", "qry.cantor.budget.show", "$JS.API.STREAM.INFO.EVT_0"]
        if role not in ("http", "prover"):
            others.append("prove")
        if role != "knowledge":
            others += ["blob.cantor.upload.x.1", "part.cantor.x.1"]
        for subject in (*forbidden, *others):
            assert not await refusals.may(connection, connection.publish(subject, b"")), (
                role,
                subject,
            )
        assert not await refusals.may(connection, connection.subscribe(">"))
        await connection.close()


async def test_a_command_reaches_its_shard(node):
    """The mappings route every command; without them each would find nobody."""
    door, client = await node.connect("door"), await node.connect("client")

    async def answer(message) -> None:
        await message.respond(message.subject.encode())

    await door.subscribe("shard.*.cmd.*.budget.authorize.*", cb=answer)
    await door.flush()
    reply = await client.request("cmd.cantor.budget.authorize", b"")

    assert (
        reply.data.decode() == f"shard.{shard_of('cantor', 4)}.cmd.cantor.budget.authorize.operator"
    )
    await client.close()
    await door.close()


async def test_nobody_gets_in_without_tls_and_a_password(node):
    """What crosses the network are decisions about money."""
    trusting_nobody_we_know = ssl.create_default_context()
    for options in (
        {"password": "guess"},
        {"password": ""},
        {"tls": trusting_nobody_we_know},
        {"tls_hostname": "elsewhere.example"},
    ):
        with pytest.raises((NatsError, ssl.SSLError, OSError)):
            await node.connect("worker", **options)
    with pytest.raises((NatsError, ssl.SSLError, OSError)):
        await nats.connect(
            node.url.replace("tls://", "nats://"),
            user="worker",
            password=node.passwords[password_name("worker")],
            allow_reconnect=False,
            error_cb=quiet,
        )


async def test_a_key_opens_the_bus_through_the_callout(node):
    """With the keys that deploy.credentials made, sealed and over TLS; no key opens nothing."""
    directory = Directory()
    key = directory.issue("calls")
    login = Settings.from_env(node.settings_environment()).nats("callout")
    user = {"password": key.text, "inbox_prefix": caller_inbox(f"key_{key.key_id}")}
    async with callout(node, directory, keys=keys_in(CALLOUT_FILE), login=login):
        connection = await node.connect("key", **user)
        refusals = Refusals()
        connection._error_cb = refusals.note
        mine = f"cmd.cantor.budget.authorize.key_{key.key_id}"
        assert await refusals.may(connection, connection.publish(mine, b""))
        assert not await refusals.may(connection, connection.publish("evt.0.cantor.x", b""))
        await connection.close()
        with pytest.raises(NatsError, match="uthoriz"):
            await node.connect("key", **{**user, "password": directory.issue().text[:-1]})


async def test_a_password_changes_without_a_restart(node):
    """A definition in the file wins over the environment, and SIGHUP reads it (runbook, rotate)."""
    old, new = node.passwords[password_name("client")], credentials.new_password()
    bystander, lost = await node.connect("api"), asyncio.Event()

    async def note_loss() -> None:
        lost.set()

    rotated = await node.connect("client", disconnected_cb=note_loss)
    (node.directory / "rotated.conf").write_text(f'{password_name("client")}: "{new}"\n')
    node.config.write_text(f"include ./rotated.conf\n{node.config.read_text()}")
    assert "is valid" in config_test(node.config, node.environment()).stderr

    node.child.signal(signal.SIGHUP)
    async with asyncio.timeout(5):
        await lost.wait()

    node.passwords[password_name("client")] = new
    again = await node.connect("client")
    with pytest.raises(NatsError, match="uthoriz"):
        await node.connect("client", password=old)
    await bystander.flush()
    for connection in (again, bystander, rotated):
        await connection.close()


async def test_a_certificate_is_renewed_without_a_restart(node, directory, certificates):
    """Certificates end after a year; connections that are there stay (runbook, rotate)."""
    (directory / "tls").mkdir()
    renewed = Certificates(directory / "tls", authority=certificates.authority)
    node.config.write_text(
        node.config.read_text().replace(str(certificates.directory), str(renewed.directory))
    )
    kept = await node.connect("client")
    before = node.certificate()

    node.child.signal(signal.SIGHUP)

    async def changed() -> bool:
        return node.certificate() != before

    await until(changed, every_s=0.02, timeout_s=5)
    assert node.certificate() == (directory / "tls" / "server.crt").read_text()
    again = await node.connect("client")
    await kept.flush()
    for connection in (kept, again):
        await connection.close()


@pytest.fixture
async def three_nodes(directory, certificates):
    """The three committed files on loopback, started together."""
    route_ports = [ports.pick() for _ in THREE_NODES]
    nodes = []
    for number, file in enumerate(THREE_NODES):
        moved = {
            f'"0.0.0.0:{nats_nodes.ROUTE_PORT}"': f'"127.0.0.1:{route_ports[number]}"',
            **{
                f"{host}:{nats_nodes.ROUTE_PORT}": f"127.0.0.1:{port}"
                for host, port in zip(nats_nodes.NODES, route_ports, strict=True)
            },
        }
        node = Node(file, directory / f"three-{number}", certificates, moved)
        node.passwords = PASSWORDS
        nodes.append(node)
        node.launch()
    yield nodes
    for node in nodes:
        node.kill()


async def test_three_nodes_form_a_cluster_and_mend_it(three_nodes):
    """They find each other by certificate; one that lost its disk gets everything back."""
    first, _, third = three_nodes
    for node in three_nodes:
        await node.ready()
    monitor = await first.connect("monitor")

    async def agreed() -> bool:
        reply = await monitor.request("$SYS.REQ.SERVER.PING.JSZ", b'{"server_name":"nats-1"}')
        meta = json.loads(reply.data)["data"].get("meta_cluster", {})
        return bool(meta.get("leader")) and meta.get("cluster_size") == 3

    await until(agreed, every_s=0.1, timeout_s=20)
    await monitor.close()
    admin, worker = await first.connect("admin"), await first.connect("worker")
    jetstream = admin.jetstream()
    info = await jetstream.add_stream(name="PROBE", subjects=["evt.0.>"], num_replicas=3)
    holders = {info.cluster.leader, *(peer.name for peer in info.cluster.replicas)}
    assert holders == set(nats_nodes.NODES)
    for number in range(20):
        await worker.jetstream().publish("evt.0.cantor.tenant", str(number).encode())

    third.kill()
    shutil.rmtree(third.directory / "jetstream")
    third.launch()
    await third.ready()

    async def whole() -> bool:
        try:
            peers = (await jetstream.stream_info("PROBE")).cluster.replicas
        except (NatsError, TimeoutError):
            return False
        return len(peers) == 2 and all(peer.current and not peer.lag for peer in peers)

    await until(whole, every_s=0.1, timeout_s=30)
    assert (await jetstream.stream_info("PROBE")).state.messages == 20
    for connection in (admin, worker):
        await connection.close()


async def test_a_node_of_another_authority_stays_outside(directory, three_nodes):
    """A node that joined would hold a copy of every stream."""
    for node in three_nodes:
        await node.ready()
    routes = [
        line.split("//")[1].strip('" ')
        for line in three_nodes[0].config.read_text().splitlines()
        if "nats-route://" in line
    ]
    moved = {
        f'"0.0.0.0:{nats_nodes.ROUTE_PORT}"': f'"127.0.0.1:{ports.pick()}"',
        'server_name: "nats-3"': 'server_name: "stranger"',
        **{
            f"{host}:{nats_nodes.ROUTE_PORT}": route
            for host, route in zip(nats_nodes.NODES, routes, strict=True)
        },
    }
    (directory / "tls").mkdir()
    stranger = Node(THREE_NODES[2], directory / "stranger", Certificates(directory / "tls"), moved)
    stranger.launch()

    async def refused() -> bool:
        log = (three_nodes[0].directory / "log").read_text()
        return "TLS route handshake error" in log

    try:
        await until(refused, every_s=0.05, timeout_s=20)
    finally:
        stranger.kill()
    for node in three_nodes:
        assert "stranger" not in (node.directory / "log").read_text()
