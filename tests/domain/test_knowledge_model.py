"""
What is approved was read: for every sequence of commands, by anybody, in any order.

The model knows only what people have decided: who pressed the button, over which hash, while
exactly that hash was on the screen.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from contracts.knowledge import SourceApproved, SourceIngested, SourceRetired
from domain import access, gate
from tests.domain.governed import HASHES, Governed

MEMBERS = ("viewer", "editor", "approver", "owner")
ACTORS = (*(f"person_{name}" for name in MEMBERS), "key_ingest", "person_stranger")
MAY_APPROVE = ("person_approver", "person_owner")
NAMES = ("a", "b")
CONTENTS = HASHES[:3]


class Knowledge(RuleBasedStateMachine):
    """Two sources, three contents, and everybody who could try."""

    def __init__(self) -> None:
        super().__init__()
        self.twin = Governed()
        self.twin.state.access.members.update({name: access.Member(name) for name in MEMBERS})
        self.twin.state.access.keys["ingest"] = access.Key(["ingest"])
        # What an ingestion brought and is on the screen, by source; what people have said to it.
        self.on_screen: dict[str, str] = {}
        self.said_yes: set[tuple[str, str]] = set()
        self.retired: set[str] = set()

    @rule(
        actor=st.sampled_from(ACTORS),
        name=st.sampled_from(NAMES),
        act=st.sampled_from(["add", "submit", "begin", "failed", "retire"]),
    )
    def prepare(self, actor: str, name: str, act: str) -> None:
        self._try(actor, name, lambda: getattr(self.twin, act)(name))

    @rule(
        actor=st.sampled_from(ACTORS),
        name=st.sampled_from(NAMES),
        content=st.sampled_from(CONTENTS),
        back=st.integers(0, 3),
    )
    def bring(self, actor: str, name: str, content: str, back: int) -> None:
        """Report an ingestion, the current one or one from before."""
        found = self.twin.state.knowledge.sources.get(name)
        number = max(1, (found.ingestion if found else 1) - back)
        self._try(actor, name, lambda: self.twin.ingested(content, name, number))

    @rule(
        actor=st.sampled_from(ACTORS),
        name=st.sampled_from(NAMES),
        content=st.sampled_from(CONTENTS),
        act=st.sampled_from(["approve", "reject"]),
    )
    def judge(self, actor: str, name: str, content: str, act: str) -> None:
        self._try(actor, name, lambda: getattr(self.twin, act)(content, name), content)

    @rule(
        name=st.sampled_from(NAMES),
        content=st.sampled_from(CONTENTS),
        named=st.sampled_from(CONTENTS),
        actor=st.sampled_from(ACTORS),
        act=st.sampled_from(["approve", "approve", "reject", "wait"]),
    )
    def whole_way(self, name: str, content: str, named: str, actor: str, act: str) -> None:
        """What random steps would seldom do: all that leads to a review, in order."""
        twin = self.twin
        self._try("person_editor", name, lambda: twin.add(name))
        self._try("person_editor", name, lambda: twin.submit(name))
        self._try("key_ingest", name, lambda: twin.begin(name))
        self._try("key_ingest", name, lambda: twin.ingested(content, name))
        if act != "wait":
            self._try(actor, name, lambda: getattr(twin, act)(named, name), named)

    def _try(self, actor: str, name: str, act, named: str = "") -> None:
        """Do it as the gate does: rights first, then the decision."""
        twin = self.twin
        decide, heard = twin.decide, []

        def as_actor(command):
            heard.append(twin.barred(command, actor) is None)
            return decide(command) if heard[0] else None

        twin.actor, twin.decide = actor, as_actor
        try:
            event = act()
        finally:
            del twin.decide
        self._note(actor, name, event, named)

    def _note(self, actor: str, name: str, event, named: str) -> None:
        match event:
            case SourceIngested(is_new=True):
                self.on_screen[name] = event.content_hash
            case SourceApproved():
                assert actor in MAY_APPROVE
                assert self.on_screen.get(name) == named == event.content_hash
                self.said_yes.add((name, self.on_screen.pop(name)))
            case SourceRetired():
                self.retired.add(name)
            case _:
                pass
        if event is not None and type(event).__name__ in ("SourceSubmitted", "SourceRejected"):
            self.on_screen.pop(name, None)

    @invariant()
    def what_is_approved_was_read(self) -> None:
        for name, found in self.twin.state.knowledge.sources.items():
            if found.approved_hash:
                assert (name, found.approved_hash) in self.said_yes
                assert found.approved_by in MAY_APPROVE
                assert name not in self.retired

    @invariant()
    def drafts_are_only_under_review(self) -> None:
        for found in self.twin.state.knowledge.sources.values():
            assert bool(found.draft_hash) == (found.stage == "review")
            assert found.stage != "approved" or found.approved_hash

    @invariant()
    def nothing_is_due(self) -> None:
        """No time passes here: whatever is approved, somebody approved it."""
        assert gate.due(self.twin.state, self.twin.now_us) == []


TestKnowledgeModel = Knowledge.TestCase
TestKnowledgeModel.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
