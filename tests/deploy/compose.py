"""The compose file as data, and its variables filled in as `docker compose` does it."""

import re
from pathlib import Path

import yaml

from deploy import credentials, nats_nodes

DEPLOY = Path(nats_nodes.__file__).parent
TEXT = (DEPLOY / "compose.yaml").read_text()
COMPOSE = yaml.safe_load(TEXT)
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)(:[-?][^}]*)?\}")


def variables_in(text: str) -> list[tuple[str, str]]:
    """Every variable: its name, and what follows it (`:?…` required, `:-…` a default)."""
    return _VARIABLE.findall(text)


def filled(environment: dict[str, str], given: dict[str, str] | None = None) -> dict[str, str]:
    """An environment with every variable filled in, from *given* or with something new."""
    values = {"VITO_DEPLOYMENT": "test-1"} if given is None else given

    def value(match: re.Match[str]) -> str:
        name, rest = match.groups()
        if name not in values and (rest or "").startswith(":-"):
            return rest[2:]
        return values[name] if given is not None else values.get(name, credentials.new_password())

    return {name: _VARIABLE.sub(value, text) for name, text in environment.items()}
