"""A twin with a past: something on every page of the console, and every form that can be there."""

import base64
import re
from datetime import UTC, datetime, timedelta

from msgspec import structs, to_builtins

from contracts.budget import AuthorizeCall, SettleCall
from contracts.citation import Citation
from contracts.knowledge import (
    AddSource,
    ApproveSource,
    BeginIngestion,
    ReportFailed,
    ReportIngested,
    ReportProgress,
    SubmitSource,
)
from contracts.session import CiteAnswer
from contracts.usage import Usage
from tests.console.calls import KEY, SESSION, talked
from tests.domain.dna import identity, purpose
from tests.http_door.people import NOW_US, cookie

TWIN = "cantor"
_FIELD = re.compile(r"\{\w+\}")
_TODAY = datetime.fromtimestamp(NOW_US / 1_000_000, UTC).date()
# What stands for a variable in the address of a page.
VALUES = {
    "{version}": ["1"],
    "{deployment}": ["kiosk-1", "site-1"],
    "{session}": [SESSION],
    "{decision}": [f"{TWIN}.2"],
    "{source}": ["rules", "history", "scan"],
}
# What a page shows only when it is asked for.
MORE = {
    "integrations/prices": ["integrations/prices?product=p/s/text"],
    "knowledge/ask": ["knowledge/ask?q=offside"],
    # The days of the tests' clock.
    "analytics": [f"analytics?since={_TODAY - timedelta(days=6)}&until={_TODAY}"],
}
_HOUR_US = 3_600_000_000
_TERMS = {
    "surface": "web_widget",
    "origins": ["https://fans.example"],
    "ceiling": "text",
    "mints_per_minute": 60,
}
_TOLD = {"text": "You speak with an AI.", "language": "en"}
_PRODUCT = {"provider_id": "p", "sku": "s"}


def addresses(pages):
    """Every page as (pattern, page, address below the twin's), with all values of variables."""
    for first in pages:
        for pattern, page in first.below(""):
            found = [pattern]
            for name in _FIELD.findall(pattern):
                assert name in VALUES, f"say in {__name__} what stands for {name} of {pattern}"
                found = [one.replace(name, value) for one in found for value in VALUES[name]]
            found += MORE.get(pattern, [])
            yield from ((pattern, page, one) for one in found)


async def live(place):
    """Fill the twin; see the module."""
    await talked(place)
    secret = place.world.directory.add_session("owner")

    async def do(path, **body):
        answer = await place.site.post(f"/v1/tenants/{TWIN}/{path}", cookie(secret), body)
        assert answer.status == 200, (path, answer.body)
        return answer.body

    for number in (0, 1):
        await do("prompt/save", text=f"Greet.\nLine {number}.", expected_version=number)
        await do("prompt/activate", version=number + 1)
    await do("prompt/save", text="Greet.\nNot live.", expected_version=2)
    for number, name in enumerate(("Betting", "Politics")):
        topics = [{"name": name, "phrases": ["odds"]}]
        await do("topics/set", topics=topics, expected_version=number)
    await do("secret/put", name="openai", value="sk-of-the-tests")
    for name in VALUES["{deployment}"]:
        await do("deployment/create", deployment=name, terms=_TERMS, disclosure=_TOLD)
    await do("deployment/enable", deployment="site-1")
    of_secret = {"secret_hash": base64.b64encode(bytes(32)).decode()}
    invited = {"invitation_id": "invitation00001", "email": "new@example.com", "role": "viewer"}
    soon_us = place.world.clock() + _HOUR_US
    await do("access/invite", **invited, **of_secret, expires_at_us=soon_us)
    await do(
        "access/issue-key", key_id="key0000000002", label="agent", scopes=["agent"], **of_secret
    )
    await do("twin/set-identity", identity=_said(identity()), expected_version=0)
    await do("twin/set-purpose", purpose=_said(purpose()), expected_version=0)
    await do("twin/begin-calibration", version=1, **_PRODUCT)
    rules = to_builtins(place.world.gate.state(TWIN).policy.policy)
    await do("policy/set", policy=rules | {"time_zone": "Europe/Madrid"}, expected_version=1)
    await _ask_too_much(place)
    await _know(place)
    await _cite(place)
    return await sample(place, 1)


async def _know(place):
    """One source that wants a review, one that is live and is read again, one that failed."""
    place.world.gate.admit(TWIN, keys={"k2": ["ingest"]})
    for number, name in enumerate(VALUES["{source}"]):
        about = {"source": name, "kind": "pdf", "title": name.title(), "location": f"{name}.pdf"}
        editor, key = "person_editor", "key_k2"
        await _told(place, AddSource(command_id=f"add-{name}", **about), editor)
        begun = await _told(place, BeginIngestion(command_id=f"begin-{name}", source=name), key)
        of = {"command_id": f"brought-{name}", "source": name}
        of["ingestion"] = begun["facts"]["ingestion"]
        if name == "scan":
            await _told(place, ReportFailed(**of, reason="No text.", code="no_text"), key)
            continue
        content_hash = f"{number:064x}"
        brought = {"content_hash": content_hash, "chunks": 3, "summary": "How it is played."}
        await _told(place, ReportIngested(**of, **brought, language="es", flags=1), key)
        if name == "history":
            about = {"source": name, "content_hash": content_hash, "flags_seen": 1}
            await _told(place, ApproveSource(command_id="yes", **about), "person_approver")
            await _told(place, SubmitSource(command_id="again", source=name), editor)
            begin = BeginIngestion(command_id="begin-again", source=name)
            of = {
                "source": name,
                "ingestion": (await _told(place, begin, key))["facts"]["ingestion"],
            }
            progress = ReportProgress(command_id="so-far", step="reading", **of)
            await _told(place, progress, key)


async def _cite(place):
    """An answer of the session that says what it went by."""
    of = {"source": "history", "content_hash": f"{1:064x}", "chunk": 2}
    found = [Citation(**of, score_permille=870, page=12), Citation(**of, score_permille=640)]
    cite = CiteAnswer(command_id="cite", session_id=SESSION, turn="t-2", citations=found)
    await _told(place, cite, KEY)


async def _told(place, command, principal):
    answer = await place.world.gate.command(TWIN, command, principal)
    assert answer["status"] == 200, answer
    return answer


def _said(document):
    """A document as a command has it; what is not said is left out."""
    return {name: value for name, value in structs.asdict(document).items() if value}


async def _ask_too_much(place):
    """A call of a product without a price, to be seen among the refusals."""
    call = AuthorizeCall(
        command_id="no-price",
        modality="text",
        provider_id="p",
        sku="free",
        estimate=Usage(requests=1),
        session_id=SESSION,
    )
    assert (await place.world.gate.command(TWIN, call, KEY))["status"] == 403


async def sample(place, number):
    """A settled call that may become a sample of the round that is under way; its reservation."""
    gate = place.world.gate
    call = AuthorizeCall(
        command_id=f"sample-{number}",
        modality="text",
        **_PRODUCT,
        estimate=Usage(requests=1),
        purpose="calibration",
    )
    granted = await gate.command(TWIN, call, KEY)
    assert granted["status"] == 200, granted
    held = granted["reservation_id"]
    settle = SettleCall(
        command_id=f"sampled-{number}", reservation_id=held, usage=Usage(requests=1)
    )
    await gate.command(TWIN, settle, KEY)
    return held
