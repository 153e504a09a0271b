"""`vito tokens`: the keys that sign tokens."""

from __future__ import annotations

import json
import os
import time
from enum import StrEnum
from typing import Annotated

import typer

from services.identity import signing_keys
from services.settings import Settings


class Action(StrEnum):
    """What to do with them."""

    rotate = "rotate"
    jwks = "jwks"


def tokens(
    action: Annotated[Action, typer.Argument(help="Exchange the signing key, or show the public.")],
    prepare: Annotated[
        bool, typer.Option("--prepare", help="Only publish the next key; it signs later.")
    ] = False,
) -> None:
    """
    Exchange the key that signs tokens, or show the public halves as a JWK Set.

    Nobody is signed out: tokens of the old key are believed until they end. Where several machines
    verify tokens, first `rotate --prepare`, hand the public file round, then `rotate`.
    """
    settings = Settings.from_env(os.environ)
    path, now_s = settings.token_keys(), int(time.time())
    if action is Action.jwks:
        keys = signing_keys.open_keys(path, development=settings.development, now_s=now_s)
        print(json.dumps(keys.document(), indent=2))
        return
    active, dropped = signing_keys.rotate(path, now_s=now_s, prepare=prepare)
    print(f"{active} signs tokens" + (" still; the next key is published" if prepare else ""))
    for kid in dropped:
        print(f"{kid} is no longer published")
    print(f"public keys: {signing_keys.jwks_path(path)}")
