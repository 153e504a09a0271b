"""`vito deployment` and `vito knowledge` as a person types them, against real rules."""

import asyncio
import json

import pytest
from typer.testing import CliRunner

from services.cli import deployment, knowledge
from services.failure import Failure
from tests.client.fake_gate import FakeGate
from tests.domain.governed import HASHES

WEB = ("create", "cantor", "web", "--origin", "https://fútbol.mx", "--language", "es-MX")
TOLD = ("--disclosure", "Soy una IA. ¡Goooool!")
RULES = ("add", "cantor", "rules", "https://a.example/r", "--kind", "web", "--title", "Reglas")


@pytest.fixture
def type_in(client, own_nats, monkeypatch, tmp_path):
    """Type a command; returns what is printed, or the failure that a person would see."""
    monkeypatch.setenv("VITO_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("VITO_NATS_URLS", own_nats.url)
    monkeypatch.setenv("VITO_NATS_CLIENT_PASSWORD", own_nats.password("client"))

    async def run(app, *words: str) -> str | Failure:
        invoke = CliRunner().invoke
        # In a thread: the command runs a loop of its own, and the gate answers on this one.
        done = await asyncio.to_thread(invoke, app, list(words))
        if isinstance(done.exception, Failure):
            return done.exception
        assert done.exit_code == 0, (done.output, done.exception)
        return done.output

    return run


async def test_a_deployment_from_nothing_to_its_embed_code(type_in):
    """The common task of whoever puts a twin on a page."""
    app = deployment.app
    said = [
        await type_in(app, *WEB, *TOLD, "--ceiling", "voice"),
        await type_in(app, "enable", "cantor", "web", "--note", "match day"),
        await type_in(app, "change", "cantor", "web", "--expires", "2199-01-01T00:00:00Z"),
        await type_in(app, "set-disclosure", "cantor", "web", "IA", "--language", "es"),
    ]
    shown = json.loads(await type_in(app, "show", "cantor", "web"))
    listed = await type_in(app, "list", "cantor")
    snippet = await type_in(app, "embed", "cantor", "web", "--platform", "https://t.example")
    stopped = await type_in(app, "disable", "cantor", "web")

    assert all(line.startswith("cantor: web ") for line in (*said, stopped))
    assert shown["terms"]["origins"] == ["https://xn--ftbol-7ua.mx"]
    assert (shown["version"], shown["terms"]["ceiling"]) == (2, "voice")
    assert shown["terms"]["expires_at_us"] == 7_226_582_400_000_000
    assert "https://xn--ftbol-7ua.mx" in listed
    assert ">IA</p>" in snippet
    again = await type_in(app, "list", "cantor", "--json")
    assert json.loads(again)["deployments"][0]["enabled"] is False


async def test_a_term_is_taken_away_with_never(type_in):
    """And the other terms stay."""
    app = deployment.app
    await type_in(app, *WEB, *TOLD, "--expires", "2199-01-01T00:00:00+02:00")
    await type_in(app, "change", "cantor", "web", "--expires", "never")

    shown = json.loads(await type_in(app, "show", "cantor", "web"))

    assert "expires_at_us" not in shown["terms"]
    assert shown["terms"]["origins"] == ["https://xn--ftbol-7ua.mx"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("create", "cantor", "web", "--origin", "https://*.mx", "--language", "es", *TOLD),
         "terms.origins[0]: no wildcards"),
        (("create", "cantor", "web", "--language", "es", *TOLD), "terms.origins: at least one"),
        ((*WEB, "--disclosure", ""), "disclosure.text: something to read"),
        ((*WEB, "--disclosure", "a\u202eb"), "`text` has U+202E"),
        ((*WEB, *TOLD, "--note", "a\x1bb"), "`note` has U+001B"),
        ((*WEB, *TOLD, "--mints-per-minute", "0"), "$.terms.mints_per_minute"),
        ((*WEB, *TOLD, "--mints-per-minute", "9" * 30), "$.terms.mints_per_minute"),
        ((*WEB, *TOLD, "--expires", "tomorrow"), "'tomorrow' is not a time"),
        ((*WEB, *TOLD, "--expires", "2027-01-01T00:00:00"), "is not a time with its offset"),
        ((*WEB, *TOLD, "--expires", "0001-01-01T00:00:00Z"), "$.terms.expires_at_us"),
        (("create", "cantor", "a b", "--language", "es", *TOLD), "$.deployment"),
        (("enable", "cantor", "nowhere"), "no such deployment"),
        (("show", "cantor", "nowhere"), "no deployment 'nowhere'"),
        (("embed", "cantor", "nowhere", "--platform", "https://a.b"), "no deployment 'nowhere'"),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_said_with_what_to_do(type_in, words, message):
    """Field, rule, remedy; before anything is sent where that can be known."""
    failure = await type_in(deployment.app, *words)

    assert isinstance(failure, Failure), failure
    assert message in failure.message
    assert failure.remedy


async def test_knowledge_from_a_link_to_approved(type_in, fake_gate: FakeGate, client):
    """What an editor and an approver type; the ingestion itself is a service's work."""
    app = knowledge.app
    await type_in(app, *RULES)
    begun = await tell(client, "BeginIngestion", source="rules")
    await tell(
        client,
        "ReportIngested",
        source="rules",
        ingestion=begun.facts["ingestion"],
        content_hash=HASHES[0],
        chunks=1,
        summary="Gol",
    )

    waiting = await type_in(app, "list", "cantor", "--stage", "review")
    wrong = await type_in(app, "approve", "cantor", "rules", HASHES[1])
    done = await type_in(app, "approve", "cantor", "rules", HASHES[0], "--note", "read it")
    rest = await type_in(app, "list", "cantor", "--stage", "review", "--json")

    assert HASHES[0] in waiting
    assert isinstance(wrong, Failure)
    assert HASHES[0] in wrong.message
    assert done.startswith("cantor: rules approved")
    assert json.loads(rest)["sources"] == []
    assert (await type_in(app, "submit", "cantor", "rules")).startswith("cantor: rules waits")
    assert (await type_in(app, "retire", "cantor", "rules")).startswith("cantor: rules retired")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("add", "cantor", "r", "nowhere", "--kind", "web", "--title", "t"),
            "location: an address",
        ),
        (("add", "cantor", "r", "../a", "--kind", "pdf", "--title", "t"), "location: the name of"),
        (
            ("add", "cantor", "r", "a.pdf", "--kind", "pdf", "--title", "t\nu"),
            "`title` has U+000A",
        ),
        (("add", "cantor", "r", "a" * 2001, "--kind", "pdf", "--title", "t"), "$.location"),
        (("approve", "cantor", "r", "ABC"), "$.content_hash"),
        (("reject", "cantor", "r", HASHES[0]), "no such source"),
        (("show", "cantor", "r"), "no source 'r'"),
    ],
)
async def test_what_is_wrong_with_a_source_is_said(type_in, words, message):
    """As for deployments."""
    failure = await type_in(knowledge.app, *words)

    assert isinstance(failure, Failure), failure
    assert message in failure.message
    assert failure.remedy


async def tell(client, kind: str, **fields):
    from contracts import knowledge as contract  # noqa: PLC0415 - the CLI's module has its name

    return await client.tell(getattr(contract, kind)(command_id=f"c-{kind}", **fields))
