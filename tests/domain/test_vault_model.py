"""The vault beside a model, in any order of commands and times."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from contracts.secret import (
    SecretOpened,
    SecretPut,
    SecretRevoked,
    SecretRotated,
)
from domain import secret
from tests.domain.world import SECOND, Twin

NAMES = st.sampled_from(["a", "b"])


class VaultMachine(RuleBasedStateMachine):
    """Any order of commands and times, beside a model that only knows numbers and ends."""

    def __init__(self) -> None:
        super().__init__()
        self.twin = Twin()
        self.last: dict[str, int] = {}
        # Name and version to when it ends; None is never.
        self.usable: dict[tuple[str, int], int | None] = {}
        self.grants: list = []

    def ends(self, name: str) -> dict[int, int | None]:
        now_us = self.twin.now_us
        return {
            version: until_us
            for (owner, version), until_us in self.usable.items()
            if owner == name and (until_us is None or now_us < until_us)
        }

    @rule(us=st.integers(0, 3 * SECOND))
    def later(self, us):
        self.twin.now_us += us

    @rule()
    def authorize(self):
        self.grants.append((self.twin.authorize(0, ttl_ms=86_400_000), set()))

    @rule(name=NAMES)
    def put(self, name):
        event = self.twin.put(name)
        assert isinstance(event, SecretPut)
        self.last[name] = self.last.get(name, 0) + 1
        assert event.version == self.last[name]
        for key in [key for key in self.usable if key[0] == name]:
            del self.usable[key]
        self.usable[name, event.version] = None

    @rule(name=NAMES, overlap_ms=st.sampled_from([0, 1_000, 2_000]))
    def rotate(self, name, overlap_ms):
        before = self.ends(name)
        event = self.twin.rotate(name, overlap_ms)
        if not before:
            assert event.code in ("secret_unknown", "secret_unusable")
            return
        if overlap_ms and len(before) >= secret.USABLE_MAX:
            assert event.code == "too_many_overlaps"
            return
        assert isinstance(event, SecretRotated)
        assert event.replaced == max(before)
        until_us = self.twin.now_us + overlap_ms * 1_000
        ends = before[event.replaced]
        self.usable[name, event.replaced] = until_us if ends is None else min(ends, until_us)
        self.last[name] = event.version
        self.usable[name, event.version] = None

    @rule(name=NAMES, version=st.sampled_from([None, 1, 2, 3]))
    def revoke(self, name, version):
        event = self.twin.revoke(name, version)
        if isinstance(event, SecretRevoked):
            for number in event.versions:
                self.usable.pop((name, number), None)
        for number in self.ends(name):
            assert version not in (None, number)

    @rule(name=NAMES, version=st.sampled_from([None, 1, 2, 3]), pick=st.integers(0, 99))
    def open(self, name, version, pick):
        if not self.grants:
            return
        grant, opened = self.grants[pick % len(self.grants)]
        can = [n for n in self.ends(name) if version in (None, n)]
        event = self.twin.open(grant, name, version=version)
        if can and name not in opened:
            assert isinstance(event, SecretOpened)
            assert event.version == max(can)
            opened.add(name)
        else:
            assert event.status in (404, 409)

    @invariant()
    def what_can_be_opened_is_what_the_model_says(self):
        for name in ("a", "b"):
            usable = secret.usable(self.twin.state.secrets, name, self.twin.now_us)
            assert usable == sorted(self.ends(name))
            held = self.twin.state.secrets.secrets.get(name, secret.Secret()).held
            assert len(held) <= secret.USABLE_MAX + 1


TestVaultMachine = VaultMachine.TestCase


TestVaultMachine.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
