"""What to do about a refusal can be done: each command and path that a remedy names is there."""

import re

import pytest
import typer

from domain.refusals import BY_CODE
from services.cli.main import app
from services.http_api import openapi
from services.query_api.problems import KINDS

EVERY = {**{kind.code: kind for kind in KINDS}, **BY_CODE}
PATHS = {
    re.sub(r"{\w+}", "<>", path): set(methods)
    for path, methods in openapi.document()["paths"].items()
}


def is_command(*words):
    """Whether `vito` has this command, and the group this subcommand."""
    group = typer.main.get_command(app)
    found = group.get_command(None, words[0])
    if found is None or len(words) == 1:
        return found is not None
    return words[1] in found._load().commands


@pytest.mark.parametrize("code", EVERY)
def test_a_remedy_names_commands_and_paths_that_exist(code):
    """Nobody who uses `vito` or HTTP knows a subject of the bus."""
    told = f"{getattr(EVERY[code], 'message', '')} {EVERY[code].remedy}"

    assert not re.search(r"\b(cmd|qry)\.|\b(access|policy|price_book|twin)\.[a-z]", told)
    for words in re.findall(r"`vito ([a-z-]+(?: [a-z-]+)?)`", told):
        assert is_command(*words.split()), words
    for method, path in re.findall(r"(GET|POST) (/v1/[^\s,;]+?)\.?(?=[\s,;]|$)", told):
        assert method.lower() in PATHS[re.sub(r"<\w+>", "<>", path)], path
