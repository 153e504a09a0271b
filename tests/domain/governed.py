"""A twin with deployments, visitors, sessions and sources, in short commands."""

from __future__ import annotations

from contracts.citation import Citation
from contracts.commit import AnyEvent
from contracts.deployment import (
    ChangeDeployment,
    CreateDeployment,
    DeploymentTerms,
    DisableDeployment,
    Disclosure,
    EnableDeployment,
    MintVisitor,
    SetDisclosure,
)
from contracts.knowledge import (
    AddSource,
    ApproveSource,
    BeginIngestion,
    RejectSource,
    ReportFailed,
    ReportIngested,
    ReportProgress,
    RetireSource,
    SubmitSource,
)
from contracts.session import (
    BeatSession,
    BeginSession,
    CiteAnswer,
    EndSession,
    KillAllSessions,
    KillSession,
    ShowDisclosure,
    StepSession,
)
from domain import conversation, gate
from tests.domain.world import Twin, unchanged

PAGE = "https://tvazteca.example"
TOLD = "Soy una IA. ¡Goooool!"
HASHES = tuple(digit * 64 for digit in "abcdef")


def terms(**fields) -> DeploymentTerms:
    return DeploymentTerms(
        **{"surface": "web_widget", "ceiling": "video", "origins": [PAGE], **fields}
    )


def disclosure(text: str = TOLD, language: str = "es-MX") -> Disclosure:
    return Disclosure(text, language)


class Governed(Twin):
    """Commands come from *actor*; a principal that may not ask at all is told by `barred`."""

    # -- deployments ------------------------------------------------------------

    def create(self, name: str = "web", **fields) -> AnyEvent:
        command = {"terms": terms(), "disclosure": disclosure(), **fields}
        return self.decide(CreateDeployment(command_id=self.new_id(), deployment=name, **command))

    def change(self, name: str = "web", **fields) -> AnyEvent:
        expected = fields.pop("expected_version", None)
        return self.decide(
            ChangeDeployment(
                command_id=self.new_id(),
                deployment=name,
                terms=terms(**fields),
                expected_version=expected,
            )
        )

    def disclose(self, text: str, name: str = "web", **fields) -> AnyEvent:
        return self.decide(
            SetDisclosure(
                command_id=self.new_id(), deployment=name, disclosure=disclosure(text), **fields
            )
        )

    def enable(self, name: str = "web") -> AnyEvent:
        return self.decide(EnableDeployment(command_id=self.new_id(), deployment=name))

    def disable(self, name: str = "web") -> AnyEvent:
        return self.decide(DisableDeployment(command_id=self.new_id(), deployment=name))

    def opened(self, name: str = "web", **fields) -> AnyEvent:
        """A deployment that visitors can enter."""
        created = self.create(name, terms=terms(**fields))
        self.enable(name)
        return created

    def mint(self, origin: str = PAGE, name: str = "web", **fields) -> AnyEvent:
        fields.setdefault("visitor_id", f"visitor-number-{self.new_id()}")
        return self.decide(
            MintVisitor(command_id=self.new_id(), deployment=name, origin=origin, **fields)
        )

    def barred(self, command, actor: str) -> str | None:
        """The code with which *actor* is turned away from a command, before it is looked at."""
        envelope = self.envelope(command)._replace(actor=actor)
        found = unchanged(self.state, lambda: gate.barred(self.state, command, envelope))
        return None if found is None else found[0].code

    # -- sessions ---------------------------------------------------------------

    def converse(self, session_id: str, modality: str = "text", **fields) -> AnyEvent:
        fields.setdefault("command_id", self.new_id())
        return self.decide(BeginSession(session_id=session_id, modality=modality, **fields))

    def show(self, session_id: str, version: int = 1) -> AnyEvent:
        return self.decide(
            ShowDisclosure(command_id=self.new_id(), session_id=session_id, version=version)
        )

    def beat(self, session_id: str) -> AnyEvent | None:
        """The event of a beat; None when it is only answered."""
        self.write_due()
        command = BeatSession(command_id=self.new_id(), session_id=session_id)
        envelope = self.envelope(command)
        quiet = unchanged(self.state, lambda: conversation.unmoved(self.state, command, envelope))
        return self.decide(command) if quiet is None else None

    def step(self, session_id: str, modality: str, **fields) -> AnyEvent:
        told = {"why": "quota_exhausted", "notice": "spoken", **fields}
        return self.decide(
            StepSession(command_id=self.new_id(), session_id=session_id, modality=modality, **told)
        )

    def cite(self, session_id: str, *citations: Citation, turn: str = "t-1") -> AnyEvent:
        return self.decide(
            CiteAnswer(
                command_id=self.new_id(),
                session_id=session_id,
                turn=turn,
                citations=list(citations),
            )
        )

    def close(self, session_id: str, reason: str = "user_exit", **fields) -> AnyEvent:
        return self.decide(
            EndSession(command_id=self.new_id(), session_id=session_id, reason=reason, **fields)
        )

    def kill(self, session_id: str, **fields) -> AnyEvent:
        return self.decide(KillSession(command_id=self.new_id(), session_id=session_id, **fields))

    def kill_all(self, **fields) -> list[AnyEvent]:
        return self.do(KillAllSessions(command_id=self.new_id(), **fields))

    def visit(self, visitor_id: str, modality: str = "text", **fields) -> AnyEvent:
        """An admitted visitor opens its session and is shown what there is to show."""
        begun = self.converse(visitor_id, modality, **fields)
        self.show(visitor_id, begun.disclosure_version)
        return begun

    # -- knowledge --------------------------------------------------------------

    def add(self, name: str = "rules", **fields) -> AnyEvent:
        source = {"kind": "web", "title": "Reglas", "location": f"{PAGE}/reglas", **fields}
        return self.decide(AddSource(command_id=self.new_id(), source=name, **source))

    def submit(self, name: str = "rules", **fields) -> AnyEvent:
        return self.decide(SubmitSource(command_id=self.new_id(), source=name, **fields))

    def begin(self, name: str = "rules") -> AnyEvent:
        return self.decide(BeginIngestion(command_id=self.new_id(), source=name))

    def advanced(self, step: str, name: str = "rules", **fields) -> AnyEvent:
        return self.decide(
            ReportProgress(
                command_id=self.new_id(),
                source=name,
                ingestion=self._ingestion(name),
                step=step,
                **fields,
            )
        )

    def ingested(
        self,
        content_hash: str = HASHES[0],
        name: str = "rules",
        ingestion: int | None = None,
        **fields,
    ) -> AnyEvent:
        return self.decide(
            ReportIngested(
                command_id=self.new_id(),
                source=name,
                ingestion=ingestion or self._ingestion(name),
                content_hash=content_hash,
                chunks=12,
                summary="Cómo se juega.",
                **fields,
            )
        )

    def failed(self, name: str = "rules", ingestion: int | None = None) -> AnyEvent:
        return self.decide(
            ReportFailed(
                command_id=self.new_id(),
                source=name,
                ingestion=ingestion or self._ingestion(name),
                reason="404 at the source",
            )
        )

    def approve(self, content_hash: str = HASHES[0], name: str = "rules", **fields) -> AnyEvent:
        return self.decide(
            ApproveSource(
                command_id=self.new_id(), source=name, content_hash=content_hash, **fields
            )
        )

    def reject(self, content_hash: str = HASHES[0], name: str = "rules") -> AnyEvent:
        return self.decide(
            RejectSource(command_id=self.new_id(), source=name, content_hash=content_hash)
        )

    def retire(self, name: str = "rules") -> AnyEvent:
        return self.decide(RetireSource(command_id=self.new_id(), source=name))

    def reviewable(self, content_hash: str = HASHES[0], name: str = "rules", **fields) -> AnyEvent:
        """A source whose content waits for a review."""
        if name in self.state.knowledge.sources:
            self.submit(name)
        else:
            self.add(name)
        self.begin(name)
        return self.ingested(content_hash, name, **fields)

    def source(self, name: str = "rules"):
        return self.state.knowledge.sources[name]

    def _ingestion(self, name: str) -> int:
        found = self.state.knowledge.sources.get(name)
        return found.ingestion if found is not None and found.ingestion else 1
