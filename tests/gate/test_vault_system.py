"""
The vault on real servers: what lies on disk, and what an operator does with keys and twins.

One bus, one worker, one projector and one database for all tests here, which build on each other:
first a thousand secrets are put and looked for, then keys are rotated and wrapped, then one twin
is erased.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import secrets
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime

import nats
import psycopg
import pytest
import structlog
import typer
from typer.testing import CliRunner

from contracts.secret import SECRET_BYTES_MAX, SecretsView
from contracts.subjects import command, on_behalf
from contracts.usage import Usage
from deploy import credentials
from services.backup import deployment as backups
from services.cli.erase import erase
from services.cli.keys import keys as keys_app
from services.cli.secret import secret as secret_app
from services.cli.verify import verify
from services.embedded.nats_permissions import inbox_prefix
from services.embedded.polling import until
from services.sealing.jetstream_keys import JetStreamKeyStore
from services.sealing.keyring import Keyring
from services.secret import Secret
from tests.audit.conftest import projected, url
from tests.conftest import TEST_USER, new_directory, new_nats
from tests.projector.read_side import prepared
from tests.rig.deployment import Deployment
from tests.rig.searching import search, spellings
from tests.rig.twins import provision_twin

TWINS = tuple(f"vault-{number}" for number in range(8))
EACH = 125
OPENED = 40
# Random, so that it is nobody else's; long, so that half of it would be found as well.
MARKER = b"SENTINEL" + secrets.token_hex(8).encode()


def value(tenant: str, number: int) -> Secret:
    return Secret(f"sk-{number}-{tenant}-{MARKER.decode()}-{number}")


class Vaults:
    """The system of this file, and where it leaves files."""

    def __init__(self, made: Deployment, directory, dsn: str, postgres) -> None:
        self.made = made
        self.directory = directory
        self.dsn = dsn
        self.postgres = postgres
        self.places = [directory, postgres.directory]

    def vito(self, app, *arguments: str, stdin: str = ""):
        """What a command prints; it must succeed."""
        done = self.invoke(app, *arguments, stdin=stdin)
        assert done.exit_code == 0, (done.output, done.exception)
        return done.output

    def invoke(self, app, *arguments: str, stdin: str = ""):
        """Run a command; it sets logging up for its process, which is put back as it was."""
        before, root = structlog.get_config(), logging.getLogger()
        handlers, level = root.handlers[:], root.level
        try:
            return CliRunner().invoke(app, [*arguments], input=stdin, env=self.made.variables)
        finally:
            structlog.configure(**before)
            root.handlers[:] = handlers
            root.setLevel(level)

    def flush(self) -> None:
        """What Postgres still has in memory must be searched as well."""
        with psycopg.connect(self.postgres.dsn(), autocommit=True) as connection:
            connection.execute("CHECKPOINT")


@pytest.fixture(scope="module")
def vaults(postgres) -> Iterator[Vaults]:
    name, directory = f"test_{secrets.token_hex(6)}", new_directory()
    with psycopg.connect(postgres.dsn(), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        bus = new_nats(directory / "nats", shards=2)
        dsn = postgres.dsn(name)
        made = asyncio.run(start(bus, directory, dsn))
        yield Vaults(made, directory, dsn, postgres)
        made.kill_all()
        bus.kill()
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    shutil.rmtree(directory, ignore_errors=True)


async def start(bus, directory, dsn: str) -> Deployment:
    await bus.start()
    await prepared(dsn)
    made = Deployment(
        bus,
        directory / "data",
        variables={
            "VITO_POSTGRES_OWNER_DSN": dsn,
            "VITO_POSTGRES_DSN": url(dsn, "vito_projector"),
            "VITO_POSTGRES_READER_DSN": url(dsn, "vito_api"),
        },
    )
    await made.set_up()
    await asyncio.gather(made.start("worker"), made.start("projector"))
    await asyncio.gather(*(provision_twin(made, tenant) for tenant in TWINS))
    return made


# -- a thousand secrets ----------------------------------------------------------------


async def use(vaults: Vaults) -> None:
    """Put them all, open some, and be refused in every way that a value could be told in."""
    async with vaults.made.client(TWINS[0]) as gate:
        for start_at in range(0, EACH, 25):
            await asyncio.gather(
                *(
                    gate.for_tenant(tenant).put_secret(f"key-{n}", value(tenant, n))
                    for tenant in TWINS
                    for n in range(start_at, start_at + 25)
                )
            )
        await asyncio.gather(*(open_one(gate.for_tenant(TWINS[n % 8]), n) for n in range(OPENED)))
        await gate.rotate_secret("key-1", value("rotated", 1))
        await gate.revoke_secret("key-2")
        reused = await gate.put_secret("key-3", value("a", 1), command_id="same")
        other = await gate.put_secret("key-3", value("b", 2), command_id="same")
        absent = await gate.for_tenant("nobody").put_secret("key-1", value("nobody", 1))
    assert (reused.status, other.code, absent.code) == (200, "command_id_reused", "twin_unknown")
    await be_refused(vaults.made)


async def open_one(gate, number: int) -> None:
    granted = await gate.authorize(
        modality="text", provider_id="p", sku="s", estimate=Usage(requests=1)
    )
    grant = gate.grant(granted)
    grant.open("p")
    assert await grant.secret(f"key-{number}") == value(gate.tenant, number)
    await gate.settle(granted.reservation_id, Usage(requests=1))


async def be_refused(made: Deployment) -> None:
    """Malformed in every field, by strangers, to subjects that lead nowhere."""
    said = value("malformed", 0).reveal()
    good = {"command_id": "m", "name": "n", "value": said}
    wrong = [
        {**good, "value": [said]},
        {**good, "value": said * (SECRET_BYTES_MAX // 8)},
        {**good, "name": said + " "},
        {**good, "command_id": said + " "},
        {**good, said: said},
        {**good, "overlap_ms": said},
        [good],
        said,
    ]
    connection = await nats.connect(
        made.bus.url_for(TEST_USER), inbox_prefix=inbox_prefix(TEST_USER)
    )
    replies = []
    for body in [json.dumps(one).encode() for one in wrong] + [json.dumps(good).encode()[:-1]]:
        for verb in ("put", "rotate"):
            subject = command(TWINS[0], "secret", verb)
            replies.append(await connection.request(subject, body, timeout=10))
    assert {json.loads(reply.data)["status"] for reply in replies} == {400}
    stranger = command(TWINS[0], "secret", "put", on_behalf(TEST_USER, "key_nobody"))
    reply = await connection.request(stranger, json.dumps(good).encode(), timeout=10)
    assert json.loads(reply.data)["status"] == 403
    for lost in (f"shard.0.cmd.{TWINS[0]}.secret.put.operator", "cmd.nobody.secret.put"):
        await connection.publish(lost, json.dumps(good).encode())
    await connection.flush()
    await connection.close()


async def all_projected(vaults: Vaults) -> None:
    for tenant in TWINS:
        await projected(vaults.made, tenant)


def test_a_thousand_secrets_leave_no_trace_on_any_disk(vaults):
    """
    Goal: a stolen disk, dump, backup or log shows no value, in no spelling.
    Method: a gate, a projector and a backup at work; then every byte that they left is searched.
    """
    asyncio.run(use(vaults))
    asyncio.run(all_projected(vaults))
    asyncio.run(
        backups.backup(
            vaults.made.settings,
            vaults.directory / "backup",
            now=datetime.now(UTC),
            tell=lambda _copy: None,
        )
    )
    vaults.flush()

    with psycopg.connect(vaults.dsn) as owner:
        rows = owner.execute(
            "SELECT count(*), sum(openings) FROM tenant_secrets WHERE name LIKE 'key-%'"
        ).fetchone()
    assert rows == (len(TWINS) * EACH + 2, OPENED)
    said = "".join(process.said() for process in vaults.made.processes)
    assert "shard_task_failed" not in said
    assert search(vaults.places, MARKER) == []


def test_the_search_would_find_one(vaults):
    """The control: planted in each place, in each spelling, it is found there."""
    planted = b"PLANTED" + secrets.token_hex(8).encode()
    (vaults.directory / "a-log.log").write_text(f'{{"value": "{planted.decode()}"}}')
    (vaults.directory / "a-dump").write_bytes(base64.b64encode(b"x" + planted + b"yz"))
    asyncio.run(store(vaults.made, b"12" + base64.b64encode(b"12" + planted)))
    with psycopg.connect(vaults.dsn, autocommit=True) as owner:
        owner.execute("CREATE TABLE planted (a text)")
        owner.execute("INSERT INTO planted VALUES (%s)", (planted.hex(),))
    vaults.flush()

    hits = search(vaults.places, planted)

    for place in ("a-log.log", "a-dump", "jetstream", str(vaults.postgres.directory)):
        assert any(place in hit for hit in hits), place


async def store(made: Deployment, payload: bytes) -> None:
    connection = await nats.connect(made.bus.url_for(TEST_USER))
    jetstream = connection.jetstream()
    await jetstream.add_stream(name="PLANTED", subjects=["planted"])
    await jetstream.publish("planted", payload)
    await connection.close()


def test_spellings_are_found_wherever_they_stand():
    """The control of the control: every alignment, beside any neighbours."""
    marker = b"a-marker-of-23-bytes-??>"
    for before in range(7):
        for after in range(4):
            whole = secrets.token_bytes(before) + marker + secrets.token_bytes(after)
            for spelled in (
                whole,
                whole.hex().encode(),
                whole.hex().upper().encode(),
                base64.b64encode(whole),
                base64.urlsafe_b64encode(whole),
            ):
                assert any(one in spelled for one in spellings(marker))


# -- what an operator does ---------------------------------------------------------------


def test_the_command_line_takes_values_from_stdin_and_files_only(vaults):
    """Never from its arguments, which everybody on the machine can read."""
    twin = TWINS[1]
    told = vaults.vito(secret_app, "put", twin, "cli", stdin="from-stdin\n")
    assert told.startswith(f"{twin}: cli, version 1, at position ")
    file = vaults.directory / "value"
    file.write_bytes("de-un-archivo-ñ\r\n".encode())
    vaults.vito(secret_app, "put", twin, "cli", "--file", str(file), "--overlap", "1h")
    listed = vaults.vito(secret_app, "list", twin)
    assert "cli" in listed
    assert "archivo" not in listed
    as_json = json.loads(vaults.vito(secret_app, "list", twin, "--json"))
    (found,) = [one for one in as_json["secrets"] if one["name"] == "cli"]
    assert [version["version"] for version in found["versions"]] == [1, 2]
    assert asyncio.run(opened(vaults.made, twin, "cli")) == "de-un-archivo-ñ"

    said = vaults.vito(secret_app, "revoke", twin, "cli", "--version", "2")
    assert said == f"{twin}: cli, version 2 revoked\n"
    assert asyncio.run(opened(vaults.made, twin, "cli")) == "from-stdin"


async def opened(made: Deployment, tenant: str, name: str) -> str:
    async with made.client(tenant) as gate:
        granted = await gate.authorize(
            modality="text", provider_id="p", sku="s", estimate=Usage(requests=1)
        )
        grant = gate.grant(granted)
        grant.open("p")
        return (await grant.secret(name)).reveal()


@pytest.mark.parametrize(
    ("arguments", "stdin", "told"),
    [
        (["put", "vault-1", "white space"], "x", "`name` must be 1 to 64 of"),
        (["put", "vault-1", "n"], "", "1 to 8192 bytes"),
        (["put", "vault-1", "n"], "x" * 8_193, "1 to 8192 bytes"),
        (["put", "Vault", "n"], "x", "is not the name of a twin"),
        (["put", "vault-1", "n", "--overlap", "31d"], "x", "too long"),
        (["put", "vault-1", "n", "--file", "/nowhere"], "", "cannot be read"),
        (["revoke", "vault-1", "never-put"], "", "secret_unknown"),
    ],
)
def test_a_mistake_is_explained_and_no_value_repeated(vaults, arguments, stdin, told):
    """What is wrong and what to do; nothing of what was typed in secret."""
    done = vaults.invoke(secret_app, *arguments, stdin=stdin)

    assert done.exit_code == 1
    assert told in str(done.exception)
    assert getattr(done.exception, "remedy", "")
    assert "xxx" not in str(done.exception)


def test_keys_are_rotated_and_wrapped_anew_while_everything_goes_on(vaults):
    """The deployment's key first, as the runbook says; in the end the old one opens nothing."""
    twin = TWINS[2]
    assert "version 2, since position" in vaults.vito(keys_app, "rotate", twin)
    kek_file = vaults.made.directory / "kek.json"
    credentials.add_kek(kek_file)
    credentials.use_kek(kek_file, 2)
    asyncio.run(restarted(vaults.made))

    told = vaults.vito(keys_app, "rewrap")

    assert f"{len(TWINS)} twins: {len(TWINS) + 1} keys were wrapped anew" in told
    assert told.endswith("every key is wrapped with KEK version 2\n")
    assert "0 keys were wrapped anew" in vaults.vito(keys_app, "rewrap")
    assert asyncio.run(wrapped_by(vaults.made)) == {2}
    assert asyncio.run(opened(vaults.made, twin, "key-7")) == value(twin, 7).reveal()


async def restarted(made: Deployment) -> None:
    """Worker and projector read the keyring when they start."""
    for process in made.processes:
        process.kill()
    await asyncio.gather(made.start("worker"), made.start("projector"))


async def wrapped_by(made: Deployment) -> set[int]:
    """Which KEKs any stored key still needs."""
    connection = await nats.connect(made.bus.url_for(TEST_USER))
    store = await JetStreamKeyStore.open(connection.jetstream())
    found = {
        Keyring.kek_version(wrapped)
        for tenant in await store.tenants()
        for version in await store.versions(tenant)
        for wrapped in await store.wrappings(tenant, version)
    }
    await connection.close()
    return found


def test_an_erased_twin_is_gone_everywhere_and_the_others_are_not(vaults):
    """Its keys, its snapshot, its rows; its chain still verifies, and so does everybody else."""
    twin, other = TWINS[3], TWINS[4]
    asyncio.run(all_projected(vaults))
    app = command_of(erase)
    refused = vaults.invoke(app, twin)
    assert "cannot be undone" in str(refused.exception)

    assert f"{twin} is erased, at position" in vaults.vito(app, twin, "--yes")
    assert vaults.vito(app, twin, "--yes") == f"{twin} was erased before.\n"

    asyncio.run(rows_are_gone(vaults, twin))
    gone, neighbour = verified(vaults, twin), verified(vaults, other)
    assert gone["erased"]
    assert (gone["log"]["state"], gone["postgres"]["state"]) == ("proved", "none")
    areas = ("log", "content", "live", "postgres")
    assert {neighbour[area]["state"] for area in areas} == {"proved"}
    asyncio.run(is_refused(vaults.made, twin))
    assert asyncio.run(opened(vaults.made, other, "key-7")) == value(other, 7).reveal()


def verified(vaults: Vaults, twin: str) -> dict:
    """What `vito verify` says of a twin; nothing may be wrong or left out."""
    done = vaults.invoke(command_of(verify), twin, "--json")
    assert done.exit_code == 0, done.output
    (report,) = json.loads(done.stdout)["tenants"]
    return report


def command_of(function):
    app = typer.Typer(add_completion=False)
    app.command()(function)
    return app


async def rows_are_gone(vaults: Vaults, twin: str) -> None:
    async with await psycopg.AsyncConnection.connect(vaults.dsn, autocommit=True) as owner:

        async def told() -> bool:
            found = await owner.execute("SELECT status FROM tenants WHERE tenant = %s", (twin,))
            return await found.fetchone() == ("erased",)

        await until(told, every_s=0.05, timeout_s=20)
        for view in ("tenant_secrets", "decisions", "holds", "billing_meters", "policies"):
            found = await owner.execute(f"SELECT count(*) FROM {view} WHERE tenant = %s", (twin,))
            assert await found.fetchone() == (0,), view


async def is_refused(made: Deployment, twin: str) -> None:
    async with made.client(twin) as gate:
        receipt = await gate.top_up(5)
        assert (receipt.status, receipt.code) == (410, "twin_erased")
        assert (await gate.put_secret("key-1", Secret("x"))).code == "twin_erased"
        assert (await gate.for_tenant(TWINS[4]).show(SecretsView)).secrets
