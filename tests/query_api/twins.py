"""Small logs of twins, and how they get into the tables: through the real projections."""

from psycopg import AsyncConnection

from contracts.budget import (
    CallAuthorized,
    CallRefused,
    CallSettled,
    CreditsAdded,
    MeterLimitsSet,
    PeriodOpened,
    RefusalsCounted,
    Standing,
)
from contracts.deployment import (
    DeploymentCreated,
    DeploymentEnabled,
    DeploymentTerms,
    DisclosureSet,
    VisitorAdmitted,
)
from contracts.knowledge import IngestionBegun, SourceAdded, SourceApproved, SourceIngested
from contracts.policy import BudgetPolicy, Policy, PolicySet, RatePolicy
from contracts.price_book import Price, PriceBook, PriceBookSet, PriceEntry, Provenance
from contracts.prompt import PromptActivated, PromptRolledBack, PromptSaved, Variable
from contracts.secret import SecretOpened, SecretPut, SecretReopened, SecretRevoked, SecretRotated
from contracts.session import (
    DisclosureShown,
    PinnedSource,
    SessionBegun,
    SessionKilled,
    SessionStepped,
)
from contracts.tenant import TenantProvisioned
from contracts.topics import Topic, TopicsRolledBack, TopicsSet
from contracts.usage import Units, Usage
from projections.projection import Commit
from tests.projector.read_side import project

SHARD = 0
START_US = 1_790_000_000_000_000
PERIOD = "2026-09"
LIMIT_NANOS = 5_000_000_000
HELD_NANOS = 2_000_000
COST_NANOS = 1_234_567
PROVIDERS = ("openai", "elevenlabs", "tavus")
USAGE = Usage(input_tokens=300, output_tokens=120, turns=1)
UNITS = Units(tokens_milli=420_000, turns_milli=1_000)
POLICY = Policy(
    rate=RatePolicy(requests=50),
    budget=BudgetPolicy(monthly_hard_limit_nanos=LIMIT_NANOS),
    modalities=["text"],
)
PRICES = PriceBook(
    entries=[
        PriceEntry(
            provider_id="openai",
            sku="gpt-5-mini",
            modality="text",
            prices={"input_tokens": Price(nanos=250, per=1), "output_tokens": Price(nanos=2_000)},
            provenance=Provenance(source="price page of the vendor", retrieved_on="2026-09-01"),
        )
    ]
)
TERMS = DeploymentTerms(surface="web_widget", ceiling="voice", origins=["https://tvazteca.example"])
CONTENT = "c0" * 32

NAME = Variable(name="user_name", required=True)
BETS = Topic(name="apuestas", phrases=["casa de apuestas"])


class Twin:
    """A twin whose log grows by one commit a call. Decisions are numbered from 1."""

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self.position = 0
        self.decision = 0
        self.spent = 0
        self.granted: list[int] = []
        self.settled: list[int] = []
        # Stands in whatever text its rows have.
        self.mark = ""

    @property
    def now_us(self) -> int:
        """A second passes with every commit."""
        return START_US + self.position * 1_000_000

    def provision(self) -> list:
        """The twin exists, with a policy, prices and an open month."""
        number = self._next()
        day_us = 86_400_000_000
        return [
            TenantProvisioned(
                number, "c1", b"f", self.now_us, f"Andrés Cantor{self.mark}", "TV Azteca", "admin"
            ),
            PolicySet(number, "c1", b"f", self.now_us, 1, POLICY, self.mark, "admin"),
            PriceBookSet(number, "c1", b"f", self.now_us, 1, PRICES, self.mark, "admin"),
            PeriodOpened(START_US, PERIOD, START_US - day_us, START_US + 29 * day_us),
            MeterLimitsSet(START_US, PERIOD, LIMIT_NANOS, 0, -1, -1, 9_000_000_000, -1),
        ]

    def authorize(self) -> list:
        """A call is granted."""
        number = self._next()
        self.granted.append(number)
        return [
            CallAuthorized(
                number,
                f"c{number}",
                b"f",
                self.now_us,
                "text",
                "text",
                "",
                PROVIDERS[number % 3],
                "gpt-5-mini",
                USAGE,
                PERIOD,
                HELD_NANOS,
                0,
                UNITS,
                self.now_us,
                0,
                self.now_us + 120_000_000,
                f"s{number % 7}{self.mark}",
                1,
                1,
                self._standing(),
            )
        ]

    def settle(self) -> list:
        """The oldest granted call is settled."""
        reservation = self.granted.pop(0)
        number = self._next()
        self.settled.append(number)
        self.spent += COST_NANOS
        return [
            CallSettled(
                number,
                f"c{number}",
                b"f",
                self.now_us,
                reservation,
                "completed",
                "text",
                PROVIDERS[reservation % 3],
                "gpt-5-mini",
                USAGE,
                PERIOD,
                COST_NANOS,
                0,
                0,
                False,
                UNITS,
                HELD_NANOS,
                0,
                UNITS,
                f"s{reservation % 7}{self.mark}",
                f"vendor-1{self.mark}",
                1,
                1,
                self._standing(),
            )
        ]

    def refuse(self, code: str = "monthly_hard_limit_reached", status: int = 402) -> list:
        """A call is refused."""
        number = self._next()
        return [
            CallRefused(
                number,
                f"c{number}",
                b"f",
                self.now_us,
                "authorize",
                code,
                status,
                "text",
                "openai",
                "gpt-5-mini",
                HELD_NANOS,
                0,
                1,
                1,
                {"limit": "monthly_hard_limit_nanos", "missing_nanos": 7},
                self._standing(),
            )
        ]

    def flood(self, refusals: int) -> list:
        """Refusals that are only counted."""
        counts = {"rate_limited": refusals}
        return [RefusalsCounted(self.now_us, self.now_us, self.now_us + 1, counts, 5)]

    def top_up(self) -> list:
        """Credits are added."""
        number, reason = self._next(), f"gift{self.mark}"
        return [
            CreditsAdded(
                number, f"c{number}", b"f", self.now_us, 7_000, reason, "admin", self._standing()
            )
        ]

    def set_policy(self, version: int) -> list:
        """Another version of the policy."""
        number, note = self._next(), f"v{version}{self.mark}"
        return [PolicySet(number, f"c{number}", b"f", self.now_us, version, POLICY, note, "admin")]

    def write_prompts(self) -> list:
        """Three versions of a prompt, the second live after a rollback, and a list of topics."""
        texts = ("Hola {{user_name}}\n", "Hola {{user_name}}\n¡Goooool!\n", "Adiós\n")
        saved = [
            PromptSaved(
                *self._head(),
                number,
                max(0, number - 1),
                f"{text}{self.mark}",
                [NAME],
                f"v{number}",
                "person_ana",
            )
            for number, text in enumerate(texts, 1)
        ]
        return [
            *saved,
            PromptActivated(*self._head(), 2, 0, "", "person_eva"),
            PromptActivated(*self._head(), 3, 2, "", "person_eva"),
            PromptRolledBack(*self._head(), 2, 3, f"too short{self.mark}", "person_eva"),
            TopicsSet(*self._head(), 1, 0, [BETS], f"legal{self.mark}", "person_ana"),
            TopicsSet(*self._head(), 2, 1, [], "", "person_ana"),
            TopicsRolledBack(*self._head(), 1, 2, "oops", "person_eva"),
        ]

    def show_and_know(self) -> list:
        """A deployment with two versions of its disclosure; a source approved and one in review."""
        return [
            DeploymentCreated(
                *self._head(),
                "web",
                1,
                TERMS,
                f"Hablas con una IA.{self.mark}",
                "es-MX",
                "",
                "person_ana",
            ),
            DeploymentEnabled(*self._head(), "web", "", "person_ana"),
            DisclosureSet(
                *self._head(),
                "web",
                2,
                f"¡Hola! Soy una IA.{self.mark}",
                "es-MX",
                "kinder",
                "person_ana",
            ),
            VisitorAdmitted(
                *self._head(), "web", "v" * 16, TERMS.origins[0], "voice", START_US, 2, "key_web"
            ),
            *self._source("rules"),
            SourceApproved(
                *self._head(), "rules", self.decision - 2, CONTENT, 128, "read it", "person_bea"
            ),
            *self._source("stars"),
        ]

    def _source(self, name: str) -> list:
        return [
            SourceAdded(
                *self._head(),
                name,
                "web",
                f"Reglas{self.mark}",
                "https://example.com",
                "",
                "person_ana",
            ),
            begun := IngestionBegun(*self._head(), name, "key_ingest"),
            SourceIngested(
                *self._head(),
                name,
                begun.decision,
                CONTENT,
                128,
                f"Las 17 reglas.{self.mark}",
                True,
                "key_k",
            ),
        ]

    def converse(self) -> list:
        """A session that was opened, disclosed, stepped and stopped, and one that goes on."""
        by = f"key_k{self.mark}"

        def begun(session_id: str) -> SessionBegun:
            pinned = [PinnedSource(f"rules{self.mark}", CONTENT)]
            return SessionBegun(
                *self._head(),
                session_id,
                "voice",
                f"web{self.mark}",
                1,
                f"IA{self.mark}",
                "es",
                30_000_000,
                self.now_us + 30_000_000,
                0,
                7,
                CONTENT,
                1,
                1,
                1,
                1,
                CONTENT,
                pinned,
                by,
            )

        name = f"s-1{self.mark}"
        return [
            begun(name),
            DisclosureShown(*self._head(), name, 1, by),
            SessionStepped(*self._head(), name, "voice", "text", "quota_exhausted", "spoken", by),
            begun(f"s-2{self.mark}"),
            SessionKilled(*self._head(), name, f"wrong{self.mark}", "person_ana"),
        ]

    def _head(self) -> tuple[int, str, bytes, int]:
        number = self._next()
        return number, f"c{number}", b"f", self.now_us

    def keep_secrets(self) -> list[list]:
        """A vault with a past: put, rotated, opened, opened again, put anew, revoked."""

        def head():
            number = self._next()
            return (number, f"c{number}", b"f", self.now_us)

        box, by = b"box of a value", "person_ana"
        first = SecretPut(*head(), "sportradar", 1, box, 1, [], by)
        put = SecretPut(*head(), "openai", 1, box, 1, [], by, "4d1f")
        rotated = SecretRotated(*head(), "openai", 2, box, 1, 1, self.now_us + 5_000_000, by)
        opened = SecretOpened(*head(), "openai", 2, 2, "key_agent")
        again = SecretReopened(self.now_us, opened.decision, "openai", 2, 2, "key_agent")
        anew = SecretPut(*head(), "openai", 3, box, 1, [1, 2], by)
        revoked = SecretRevoked(*head(), "openai", [3], "leaked", by)
        return [[first], [put], [rotated], [opened], [again], [anew], [revoked]]

    def _next(self) -> int:
        self.decision += 1
        return self.decision

    def _standing(self) -> Standing:
        held = HELD_NANOS * len(self.granted)
        return Standing(self.spent, held, LIMIT_NANOS, 0, START_US + 29 * 86_400_000_000)


class Tables:
    """The read side of one database, written as the projector writes it."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self._stream_seq = 0

    async def add(self, twin: Twin, *commits: list) -> None:
        """Apply commits of a twin, each a list of events, in one transaction."""
        await project(self.connection, [[self._commit(twin, events) for events in commits]])

    def _commit(self, twin: Twin, events: list) -> Commit:
        self._stream_seq += 1
        twin.position += 1
        return Commit(SHARD, self._stream_seq, twin.tenant, twin.position, twin.now_us, events)
