"""Golden logs: how they are written, read and folded."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args

import msgspec

from contracts.account import PLATFORM
from contracts.commit import AnyEvent, decode_events, encode_events
from contracts.views import VIEWS
from domain import gate
from domain.answer import answer
from domain.memory import Decided
from domain.state import State
from domain.views import view

FOLDER = Path(__file__).parent
DIGESTS = FOLDER / "DIGESTS"
# What an answer says about money and why; further fields may be added to answers.
ANSWERED = (
    "status",
    "code",
    "decision_id",
    "position",
    "committed_nanos",
    "held_nanos",
    "limit_nanos",
    "credits_nanos",
    "remaining_nanos",
)


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.jsonl"))


def tenant_of(name: str) -> str:
    """Whose log it is: the platform's, if the name says so."""
    return PLATFORM if PLATFORM in name else "cantor"


def digest_of(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def read(name: str) -> Iterator[tuple[int, list[AnyEvent]]]:
    """Positions and events of a golden log."""
    for line in (FOLDER / f"{name}.jsonl").read_text().splitlines():
        commit = json.loads(line)
        yield commit["position"], decode_events(b64decode(commit["body"]))


def write(name: str, log: list[AnyEvent], *, per_commit: int = 7) -> None:
    """Store a new golden log with what is expected of it."""
    lines = []
    for start in range(0, len(log), per_commit):
        body = encode_events(log[start : start + per_commit])
        lines.append(json.dumps({"position": len(lines) + 1, "body": b64encode(body).decode()}))
    path = FOLDER / f"{name}.jsonl"
    assert not path.exists(), "golden logs are added, never replaced"
    path.write_text("\n".join(lines) + "\n")
    expected = path.with_suffix(".expected.json")
    expected.write_text(json.dumps(told(name), indent=1, sort_keys=True) + "\n")
    with DIGESTS.open("a") as digests:
        digests.writelines(f"{digest_of(file)}  {file.name}\n" for file in (path, expected))


def told(name: str) -> dict[str, Any]:
    """Fold a golden log; return what the gate says of its decisions and of its state."""
    tenant = tenant_of(name)
    state = State(tenant)
    answers = []
    for position, events in read(name):
        state.position = position
        for event in events:
            gate.evolve(state, event)
            if isinstance(event, get_args(Decided)):
                reply = msgspec.to_builtins(answer(tenant, event, position))
                answers.append([reply[field] for field in ANSWERED])
    shown = {noun: msgspec.to_builtins(view(noun, state, state.clock_us)) for noun in VIEWS}
    return {"answers": answers, "views": shown}
