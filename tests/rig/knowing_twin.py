"""What a twin knows, for tests of those who talk: approved by the gate, found as a test says."""

import msgspec

from contracts.knowledge import (
    AddSource,
    ApproveSource,
    BeginIngestion,
    ReportIngested,
    RetireSource,
)
from contracts.lookup import FoundPassage, KnowledgeFound, Where
from services.client import GateClient
from services.client.sender import new_id
from services.sandbox import openai

APPROVED, DRAFT, OTHER = ("a" * 64, "b" * 64, "c" * 64)


async def approve(gate, source, content_hash=APPROVED):
    """Take a source from its naming to its approval."""
    named = {"source": source, "kind": "text", "title": "Reglas", "location": "a.txt"}
    assert (await gate.tell(AddSource(command_id=new_id(), **named))).status == 200
    begun = await gate.tell(BeginIngestion(command_id=new_id(), source=source))
    about = {"source": source, "content_hash": content_hash}
    brought = ReportIngested(
        command_id=new_id(),
        ingestion=begun.facts["ingestion"],
        chunks=1,
        summary="s",
        **about,
    )
    assert (await gate.tell(brought)).status == 200
    assert (await gate.tell(ApproveSource(command_id=new_id(), **about))).status == 200


async def retire(gate, source):
    receipt = await gate.tell(RetireSource(command_id=new_id(), source=source))
    assert receipt.status == 200


def passage(text, *, source="rules", content_hash=APPROVED):
    return FoundPassage(
        source=source,
        title="Reglas",
        text=text,
        where=Where(page=1),
        content_hash=content_hash,
        chunk=1,
        score_permille=900,
        language="es",
    )


def look_up(monkeypatch, *passages):
    """Let every look-up bring exactly these, whatever was asked for: an index that is broken."""

    async def found(gate, _question, **_more):
        return KnowledgeFound(tenant=gate.tenant, passages=list(passages))

    monkeypatch.setattr(GateClient, "search_knowledge", found)


def requests_of_models(monkeypatch):
    """Every request that a model's vendor gets from now on, as it was sent."""
    seen, check = [], openai._wrong

    def recorded(wanted):
        seen.append(msgspec.json.encode(wanted).decode())
        return check(wanted)

    monkeypatch.setattr(openai, "_wrong", recorded)
    return seen
