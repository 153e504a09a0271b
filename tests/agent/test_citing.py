"""A twin in a room goes by what was approved and nothing else; what it went by is in the log."""

from contracts.session import AnswerCited
from tests.agent.talking import said, talking, until
from tests.rig.checking import read_log
from tests.rig.knowing_twin import (
    APPROVED,
    DRAFT,
    OTHER,
    approve,
    look_up,
    passage,
    requests_of_models,
    retire,
)


async def test_what_reaches_the_model_is_approved_and_cited(served, monkeypatch):
    """Also when the index brings a draft, another source's content, or what was retired since."""
    requests = requests_of_models(monkeypatch)
    look_up(
        monkeypatch,
        passage("El brazalete es anaranjado."),
        passage("BORRADOR secreto.", content_hash=DRAFT),
        passage("AJENO secreto.", source="foreign", content_hash=OTHER),
    )
    async with talking(served, "tx-cites") as twin:
        await approve(twin.gate, "rules")
        held = await twin.open()
        assert said(await held.session.run(user_input="¿De qué color es el brazalete?"))
        assert "anaranjado" in requests[-1]
        assert "secreto" not in "".join(requests)

        await retire(twin.gate, "rules")
        await until(lambda: not held._talk.knowledge)
        assert said(await held.session.run(user_input="¿Y el entretiempo?"))
        asked = requests[-1]
        await held.aclose("user_exit")

        assert asked is not requests[0]
        (cited,) = [
            one
            for one in (await read_log(served, "tx-cites")).events
            if isinstance(one, AnswerCited)
        ]
        assert cited.session_id == "s-1"
        assert [(one.source, one.content_hash) for one in cited.citations] == [("rules", APPROVED)]
        assert cited.unapproved == 0
        # What the twin has said it may remember; the excerpt itself is in nobody's memory.
        assert "| El brazalete" in requests[0]
        assert "| El brazalete" not in asked


async def test_what_a_question_is_answered_with_is_there_after_a_tool_too(served, monkeypatch):
    """The model is asked twice about one question: looked up and cited once."""
    requests = requests_of_models(monkeypatch)
    look_up(monkeypatch, passage("El brazalete es anaranjado."))
    async with talking(served, "tx-cites-tool") as twin:
        await approve(twin.gate, "rules")
        held = await twin.open()
        assert said(await held.session.run(user_input="¿Cómo va el partido?"))

        assert len(requests) == 2
        assert all("anaranjado" in one for one in requests)
        logged = (await read_log(served, "tx-cites-tool")).events
        assert len([one for one in logged if isinstance(one, AnswerCited)]) == 1
