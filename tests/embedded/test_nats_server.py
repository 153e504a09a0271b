"""The embedded nats-server: durable, routed, and each role confined to its own."""

import stat

import nats
import pytest
from nats.errors import NoRespondersError
from rich.pretty import pretty_repr

from contracts.subjects import shard_of
from services.embedded import ports
from services.embedded.nats_config import SHARDS_DEFAULT, NatsUser, Variable, render
from services.embedded.nats_permissions import ROLES, inbox_prefix, permissions
from services.embedded.nats_server import StartFailed, new_users
from services.secret import Secret


class Login:
    """A connection of one role that keeps what the server forbade."""

    def __init__(self, server, user: str) -> None:
        self.server = server
        self.user = user
        self.forbidden: list[str] = []

    async def __aenter__(self):
        self.connection = await nats.connect(
            self.server.url_for(self.user),
            inbox_prefix=inbox_prefix(self.user),
            error_cb=self.note,
            allow_reconnect=False,
        )
        return self

    async def __aexit__(self, *_exc) -> None:
        await self.connection.close()

    async def note(self, error: Exception) -> None:
        self.forbidden.append(str(error))

    async def may_publish(self, subject: str) -> bool:
        before = len(self.forbidden)
        await self.connection.publish(subject, b"x")
        await self.settle()
        return len(self.forbidden) == before

    async def may_subscribe(self, subject: str) -> bool:
        before = len(self.forbidden)
        await self.connection.subscribe(subject)
        await self.settle()
        return len(self.forbidden) == before

    async def settle(self) -> None:
        # The client's ping overtakes what it has buffered, so only the second one
        # comes after it; a refusal is sent before the answer to that.
        await self.connection.flush()
        await self.connection.flush()


async def test_every_acknowledged_message_is_synced(nats_server):
    """Without `sync_always` an acknowledgement promises nothing when the power fails."""
    config = (await nats_server.varz())["jetstream"]["config"]

    assert config["sync_always"] is True


async def test_no_warning_about_payload_size(nats_server):
    """The server warns above 8 MB, and a warning at every start hides real ones."""
    varz = await nats_server.varz()

    assert varz["max_payload"] == 8 * 2**20
    assert "Maximum payloads" not in nats_server.log.read_text()


async def test_commands_reach_the_shard_of_their_tenant(nats_server):
    """Clients know tenants only; the server finds the shard by the hash the worker uses."""
    async with Login(nats_server, "door") as door, Login(nats_server, "client") as client:

        async def answer(message) -> None:
            await message.respond(message.subject.encode())

        for shard in range(SHARDS_DEFAULT):
            await door.connection.subscribe(f"shard.{shard}.cmd.*.budget.authorize.*", cb=answer)
            await door.connection.subscribe(f"shard.{shard}.qry.*.budget.state.*", cb=answer)
        await door.connection.flush()

        for tenant in ("cantor", "fernandez", "a", "b", "c-4", "x_9"):
            shard = shard_of(tenant, SHARDS_DEFAULT)
            for subject in (f"cmd.{tenant}.budget.authorize", f"qry.{tenant}.budget.state"):
                reply = await client.connection.request(subject, b"x")
                assert reply.data.decode() == f"shard.{shard}.{subject}.operator"


async def test_a_malformed_command_is_refused_at_once(nats_server):
    """Nobody listens to a subject that no mapping covers: a timeout would say less."""
    async with Login(nats_server, "client") as client:
        for subject in ("cmd.cantor.budget", "cmd.cantor.budget.authorize.key_1.now", "qry.x"):
            with pytest.raises(NoRespondersError):
                await client.connection.request(subject, b"x")


async def test_a_client_cannot_forge_or_listen(nats_server):
    """Only the worker writes events, and nobody reads another's replies."""
    async with Login(nats_server, "client") as client:
        assert await client.may_publish("cmd.cantor.budget.authorize")
        for subject in (
            "evt.0.cantor.budget",
            "$KV.KEYS.cantor.1",
            "$KV.LEASES.0",
            "_INBOX_api.x",
            "$JS.API.STREAM.DELETE.EVT_0",
            "$JS.API.STREAM.CREATE.X",
            # Who serves what is for operators.
            "$SRV.PING",
        ):
            assert not await client.may_publish(subject), subject
        for subject in ("shard.>", "evt.>", ">", "_INBOX.>", "_INBOX_api.>", "cmd.>"):
            assert not await client.may_subscribe(subject), subject


async def test_only_the_worker_publishes_events(nats_server):
    """The fence is worth nothing beside a second writer that does not use it."""
    writers = []
    for role in ROLES:
        async with Login(nats_server, role) as login:
            if await login.may_publish("evt.0.cantor.budget"):
                writers.append(role)

    assert writers == ["worker"]


async def test_readers_cannot_change_what_they_read(nats_server):
    """A projector, an auditor or the query API that is taken over must not harm the log."""
    for role in ("projector", "auditor", "api"):
        async with Login(nats_server, role) as login:
            assert await login.may_publish("$JS.API.STREAM.INFO.EVT_0"), role
            for subject in (
                "$JS.API.STREAM.UPDATE.EVT_0",
                "$JS.API.STREAM.PURGE.EVT_0",
                "$JS.API.STREAM.DELETE.EVT_0",
                "$JS.API.STREAM.MSG.DELETE.EVT_0",
                "$KV.KEYS.cantor.1",
                "cmd.cantor.budget.authorize",
            ):
                assert not await login.may_publish(subject), (role, subject)


async def test_nobody_deletes_the_log_over_the_bus(nats_server):
    """The streams forbid deleting messages; deleting a stream only permissions forbid."""
    for role in ROLES:
        async with Login(nats_server, role) as login:
            for verb in ("DELETE", "PURGE", "MSG.DELETE"):
                assert not await login.may_publish(f"$JS.API.STREAM.{verb}.EVT_1"), role


async def test_a_client_of_one_tenant_stays_there(nats_factory):
    """A service of one twin must not spend another twin's money."""
    confined = NatsUser("cantor-agent", "client", Secret("p" * 32), tenant="cantor")
    server = nats_factory(users=(*new_users(), confined))
    await server.start()

    async with Login(server, "cantor-agent") as agent:
        assert await agent.may_publish("cmd.cantor.budget.authorize")
        assert not await agent.may_publish("cmd.fernandez.budget.authorize")
        assert not await agent.may_publish("shard.1.cmd.fernandez.budget.authorize")


async def test_agents_hear_of_their_own_twin_and_only_the_gate_tells_them(nats_factory):
    """A false push would make an agent say what somebody else wrote."""
    confined = NatsUser("cantor-agent", "client", Secret("p" * 32), tenant="cantor")
    server = nats_factory(users=(*new_users(), confined))
    await server.start()

    async with Login(server, "cantor-agent") as agent:
        assert await agent.may_subscribe("push.cantor.bundle")
        for subject in ("push.fernandez.bundle", "push.*.bundle", "push.>", "push.*.>"):
            assert not await agent.may_subscribe(subject), subject
    tellers = []
    for role in (*ROLES, "cantor-agent"):
        async with Login(server, role) as login:
            if await login.may_publish("push.cantor.bundle"):
                tellers.append(role)
    assert tellers == ["door"]


async def test_no_login_no_connection(nats_server):
    """The servers listen on loopback, which every process of the machine can reach."""
    for options in ({}, {"user": "worker", "password": "guess"}):
        with pytest.raises(nats.errors.Error, match="uthoriz"):
            await nats.connect(
                nats_server.url, **options, allow_reconnect=False, error_cb=Login(None, "").note
            )


async def test_a_killed_server_comes_back_with_what_it_acknowledged(own_nats):
    """kill -9 is the everyday form of a crash; clients find the same port again."""
    connection = await nats.connect(own_nats.url_for("unrestricted"), reconnect_time_wait=0.05)
    stream = connection.jetstream()
    await stream.add_stream(name="S", subjects=["s.>"])
    port, pid = own_nats.config.port, own_nats.pid
    for number in range(50):
        await stream.publish("s.x", str(number).encode())

    own_nats.kill()
    assert own_nats.pid is None
    await own_nats.start()

    assert (own_nats.config.port, own_nats.pid != pid) == (port, True)
    async with Login(own_nats, "unrestricted") as again:
        info = await again.connection.jetstream().stream_info("S")
    assert info.state.messages == 50
    await connection.close()


async def test_a_taken_port_is_reported(nats_factory, nats_server):
    """A fixed port that somebody has must fail with the server's own words, not hang."""
    server = nats_factory(port=nats_server.config.port)

    with pytest.raises(StartFailed, match="address already in use"):
        await server.start()
    assert server.pid is None


async def test_the_configuration_is_private(nats_server):
    """It holds the passwords of all roles."""
    mode = (nats_server.directory / "nats.conf").stat().st_mode

    assert stat.S_IMODE(mode) == 0o600


def test_passwords_stay_out_of_repr(nats_server):
    """What is printed or logged by accident must not open a door."""
    for user in nats_server.config.users:
        assert user.password.reveal() not in repr(nats_server.config)
        assert user.password.reveal() not in pretty_repr(nats_server.config)


def test_passwords_can_come_from_the_environment(nats_server):
    """A deployment keeps its passwords out of the configuration file."""
    users = tuple(NatsUser(role, role, Variable(f"NATS_{role.upper()}")) for role in ROLES)
    text = render(type(nats_server.config)("n", "/var/lib/nats", 4222, users))

    assert "password: $NATS_WORKER" in text


def test_the_door_answers_inboxes_and_pushes_and_nothing_else():
    """A requester chooses where the reply goes; the door's rights are what limits it."""
    rights = permissions("door", "door", shards=4, users=["client", "api"])

    assert rights.publish == (
        "_INBOX.>",
        "_INBOX_client.>",
        "_INBOX_api.>",
        "push.*.>",
        "gate.heartbeat",
    )


def test_ports_are_below_the_ephemeral_range():
    """A killed server's port must not be handed to somebody's outgoing connection."""
    assert all(15_000 <= ports.pick() < 32_768 for _ in range(20))
    assert not ports.is_free(0) or ports.pick(0) > 0
