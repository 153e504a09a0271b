"""
Whom the tests of chat and speech speak to, and a twin that may.

By default the sandbox; `tests.vendors.targets` says what has the same conformance tests speak to a
real vendor, against which they have never been run.
"""

import msgspec

from contracts.policy import BudgetPolicy, Policy
from contracts.price_book import PriceBook
from contracts.usage import Usage
from services.sandbox.voice import say
from services.secret import Secret
from services.twins.prices import CARTESIA_VOICE, DEEPGRAM_HEARING, GPT_4O_MINI
from services.vendors.chat.model import ChatMessage, ChatRequest, Tool
from services.vendors.speech.hearing import HearingRequest
from services.vendors.speech.speaking import SpeechRequest
from tests.client.twin import CENT, FAST
from tests.vendors.targets import real

MODEL, VOICE_MODEL, EAR_MODEL = GPT_4O_MINI.sku, CARTESIA_VOICE.sku, DEEPGRAM_HEARING.sku
PERSONA = "Sos Andrés Cantor, relator de fútbol. Hablás español rioplatense. Decí ¡Goooool!"
SCORE = Tool(
    "live_score",
    "The score of a football match that is being played.",
    {
        "type": "object",
        "properties": {"team": {"type": "string"}},
        "required": ["team"],
        "additionalProperties": False,
    },
)


class Target(msgspec.Struct, frozen=True):
    """A vendor to speak to. *url* empty: the sandbox's."""

    vendor: str
    key: Secret
    voice: str = "v-1"
    url: str = ""

    @property
    def is_sandbox(self):
        return not self.url


def targets(vendor):
    """The sandbox, and the real vendor if somebody has set its key."""
    found = [Target(vendor, Secret(f"sandbox-{vendor}"))]
    if there := real(vendor):
        found.append(Target(vendor, there.key, there.voice, there.url))
    return found


def name_of(target):
    return "sandbox" if target.is_sandbox else "real"


def rules(**fields):
    wanted = {"modalities": ["voice", "text"], "ladder": ["voice", "text"], "limit_cents": 1_000}
    wanted |= fields
    budget = BudgetPolicy(monthly_hard_limit_nanos=wanted.pop("limit_cents") * CENT)
    return Policy(**{"rate": FAST, "budget": budget, **wanted})


async def provision(gate):
    receipt = await gate.provision(
        display_name="A twin that speaks",
        organisation="Tests",
        policy=rules(),
        price_book=PriceBook([GPT_4O_MINI, CARTESIA_VOICE, DEEPGRAM_HEARING]),
        activation="immediate",
    )
    assert receipt.status == 200


def chat(said="¿Qué opinás del partido de ayer?", *, persona=PERSONA, tools=()):
    return ChatRequest((ChatMessage("system", persona), ChatMessage("user", said)), tools)


def speech(text="¡Hola! ¿Todo bien por ahí?", **fields):
    return SpeechRequest(**{"text": text, "voice": "v-1", "language": "es-AR", **fields})


def said(text="Hola, che.", *, sample_rate=16_000, language="es-AR"):
    """A recording of the sandbox's voice."""
    return HearingRequest(say(text, "v-1", sample_rate), language, sample_rate)


def price(entry, usage):
    """What a usage costs, each quantity rounded up as the gate does."""
    quantities = msgspec.structs.asdict(usage)
    return sum(-(-quantities[name] * one.nanos // one.per) for name, one in entry.prices.items())


class Books:
    """What the gate was told about calls, and what the vendor would bill for them."""

    def __init__(self, fake_gate, sandbox):
        self._fake_gate = fake_gate
        self._sandbox = sandbox

    @property
    def told(self):
        """What ended calls: each command once, however often it was sent."""
        ended = {
            command.command_id: command
            for command in self._fake_gate.heard
            if type(command).__name__ in ("SettleCall", "ReleaseCall")
        }
        return list(ended.values())

    @property
    def settled(self):
        """The one settlement there is."""
        (one,) = self.told
        assert type(one).__name__ == "SettleCall", one
        return one

    @property
    def totals(self):
        return self._fake_gate.totals("cantor")

    def billed(self, vendor):
        return self._sandbox.ledger.bill(vendor)

    def are_closed(self):
        """Nothing held, and every call that was authorised ended once."""
        authorised = [
            command
            for command in self._fake_gate.heard
            if type(command).__name__ == "AuthorizeCall"
        ]
        ends = [command.reservation_id for command in self.told]
        return self.totals.held_nanos == 0 and len(ends) == len(set(ends)) <= len(authorised)


def covers(settled, billed):
    """Whether no quantity was settled below the vendor's bill."""
    pairs = zip(msgspec.structs.astuple(settled), msgspec.structs.astuple(billed), strict=True)
    return all(ours >= theirs for ours, theirs in pairs)


def without_turns(usage):
    """The vendors bill no turns: those are ours."""
    return msgspec.structs.replace(usage, turns=0)


NOTHING = Usage()
