"""A long, mixed history of one twin from a seed: every command, every event, months and clocks."""

from __future__ import annotations

import random

from contracts.citation import Citation
from contracts.data_key import RotateDataKey
from contracts.knowledge import STEPS
from contracts.policy import BudgetPolicy, Quotas, RatePolicy, SessionLimits
from contracts.prompt import Variable
from contracts.secret import OpenSecret, SecretOpened, SecretReopened
from contracts.tenant import EraseTenant, ResumeTenant, SuspendTenant
from contracts.topics import Topic
from contracts.twin import SAMPLES, RetireTwin
from domain import flood, session, vault
from tests.domain import dna
from tests.domain.governed import HASHES, PAGE, Governed, terms
from tests.domain.world import DAY, SECOND, book, entry, option, policy

# A rate that lets most calls through, delays some and refuses a few.
RATE = RatePolicy(requests=20, burst=10, overflow="queue", queue_max_delay_ms=300)
CAPPED = BudgetPolicy(monthly_hard_limit_nanos=5_000, soft_cap_permille=600)
POLICIES = (
    policy(budget=CAPPED, rate=RATE, time_zone="Europe/Madrid"),
    policy(3_000, rate=RATE, time_zone="America/Sao_Paulo", quotas=Quotas(text_token_units=2)),
    policy(4_000, rate=RATE, time_zone="Asia/Beirut", session=SessionLimits(max_token_units=1)),
    policy(0, rate=RATE),
)
PRICES = (
    book(
        entry("text", input_tokens=1, output_tokens=2),
        entry("voice", stream_ms=10),
        entry("video", stream_ms=100),
        entry("data", requests=7),
    ),
    book(
        entry("text", input_tokens=2),
        entry("voice", stream_ms=10, characters=1),
        entry("video", stream_ms=90),
        entry("data", requests=7, turns=1),
    ),
)

CITED = Citation(source="rules", content_hash=HASHES[0], chunk=3, score_permille=812, page=2)
SAVED = {"variables": [Variable(name="user_name", default="amigo")], "note": "más calma"}


class History:
    """Plays *steps* random commands on a twin."""

    def __init__(self, seed: int, steps: int) -> None:
        self.random = random.Random(seed)
        # One in three is what a customer gets; the others are there for calls from the first.
        activation = "immediate" if seed % 3 else "after_sign_off"
        self.twin = Governed(POLICIES[0], PRICES[0], activation=activation)
        if activation == "after_sign_off":
            dna.activated(self.twin)
        self.grants: list = []
        self.tally = flood.Tally()
        for _ in range(steps):
            self._pass_time()
            self.random.choices(
                (
                    self._authorize,
                    self._settle,
                    self._extend,
                    self._release,
                    self._govern,
                    self._count_refusals,
                    self._shape,
                    self._write,
                    self._distribute,
                    self._curate,
                    self._keep_secrets,
                    self._converse,
                ),
                weights=(12, 8, 3, 2, 1, 1, 3, 4, 4, 5, 3, 3),
            )[0]()
        self.twin.decide(RetireTwin(command_id="retire", reason="contract ended"))
        self._authorize()
        if seed % 3 == 0:
            self.twin.decide(EraseTenant(command_id=self.twin.new_id(), confirm="cantor"))

    def _pass_time(self) -> None:
        choices = (0, 3_000, 40_000, 2 * SECOND, -SECOND, 9 * DAY)
        self.twin.now_us += self.random.choices(choices, weights=(40, 30, 20, 8, 2, 1))[0]

    def _authorize(self) -> None:
        modality = self.random.choice(("text", "text", "voice", "video", "data"))
        grain = {"text": 1, "voice": 10, "video": 100, "data": 7}[modality]
        event = self.twin.authorize(
            grain * self.random.randint(0, 30),
            modality,
            ttl_ms=self.random.choice((1_000, 5_000, 600_000)),
            session_id=self.random.choice((None, "s-1", "s-2", *self._sessions())),
            fallbacks=self.random.choice(([], [option(10, "voice"), option(3, "text")])),
            max_delay_ms=self.random.choice((None, 100)),
        )
        if type(event).__name__ == "CallAuthorized":
            self.grants.append(event)

    def _sessions(self) -> list[str]:
        """One that is open and one that has ended, if there are any."""
        known = self.twin.state.sessions
        return [*list(known.numbers)[-1:], *list(known.ended)[-1:]]

    def _some_hold(self):
        if not self.grants or self.random.random() < 0.05:
            return self.random.choice(("cantor.999999", "fernandez.2"))
        return self.random.choice(self.grants[-20:])

    def _settle(self) -> None:
        hold = self._some_hold()
        grain = {"text": 1, "voice": 10, "video": 100, "data": 7}[getattr(hold, "modality", "text")]
        outcome = self.random.choice(("completed", "cut_off", "failed"))
        self.twin.settle(hold, grain * self.random.randint(0, 35), outcome=outcome)

    def _extend(self) -> None:
        hold = self._some_hold()
        grain = {"text": 1, "voice": 10, "video": 100, "data": 7}[getattr(hold, "modality", "text")]
        self.twin.extend(hold, grain * self.random.randint(0, 9), ttl_ms=2_000)

    def _release(self) -> None:
        self.twin.release(self._some_hold())

    def _govern(self) -> None:
        twin = self.twin
        self.random.choice(
            (
                lambda: twin.top_up(self.random.randint(1, 500)),
                lambda: twin.set_policy(self.random.choice(POLICIES), note="as agreed"),
                lambda: twin.set_policy(POLICIES[0], expected_version=0),
                lambda: twin.set_prices(self.random.choice(PRICES)),
                lambda: twin.decide(SuspendTenant(command_id=twin.new_id(), mode="asleep")),
                lambda: twin.decide(ResumeTenant(command_id=twin.new_id())),
                lambda: twin.decide(ResumeTenant(command_id=twin.new_id())),
            )
        )()

    def _shape(self) -> None:
        """Mostly the next step of the mirror test, all three samples at once; else any."""
        twin = self.twin
        if self.random.random() < 0.2:
            self.random.choice(
                (dna.refine, dna.begin, dna.sign, lambda twin: dna.record(twin, self._some_hold()))
            )(twin)
            return
        state = twin.state.twin
        if not state.draft.version:
            dna.draft(twin, tone=self.random.choice(("Euphoric", "Calm")))
        elif state.purpose is None or self.random.random() < 0.1:
            dna.aim(twin)
        elif state.calibration is None:
            dna.begin(twin)
        elif len(state.calibration.samples) < SAMPLES:
            for _ in range(SAMPLES - len(state.calibration.samples)):
                self._sample()
        else:
            dna.sign(twin)

    def _sample(self) -> None:
        """Refused as well, where the month is used up or the twin put to sleep."""
        grant = dna.ask(self.twin)
        if type(grant).__name__ == "CallAuthorized":
            ended = self.random.choice(("completed", "completed", "completed", "failed"))
            self.twin.settle(grant, dna.SAMPLE_NANOS, outcome=ended)
            dna.record(self.twin, grant)

    def _write(self) -> None:
        """Edit what the twin says, now and then on what somebody else has changed meanwhile."""
        twin, pick = self.twin, self.random
        number = pick.randint(1, twin.state.prompts.latest + 1)
        topic = Topic(name="apuestas", phrases=[f"casa de apuestas {number}", "quiniela"])
        pick.choice(
            (
                lambda: twin.save(f"Hola {{{{user_name}}}}, ¡Goooool! {number}", **SAVED),
                lambda: twin.save(f"Hola {{{{user_name}}}} {number}", base_version=1, **SAVED),
                lambda: twin.save("Hola {{nobody}}", expected=number),
                lambda: twin.activate(number),
                lambda: twin.activate(number, expected_active=number),
                lambda: twin.roll_back(number, reason="too loud"),
                lambda: twin.set_topics(topic, note="legal"),
                lambda: twin.roll_back_topics(pick.randint(1, twin.state.topics.latest + 1)),
            )
        )()

    def _distribute(self) -> None:
        twin, name = self.twin, self.random.choice(("web", "app"))
        ceiling = self.random.choice(("video", "voice", "text"))
        rules = terms(ceiling=ceiling, mints_per_minute=self.random.randint(1, 3))
        self.random.choice(
            (
                lambda: twin.create(name, terms=rules),
                lambda: twin.change(name, ceiling=ceiling),
                lambda: twin.disclose("Soy una IA, ¿vale?", name),
                lambda: twin.enable(name),
                lambda: twin.enable(name),
                lambda: twin.disable(name),
                lambda: twin.mint(self.random.choice((PAGE, PAGE, "https://b.example")), name),
                lambda: twin.mint(PAGE, name),
                lambda: twin.mint(PAGE, name, ttl_s=60),
            )
        )()

    def _curate(self) -> None:
        twin, name = self.twin, self.random.choice(("rules", "rules", "stars"))
        content = self.random.choice(HASHES[:2])
        self.random.choice(
            (
                lambda: twin.add(name),
                lambda: twin.submit(name),
                lambda: twin.begin(name),
                lambda: twin.ingested(content, name),
                lambda: twin.ingested(content, name),
                lambda: twin.failed(name),
                lambda: twin.advanced(self.random.choice(STEPS), name),
                lambda: twin.approve(content, name),
                lambda: twin.reject(content, name),
                lambda: twin.reviewable(content, name),
                lambda: (twin.reviewable(content, name), twin.approve(content, name)),
                lambda: (twin.reviewable(content, name), twin.reject(content, name)),
                lambda: (twin.submit(name), twin.begin(name), twin.failed(name)),
                lambda: (twin.submit(name), twin.begin(name), twin.advanced("fetching", name)),
                lambda: twin.retire(self.random.choice((name, "stars"))),
            )
        )()

    def _keep_secrets(self) -> None:
        twin, name = self.twin, self.random.choice(("openai", "sportradar"))
        hold = self._some_hold()
        self.random.choice(
            (
                lambda: twin.put(name),
                lambda: twin.rotate(name, self.random.choice((0, 1_000, 86_400_000))),
                lambda: twin.revoke(name, self.random.choice((None, 1, 2))),
                lambda: self._open(hold, name),
                lambda: self._open(hold, name),
                lambda: self._open(hold, name),
                lambda: twin.decide(RotateDataKey(command_id=twin.new_id())),
            )
        )()

    def _converse(self) -> None:
        """A few things happen to sessions: of services, whose calls run all the time, or a page."""
        twin, pick = self.twin, self.random
        if pick.random() < 0.2:
            mode = pick.choice(("asleep", "suspended"))
            twin.decide(SuspendTenant(command_id=twin.new_id(), mode=mode))
        if twin.state.tenant.status in ("asleep", "suspended"):
            twin.decide(ResumeTenant(command_id=twin.new_id(), reason="somebody calls"))
        name = f"c-{len(twin.log)}"
        shown = [name for name, one in twin.state.deployments.deployments.items() if one.enabled]
        place = pick.choice((None, "web", *shown))
        lease_ms = pick.choice((5_000, 6_000, 300_000))
        twin.converse(name, pick.choice(("voice", "text")), deployment=place, lease_ms=lease_ms)
        for _ in range(pick.randint(0, 4)):
            self._go_on(pick.choice((name, *twin.state.sessions.numbers)))

    def _go_on(self, name: str) -> None:
        twin, pick = self.twin, self.random
        rung, reason = pick.choice(("video", "voice", "text")), pick.choice(("user_exit", "error"))
        found = session.lease_at(twin.state.sessions, name, twin.state.clock_us)
        due = found.began.disclosure_version if isinstance(found, session.Lease) else 1
        pick.choice(
            (
                lambda: twin.show(name, due),
                lambda: twin.beat(name),
                lambda: twin.cite(name, CITED),
                lambda: (twin.pass_time(2 * SECOND), twin.beat(name)),
                lambda: (twin.pass_time(2 * SECOND), twin.beat(name)),
                lambda: twin.step(name, rung),
                lambda: twin.step(name, rung, why="topped_up", notice="none"),
                lambda: twin.close(name, reason),
                lambda: twin.kill(name, note="abusive"),
                lambda: pick.random() < 0.3 and twin.kill_all(),
            )
        )()

    def _open(self, hold, name: str) -> None:
        """Open a secret for a call, and once more, as if the answer was lost."""
        twin = self.twin
        event = twin.open(hold, name)
        if isinstance(event, SecretOpened):
            command = OpenSecret(
                command_id=event.command_id, reservation_id=twin.reservation(hold), name=name
            )
            again = vault.reopen(twin.state, command, event, twin.envelope(command))
            if isinstance(again, SecretReopened):
                twin._apply([again])

    def _count_refusals(self) -> None:
        refusals = [e for e in self.twin.log[-10:] if type(e).__name__ == "CallRefused"]
        for refusal in refusals:
            flood.count(self.tally, refusal)
        if self.tally.counts:
            now_us = max(self.twin.now_us, self.twin.state.clock_us)
            self.twin._apply([flood.summary(self.tally, now_us)])
            self.tally = flood.Tally()
