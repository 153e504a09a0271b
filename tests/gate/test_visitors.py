"""Deployments, visitors and knowledge on a real worker, in both encodings."""

from __future__ import annotations

import msgspec
import pytest

from contracts import knowledge
from contracts.deployment import (
    ChangeDeployment,
    CreateDeployment,
    DisableDeployment,
    EnableDeployment,
    MintVisitor,
    SetDisclosure,
)
from contracts.replies import Decision, Receipt
from contracts.subjects import command, on_behalf, query
from contracts.views import DeploymentView, KnowledgeView
from services.client import GateClient
from services.client.sender import new_id
from tests.conftest import TEST_USER
from tests.domain.governed import HASHES, PAGE, disclosure, terms
from tests.gate.served import ANSWERED_WITHIN_S, authorize, connected, json_of
from tests.rig.twins import provision_twin

ANA = "a" * 16


async def tell(gate: GateClient, kind, /, **fields) -> Receipt:
    return await gate.tell(kind(command_id=new_id(), **fields))


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
async def test_every_command_of_both_nouns_is_served(served, encoding):
    """A verb whose subject or struct is misspelt would never be answered."""
    name = f"governed-{encoding}"
    await provision_twin(served, name)
    async with connected(served) as bus:
        gate = GateClient(bus, name, encoding=encoding)
        at, about = {"deployment": "web"}, {"source": "rules"}
        said = [
            await tell(gate, CreateDeployment, terms=terms(), disclosure=disclosure(), **at),
            await tell(gate, ChangeDeployment, terms=terms(ceiling="text"), **at),
            await tell(gate, SetDisclosure, disclosure=disclosure("IA: ¡Goooool!"), **at),
            await tell(gate, EnableDeployment, **at),
            await tell(gate, MintVisitor, visitor_id=ANA, origin=PAGE, **at),
            await tell(gate, DisableDeployment, **at),
            await tell(
                gate, knowledge.AddSource, kind="text", title="¿Qué?", location="a.txt", **about
            ),
            begun := await tell(gate, knowledge.BeginIngestion, **about),
        ]
        brought = {"content_hash": HASHES[0], "chunks": 3, "summary": "Gol.", **about}
        number = {"ingestion": begun.facts["ingestion"]}
        judged = {"content_hash": HASHES[0], **about}
        said += [
            await tell(gate, knowledge.ReportIngested, **brought, **number),
            await tell(gate, knowledge.RejectSource, **judged),
            await tell(gate, knowledge.SubmitSource, **about),
            again := await tell(gate, knowledge.BeginIngestion, **about),
            await tell(gate, knowledge.ReportFailed, ingestion=again.facts["ingestion"],
                       reason="down", **about),
            await tell(gate, knowledge.SubmitSource, **about),
            last := await tell(gate, knowledge.BeginIngestion, **about),
            await tell(gate, knowledge.ReportIngested, ingestion=last.facts["ingestion"],
                       **brought),
            await tell(gate, knowledge.ApproveSource, **judged),
        ]  # fmt: skip
        assert [reply.code for reply in said] == [
            "deployment_created", "deployment_changed", "disclosure_set", "deployment_enabled",
            "visitor_admitted", "deployment_disabled", "source_added", "ingestion_begun",
            "source_ingested", "source_rejected", "source_submitted", "ingestion_begun",
            "ingestion_failed", "source_submitted", "ingestion_begun", "source_ingested",
            "source_approved",
        ]  # fmt: skip
        (shown,) = (await gate.show(DeploymentView)).deployments
        assert (shown.disclosure, shown.version, shown.enabled) == ("IA: ¡Goooool!", 2, False)
        (source,) = (await gate.show(KnowledgeView)).sources
        assert (source.stage, source.approved_hash, source.title) == (
            "approved",
            HASHES[0],
            "¿Qué?",
        )
        assert (await tell(gate, knowledge.RetireSource, **about)).code == "source_retired"


async def test_a_visitor_makes_its_own_calls_until_the_page_is_closed_to_it(served):
    """The whole way of a visitor, under the principal that its token will give it."""
    await provision_twin(served, "visited")
    async with connected(served) as bus, connected(served, TEST_USER) as door:
        gate = GateClient(bus, "visited")
        at = {"deployment": "web"}
        await tell(
            gate, CreateDeployment, terms=terms(ceiling="text"), disclosure=disclosure(), **at
        )
        await tell(gate, EnableDeployment, **at)
        admitted = await tell(gate, MintVisitor, visitor_id=ANA, origin=PAGE, **at)

        async def ask(visitor: str, **changes) -> Decision:
            visitor = on_behalf(TEST_USER, f"visitor_{visitor}")
            subject = command("visited", "budget", "authorize", visitor)
            body = json_of(authorize(new_id(), **changes))
            reply = await door.request(subject, body, timeout=ANSWERED_WITHIN_S)
            return msgspec.json.decode(reply.data, type=Decision)

        early = await ask(ANA, session_id=ANA)
        await gate.open_session(ANA, "text")
        undisclosed = await ask(ANA, session_id=ANA)
        await gate.show_disclosure(ANA, admitted.facts["disclosure_version"])
        granted = await ask(ANA, session_id=ANA)
        told = [
            await ask(ANA, session_id=ANA, modality="voice"),
            await ask(ANA),
            await ask("b" * 16, session_id="b" * 16),
        ]
        show = query("visited", "deployment", on_behalf(TEST_USER, f"visitor_{ANA}"))
        seen = await door.request(show, b"", timeout=ANSWERED_WITHIN_S)
        await tell(gate, DisableDeployment, **at)
        told.append(await ask(ANA, session_id=ANA))

    assert admitted.facts["disclosure_version"] == 1
    assert (early.code, undisclosed.code) == ("session_not_open", "disclosure_due")
    assert (granted.status, granted.decision) == (200, "PASS")
    assert [(reply.status, reply.code) for reply in told] == [
        (403, "modality_above_ceiling"),
        (403, "session_of_another"),
        (403, "caller_unknown"),
        (403, "deployment_disabled"),
    ]
    # It knows of the twin, which it is talking to; so it is told why.
    refused = msgspec.json.decode(seen.data, type=Decision)
    assert (refused.status, refused.code) == (403, "caller_not_allowed")
