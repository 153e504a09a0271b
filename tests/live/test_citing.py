"""On a page too: what was approved reaches the model, is told to the visitor, and is in the log."""

from contracts.session import AnswerCited
from contracts.stream import Cited, TurnEnded
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


async def asks(talker, turn, question):
    """What is heard of a turn."""
    await talker.say("text", id=turn, text=question)
    heard = []
    while not (heard and isinstance(heard[-1], TurnEnded)):
        heard.append(await talker.hear())
    return heard


async def test_what_reaches_the_model_is_approved_and_cited(twin, served, monkeypatch):
    """Also when the index brings a draft, another source's content, or what was retired since."""
    requests = requests_of_models(monkeypatch)
    look_up(
        monkeypatch,
        passage("El brazalete es anaranjado."),
        passage("BORRADOR secreto.", content_hash=DRAFT),
        passage("AJENO secreto.", source="foreign", content_hash=OTHER),
    )
    await approve(twin.gate, "rules")
    page = await twin.visitor()
    heard = await asks(page, "t-1", "¿De qué color es el brazalete?")

    (told,) = [one for one in heard if isinstance(one, Cited)]
    assert [one.content_hash for one in told.sources] == [APPROVED]
    assert "anaranjado" in requests[-1]
    assert "secreto" not in "".join(requests)

    await retire(twin.gate, "rules")
    later = await twin.visitor()
    heard = await asks(later, "t-2", "¿De qué color es el brazalete?")
    assert not [one for one in heard if isinstance(one, Cited)]
    assert "anaranjado" not in requests[-1]

    (cited,) = [
        one for one in (await read_log(served, twin.tenant)).events if isinstance(one, AnswerCited)
    ]
    assert (cited.session_id, cited.turn) == (page.welcome.session_id, "t-1")
    assert [one.source for one in cited.citations] == ["rules"]
