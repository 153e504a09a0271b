"""A twin's way to the air on real servers: bus, worker, log, tables, HTTP and command line."""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator

import msgspec
import psycopg
import pytest
import typer.main

from contracts.twin import Identity, IdentityDrafted
from contracts.usage import Usage
from contracts.views import BudgetView, TwinView
from services.audit.access import opened
from services.audit.verify import Verifier
from services.cli import twin as cli
from services.cli.asking import Refused
from services.cli.top_up import top_up
from services.client import GateClient
from services.failure import Failure
from services.sandbox.server import Sandbox
from services.secret import Secret
from services.twins import CANTOR, FERNANDEZ
from tests.audit.conftest import projected, start
from tests.conftest import new_directory, new_nats
from tests.query_api.conftest import as_reader, serving
from tests.rig.checking import read_log
from tests.rig.deployment import ROOT, Deployment

# As people write it: marks, accents, one letter in two ways, and what a terminal may get wrong.
IDENTITY = msgspec.structs.replace(
    CANTOR.identity,
    accent="Español rioplatense, «vos» 🧉",
    signature_phrases=["¡Goooool!", "¡Qué golazo, Fernández!", "Jose\u0301 \t\\N 'o' \"x\"\n"],
)


@pytest.fixture(scope="module")
def system(postgres) -> Iterator[Deployment]:
    """A bus, a worker, a projector and their tables."""
    name, directory = f"test_{secrets.token_hex(6)}", new_directory()
    with psycopg.connect(postgres.dsn(), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        bus = new_nats(directory, shards=2)
        made = asyncio.run(start(bus, directory, postgres.dsn(name), tenants=()))
        yield made
        made.kill_all()
        bus.kill()
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
async def tenant(system) -> str:
    """A twin that nobody has signed off."""
    name = f"t-{secrets.token_hex(4)}"
    async with system.client(name) as gate:
        receipt = await gate.provision(
            display_name=CANTOR.display_name,
            organisation=CANTOR.organisation,
            policy=CANTOR.policy,
            price_book=CANTOR.price_book,
        )
    assert receipt.code == "provisioned"
    return name


@pytest.fixture
async def sandbox(monkeypatch):
    """The vendors, for the commands that call one."""
    async with Sandbox() as made:
        monkeypatch.setenv("VITO_SANDBOX_URL", made.url)
        yield made


@pytest.fixture
def vito(system, monkeypatch, capsys):
    """Type a command of `vito twin` here, in this process; what it printed."""
    for name, value in system.variables.items():
        monkeypatch.setenv(name, value)
    command = typer.main.get_command(cli.app)

    async def run(*words: str) -> str:
        capsys.readouterr()
        await asyncio.to_thread(command.main, list(words), standalone_mode=False)
        return capsys.readouterr().out

    return run


@pytest.fixture
def document(tmp_path):
    """Write a document into a file; its name."""

    def write(content) -> str:
        path = tmp_path / "document.json"
        raw = content if isinstance(content, bytes) else msgspec.json.encode(content)
        path.write_bytes(raw)
        return str(path)

    return write


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
async def test_text_survives_every_round_trip(system, tenant, encoding, vito, document):
    """To the letter: through the bus, the log, the tables, HTTP and the command line."""
    async with system.client(tenant) as first:
        gate = GateClient(first._bus, tenant, encoding=encoding)
        assert (await gate.set_identity(IDENTITY, note="¡Olé!")).version == 1
        shown = await gate.show(TwinView)
    assert shown.draft.identity == IDENTITY

    (logged,) = [
        e for e in (await read_log(system, tenant)).events if isinstance(e, IdentityDrafted)
    ]
    assert (logged.identity, logged.note) == (IDENTITY, "¡Olé!")

    await projected(system, tenant)
    dsn = system.variables["VITO_POSTGRES_OWNER_DSN"]
    with psycopg.connect(dsn) as database:
        query = "SELECT document, note FROM twin_dna WHERE tenant = %s"
        (row,) = database.execute(query, (tenant,)).fetchall()
    assert (msgspec.convert(row[0], Identity), row[1]) == (IDENTITY, "¡Olé!")

    async with serving(as_reader(dsn)) as api:
        answer = await api.get(f"/v1/tenants/{tenant}/twin")
    assert msgspec.convert(answer.json["draft"]["document"], Identity) == IDENTITY

    told = msgspec.json.decode(await vito("show", tenant, "--json"), type=TwinView)
    assert told.draft.identity == IDENTITY
    await vito("set-identity", tenant, document(told.draft.identity), "--expected-version", "1")
    told = msgspec.json.decode(await vito("show", tenant, "--json"), type=TwinView)
    assert (told.draft.version, told.draft.identity) == (2, IDENTITY)


async def test_the_command_line_leads_to_the_air(system, sandbox, tenant, vito, document):
    """What an owner's team types, from the first document to the end of the twin."""
    async with system.client(tenant) as gate:
        assert (await gate.put_secret("tavus", Secret("sandbox-tavus"))).status == 200

        async def call():
            estimate = {"modality": "text", "provider_id": "openai", "sku": "gpt-4o-mini"}
            decision = await gate.authorize(**estimate, estimate=Usage(input_tokens=10))
            if decision.reservation_id:
                await gate.release(decision.reservation_id)
            return decision.code

        await vito("set-identity", tenant, document(IDENTITY))
        await vito("set-purpose", tenant, document(FERNANDEZ.purpose), "--note", "a trial")
        assert "twin.begin_calibration" in await vito("show", tenant)
        said = await vito("calibrate", tenant)
        conversations = list(sandbox.vendors["tavus"].conversations)
        shown = [f"sample {n}: {name} (call {tenant}." for n, name in enumerate(conversations, 1)]
        assert [line in said for line in shown] == [True] * 3
        assert "identity 2 is the draft" in await vito("refine", tenant, "--pitch", "1050")
        with pytest.raises(Refused, match=r"twin\.begin_calibration"):
            await vito("sign-off", tenant, "2")
        assert "vito twin sign-off" in await vito("calibrate", tenant)
        assert await call() == "twin_not_activated"
        # Six samples, as long as each lasted, and not a nano below the vendor's bill.
        money = (await gate.show(BudgetView)).meters[0]
        billed_nanos = sandbox.ledger.bill("tavus").stream_ms * 370_000_000 // 60_000
        assert len(sandbox.vendors["tavus"].conversations) == 6
        assert (money.committed >= billed_nanos, money.held) == (True, 0)
        with pytest.raises(Refused, match="Somebody else changed it"):
            await vito("sign-off", tenant, "1")
        assert "identity 2 is live" in await vito("sign-off", tenant, "2", "--note", "¡Soy yo!")
        assert await call() == "granted"
        assert "takes no calls" in await vito("suspend", tenant, "--reason", "a complaint")
        assert await call() == "twin_suspended"
        await vito("resume", tenant)
        await vito("suspend", tenant, "--asleep")
        assert await call() == "twin_sleeping"
        assert "takes calls again" in await vito("resume", tenant)
        assert await call() == "granted"
        assert "¡Goooool!" in await vito("show", tenant)
        await projected(system, tenant)
        async with opened(system.settings) as access, Verifier(access) as verifier:
            assert (await verifier.tenant(tenant)).findings == []
        assert "is retired" in await vito("retire", tenant, "--yes")
        assert await call() == "twin_retired"
        with pytest.raises(Refused, match="retired, for ever"):
            await vito("set-purpose", tenant, document(CANTOR.purpose))


GOOD = msgspec.to_builtins(IDENTITY)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{", r"is not JSON: .* line 1 column 2"),
        (b'{"tone": "\xff"}', r"is no UTF-8 text \(byte 10\)"),
        (b"[]", "identity: Expected `object`, got `array`"),
        (json.dumps({**GOOD, "mood": "x"}).encode(), "identity: .* unknown field `mood`"),
        (json.dumps({**GOOD, "tone": "x" * 201}).encode(), r"identity\.tone: .* length <= 200"),
        (json.dumps({**GOOD, "tone": 7}).encode(), r"identity\.tone: Expected `str`, got `int`"),
        (json.dumps({**GOOD, "language": "Spanish (AR)"}).encode(), r"identity\.language: "),
        (json.dumps({**GOOD, "tone": "a\u202eb"}).encode(), r"`identity\.tone` has U\+202E"),
        (json.dumps({**GOOD, "accent": "\ud800"}).encode(), r"`identity\.accent` has U\+D800"),
        (
            json.dumps({**GOOD, "signature_phrases": ["a", "b\0"]}).encode(),
            r"`identity\.signature_phrases\[1\]` has U\+0000 at character 2",
        ),
        (json.dumps({**GOOD, "signature_phrases": [" "]}).encode(), r"phrases\[0\]: more"),
        (b"[" * 100_000, "is not JSON"),
        (b" " * 1_000_001, "more than 1000000 characters"),
    ],
    ids=range(13),
)
async def test_a_document_that_is_wrong_is_explained(tenant, vito, document, content, says):
    """The file, the field and the rule; whoever wrote it is no programmer."""
    with pytest.raises(Failure, match=says) as caught:
        await vito("set-identity", tenant, document(content))

    assert caught.value.remedy


@pytest.mark.parametrize(
    ("words", "says", "remedy"),
    [
        (["{twin}", "12,50"], "'12,50' is not an amount", "such as 25"),
        (["Cantor", "5"], "is not the name of a twin", "lower-case"),
        (["nobody", "5"], "There is no such twin", "provision"),
        (["{twin}", "5", "--reason", "a\x07b"], "`reason` has U\\+0007 at character 2", "field"),
        (["{twin}", "5", "--reason", "x" * 501], "length <= 500 - at `\\$.reason`", "field"),
    ],
)
async def test_a_top_up_that_cannot_be_is_explained(
    system, tenant, monkeypatch, words, says, remedy
):
    """What is wrong and what to do, however far it came."""
    for name, value in system.variables.items():
        monkeypatch.setenv(name, value)
    app = typer.Typer(add_completion=False)
    app.command()(top_up)
    typed = [word.format(twin=tenant) for word in words]
    with pytest.raises(Failure, match=says) as caught:
        await asyncio.to_thread(typer.main.get_command(app).main, typed, standalone_mode=False)

    assert remedy in caught.value.remedy


def test_a_terminal_gets_it_right(system):
    """Once as a process of its own, as everybody types it."""
    done = subprocess.run(
        [sys.executable, "-m", "services.cli", "twin", "example", "identity"],
        env={"PATH": "/usr/bin:/bin", "LANG": "C", **system.variables},
        cwd=ROOT,
        capture_output=True,
        check=True,
    )

    assert msgspec.json.decode(done.stdout, type=Identity) == CANTOR.identity
