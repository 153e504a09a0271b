"""
What others say on our pages: titles and remedies of refusals, sentences of the log, enum words.

They come over the API in English, and are said in a person's language from the same catalogue as
the console's own texts. Here is which they are, read from where each is made.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, get_args

from contracts import (
    access,
    budget,
    deployment,
    knowledge,
    message,
    price_book,
    prompt,
    questions,
    replies,
    session,
    tenant,
    twin,
    views,
)
from contracts.commands import NOUN_AND_VERB
from contracts.twin import SAMPLES
from domain.refusals import BY_CODE
from domain.twin import Progress, steps
from services.audit.report import AREAS
from services.console import refused
from services.query_api import log_words, problems
from services.twins import booth
from services.vendors import key_trial

_ENUMS: Final = (
    access.Role,
    access.Scope,
    access.PrincipalKind,
    budget.CallOutcome,
    budget.CallPurpose,
    deployment.Surface,
    knowledge.SourceKind,
    knowledge.IngestionStep,
    knowledge.FailureCode,
    knowledge.Stage,
    message.Modality,
    price_book.PricedQuantity,
    prompt.VariableType,
    questions.HoldState,
    replies.Verdict,
    session.Notice,
    session.EndReason,
    session.SessionStatus,
    tenant.TenantStatus,
    twin.ConversionGoal,
    views.MeterName,
)
# Words of the API that no type of the contracts lists: states of rows, and of a verification.
_STATES: Final = (
    "admin",
    "queue",
    "drop",
    "current",
    "replaced",
    "revoked",
    "settled",
    "recorded",
    "lost",
    "released",
    "extended",
    "proved",
    "differs",
    "not_checked",
    "none",
    "token",
    "minute",
    "interaction",
)


def said() -> Iterator[tuple[str, str]]:
    """Return each text with the name of where it comes from."""
    for refusal in BY_CODE.values():
        yield from ((text, "(refusals)") for text in (refusal.message, refusal.remedy))
    for kind in vars(problems).values():
        if isinstance(kind, problems.Kind):
            yield from ((text, "(problems)") for text in (kind.title, kind.remedy))
    patterns = (*log_words.PATTERNS.values(), *(log_words.REFUSED_CALL, log_words.REFUSED))
    yield from ((text, "(log)") for text in (*patterns, log_words.DONE))
    yield from ((one.text, "(advice)") for one in refused.ADVICE.values())
    own = (text for words in booth.WORDS.values() for text in words)
    yield from ((text, "(samples)") for text in own)
    found = (text for words in key_trial.WORDS.values() for text in words if text)
    yield from ((text, "(tests of keys)") for text in found)
    yield from ((text, "(steps)") for text in _steps())
    yield from ((text, "(words)") for text in _words())


def _steps() -> Iterator[str]:
    """What a twin can lack, each with every figure in it."""
    for made in range(SAMPLES + 1):
        for status in get_args(tenant.TenantStatus):
            progress = Progress(
                is_live=False,
                has_draft=False,
                has_purpose=False,
                is_calibrating=False,
                samples=made,
            )
            yield from (why for _, why in steps(progress, status))


def _words() -> Iterator[str]:
    for enum in _ENUMS:
        yield from get_args(enum)
    for noun, verb in NOUN_AND_VERB.values():
        yield from (noun, verb)
    yield from AREAS
    yield from _STATES


# Every word that names a thing of the contracts; some are of several words.
ENUM_WORDS: Final = frozenset(_words())
