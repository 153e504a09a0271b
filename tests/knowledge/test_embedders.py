"""What makes vectors: the wheel's model as it is, and a vendor's through the gate."""

from __future__ import annotations

import asyncio
import math
import socket

import pytest

from contracts.price_book import PriceBook
from contracts.usage import Usage
from services.client import GateClient
from services.client.patience import Patience
from services.knowledge.embedders.metered import BATCH, MeteredEmbedder
from services.knowledge.embedders.offline import OfflineEmbedder
from services.knowledge.embedders.process_embedders import process_embedders
from services.knowledge.embedding import EmbeddingModel, embed
from services.knowledge.problem import IngestionProblem
from services.sandbox.clock import HandClock
from services.sandbox.faults import Fault
from services.sandbox.server import Sandbox
from services.secret import Secret
from services.settings import Settings
from services.twins.prices import TEXT_EMBEDDING_3_SMALL
from services.variables import SettingsError
from services.vendors.embedding.openai_embeddings import OpenAIEmbeddings, most_input_tokens
from services.vendors.outbound import Outbound
from tests.client.fake_gate import FakeGate
from tests.vendors.speaking import Books, price, rules

QUICK = Patience(deadline_s=5.0, attempt_s=0.2)
SKU = TEXT_EMBEDDING_3_SMALL.sku
MODEL = EmbeddingModel(name=f"openai:{SKU}", version="", dimensions=64)
TEXTS = ("El gol fue de Ana.", "La estrategia es elegir.", "El gol de Ana")


@pytest.fixture(scope="module")
def offline():
    made = OfflineEmbedder()
    yield made
    made.close()


def closeness(one, other) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


class TestOffline:
    async def test_it_finds_the_same_meaning_in_another_language(self, offline, monkeypatch):
        """Which is what it is for; and it needs no network."""

        def refuse(*_args, **_more):
            raise AssertionError("it opened a connection")

        monkeypatch.setattr(socket.socket, "connect", refuse)
        question, goal, budget = await embed(
            offline,
            ["Who scored the winning goal?", "El tanto decisivo lo hizo Ana.", "Presupuesto anual"],
        )

        assert closeness(question, goal) > closeness(question, budget) + 0.15
        for vector in (question, goal, budget):
            assert math.isclose(closeness(vector, vector), 1, abs_tol=1e-4)

    async def test_the_same_text_has_the_same_vector(self, offline):
        """Alone and among others, short and cut: an index is compared with later questions."""
        (alone,) = await embed(offline, ["¿Quién ganó?"])
        many = await embed(offline, ["¿Quién ganó?", *("x" * 10_000 for _ in range(3))])

        assert closeness(alone, many[0]) > 0.9999
        assert (await embed(offline, ["¿Quién ganó?"]))[0] == alone
        assert offline.model.version == "0.2.1"

    async def test_others_run_meanwhile(self, offline):
        """A book is embedded in batches, beside whoever is served."""
        turns = 0
        book = asyncio.create_task(offline.embed([f"Página {n}" for n in range(100)]))
        while not book.done():
            await asyncio.sleep(0)
            turns += 1

        assert turns > 100
        assert len(book.result()) == 100


def fault(kind, **fields):
    return Fault(vendor="openai", kind=kind, **fields)


class Wrong:
    def __init__(self, *vectors) -> None:
        self.model = MODEL
        self._vectors = list(vectors)

    async def embed(self, texts):
        return self._vectors


@pytest.mark.parametrize(
    "vectors",
    [[], [[1.0] * 63], [[math.nan] + [0.0] * 63], [[math.inf] * 64], [[0.0] * 64, [0.0] * 64]],
    ids=["none", "another size", "no number", "infinite", "too many"],
)
async def test_what_is_no_vector_is_refused(vectors):
    """The database would refuse it, again and again."""
    with pytest.raises(IngestionProblem, match="made"):
        await embed(Wrong(*vectors), ["a"])


class TestMetered:
    @pytest.fixture
    async def sandbox(self):
        async with Sandbox(clock=HandClock()) as sandbox:
            yield sandbox

    @pytest.fixture
    async def fake_gate(self, own_nats):
        gate = FakeGate()
        await gate.listen(own_nats.url_for("unrestricted"))
        yield gate
        await gate.close()

    @pytest.fixture
    async def twin(self, own_nats, fake_gate):
        async with GateClient.connect(
            own_nats.url_for("client"), tenant="cantor", patience=QUICK, booking=QUICK
        ) as gate:
            receipt = await gate.provision(
                display_name="A twin that knows",
                organisation="Tests",
                policy=rules(),
                price_book=PriceBook([TEXT_EMBEDDING_3_SMALL]),
                activation="immediate",
            )
            assert receipt.status == 200
            await gate.put_secret("openai", Secret("sandbox-openai"))
            yield gate

    @pytest.fixture
    async def embedder(self, sandbox, twin):
        async with Outbound(f"{sandbox.base_url('openai')}/v1", timeout_s=2.0) as outbound:
            yield MeteredEmbedder(twin, OpenAIEmbeddings("openai", outbound), SKU, MODEL)

    @pytest.fixture
    def books(self, fake_gate, sandbox):
        return Books(fake_gate, sandbox)

    async def test_each_call_is_booked_as_the_vendor_bills_it(self, embedder, books, sandbox):
        """Several calls for many texts; to the nano."""
        texts = [f"{text} {n}" for n in range(BATCH // 2) for text in TEXTS]
        vectors = await embed(embedder, texts)

        assert closeness(vectors[0], vectors[2]) > closeness(vectors[0], vectors[1])
        billed = list(sandbox.ledger.calls("openai"))
        assert [call.usage for call in billed] == [command.usage for command in books.told]
        assert len(billed) == 2
        for call in billed:
            assert 0 < call.usage.input_tokens <= most_input_tokens(texts)
            assert price(TEXT_EMBEDDING_3_SMALL, call.usage) > 0
        assert books.are_closed()

    async def test_a_twin_without_money_is_not_embedded(self, own_nats, sandbox, fake_gate):
        """Nothing is sent, and it says so in a way that can be acted on."""
        async with (
            GateClient.connect(
                own_nats.url_for("client"), tenant="cantor", patience=QUICK, booking=QUICK
            ) as gate,
            Outbound(f"{sandbox.base_url('openai')}/v1") as outbound,
        ):
            await gate.provision(
                display_name="A twin without prices",
                organisation="Tests",
                policy=rules(),
                price_book=PriceBook(
                    [type(TEXT_EMBEDDING_3_SMALL)(
                        "openai", "another", "text", TEXT_EMBEDDING_3_SMALL.prices,
                        TEXT_EMBEDDING_3_SMALL.provenance)]
                ),
                activation="immediate",
            )  # fmt: skip
            embedder = MeteredEmbedder(gate, OpenAIEmbeddings("openai", outbound), SKU, MODEL)
            with pytest.raises(IngestionProblem, match="not_authorised") as refused:
                await embed(embedder, TEXTS)

        assert not refused.value.may_pass
        assert list(sandbox.ledger.calls("openai")) == []

    @pytest.mark.parametrize(
        ("strikes", "code", "may_pass", "usage"),
        [
            (fault("status", status=429), "blocked", True, Usage()),
            (fault("status", status=401), "blocked", False, Usage()),
            (fault("drop", at="after"), "unreachable", True, None),
            (fault("status", status=502), "blocked", True, None),
        ],
        ids=["too fast", "wrong key", "cut off", "a gateway's page"],
    )
    async def test_a_vendor_that_fails_is_told_and_booked(
        self, embedder, books, sandbox, strikes, code, may_pass, usage
    ):
        """What may have been computed is owed, what was refused is not."""
        sandbox.faults.add(strikes)
        with pytest.raises(IngestionProblem) as failed:
            await embed(embedder, TEXTS)

        assert (failed.value.code, failed.value.may_pass) == (code, may_pass)
        owed = Usage(input_tokens=most_input_tokens(TEXTS)) if usage is None else usage
        assert books.settled.usage == owed
        assert books.are_closed()

    async def test_the_process_calls_as_the_twin_whose_text_it_is(self, own_nats, sandbox, twin):
        """And keeps the offline model, which may still serve."""
        asked = []

        def gate_of(tenant):
            asked.append(tenant)
            return twin

        choice = f"openai:{SKU}:64"
        async with process_embedders(
            choice, gate_of, sandbox_url=sandbox.base_url("openai").removesuffix("/openai")
        ) as made:
            assert made.wanted == MODEL
            for _ in range(2):
                (vector,) = await embed(made.of(MODEL, "cantor"), ["hola"])
            assert made.of(made.offline.model, "cantor") is made.offline
            assert made.of(EmbeddingModel(name="x", version="", dimensions=1), "cantor") is None
        async with process_embedders("offline", gate_of) as alone:
            assert alone.wanted == alone.offline.model

        assert len(vector) == 64
        assert asked == ["cantor"]


@pytest.mark.parametrize("wrong", ["openai", "openai:x", "openai:x:0", "openai:x:4000", "acme:x:8"])
def test_a_model_that_cannot_be_is_refused(wrong):
    """At the start, naming the variable."""
    with pytest.raises(SettingsError, match="VITO_EMBEDDING_MODEL"):
        Settings.from_env({"VITO_EMBEDDING_MODEL": wrong})


def test_the_default_needs_nobody():
    """An own machine has no accounts."""
    assert Settings.from_env({}).embedding_model == "offline"
    assert Settings.from_env(
        {"VITO_EMBEDDING_MODEL": "openai:text-embedding-3-small:1536"}
    ).embedding_model.endswith("1536")
