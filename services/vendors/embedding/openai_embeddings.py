"""
OpenAI's embeddings: POST /embeddings, and everything that speaks like it.

The vendor bills input tokens and reports them with the vectors. An error costs nothing if it is the
vendor's own. Shape and bounds (at most 2,048 inputs, 8,192 tokens each, 300,000 tokens together,
`dimensions` from text-embedding-3 on) as platform.openai.com/docs/api-reference/embeddings has them
in the OpenAPI document that clients are generated from, and learn.microsoft.com's "Create an
embedding"; compared on 2026-11-22. Tested against the sandbox, and against a real one where
`tests/vendors/speaking.py` says how.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from contracts.usage import Usage
from services.client.grant import Grant
from services.client.meter import Meter
from services.client.patience import Timing
from services.vendors.adapter import (
    Answer,
    BeyondGrant,
    VendorAdapter,
    VendorCutOff,
    VendorFailed,
    Way,
    simple_way,
)
from services.vendors.chat.openai_chat import NAME_HEADER
from services.vendors.chat.tokens import most_tokens
from services.vendors.failed import failed, retry_after_ms
from services.vendors.outbound import Outbound, Reply, bearer

PATH: Final = "/embeddings"
REQUEST: Final = "embedding"
# The vendor's limits: inputs of a request, and tokens of each and of all.
TEXTS_MAX: Final = 2_048
TOTAL_S: Final = 30.0


class EmbeddingRequest(msgspec.Struct, frozen=True):
    """Texts, none of them empty, and how many numbers a vector is to have."""

    texts: tuple[str, ...]
    dimensions: int


class _Vector(msgspec.Struct, frozen=True):
    index: int
    embedding: list[float]


class _Usage(msgspec.Struct, frozen=True):
    prompt_tokens: int


class _Vectors(msgspec.Struct, frozen=True):
    data: list[_Vector]
    usage: _Usage


class OpenAIEmbeddings(VendorAdapter):
    """Embeds as the provider *provider_id*; the twin's key is the secret *secret_name*."""

    def __init__(
        self,
        provider_id: str,
        outbound: Outbound,
        *,
        secret_name: str = "openai",  # noqa: S107 - a name in the vault, no value
        timing: Timing | None = None,
    ) -> None:
        super().__init__(provider_id)
        self._outbound = outbound
        self._secret_name = secret_name
        self._timing = timing or Timing()

    def way(self, sku: str, texts: Sequence[str], *, dimensions: int) -> Way:
        """Make the way to have *texts* embedded by *sku*; the bound holds, whatever it counts."""
        request = EmbeddingRequest(tuple(texts), dimensions)
        bound = Usage(input_tokens=most_input_tokens(texts))
        return simple_way("text", self.provider_id, sku, bound, **{REQUEST: request})

    async def call(self, grant: Grant, request: Mapping[str, Any]) -> Answer:
        """See VendorAdapter. The answer's body has the vectors, in the order of the texts."""
        meter = grant.open(self.provider_id)
        wanted = request[REQUEST]
        if most_input_tokens(wanted.texts) > meter.limits.input_tokens:
            raise BeyondGrant("hold as many tokens as OpenAIEmbeddings.way does")
        key = await grant.secret(self._secret_name)
        reply = await self._outbound.request(
            meter,
            "POST",
            PATH,
            headers={
                "Authorization": bearer(key),
                NAME_HEADER: grant.terms.reservation_id,
            },
            json={
                "model": grant.terms.sku,
                "input": wanted.texts,
                "dimensions": wanted.dimensions,
                "encoding_format": "float",
            },
            timeout_s=TOTAL_S,
        )
        if reply.status != HTTPStatus.OK:
            raise self._refused(meter, reply)
        return _answer(meter, reply, len(wanted.texts))

    def _refused(self, meter: Meter, reply: Reply) -> VendorFailed:
        found = reply.value()
        error = found.get("error") if isinstance(found, dict) else None
        if isinstance(error, dict):
            meter.failed(Usage())
        else:
            # A gateway's page says nothing about what happened behind it.
            error = {}
        return failed(
            self.provider_id,
            reply.status,
            code=error.get("code") or error.get("type"),
            retry_after_ms=retry_after_ms(reply.headers, self._timing.wall_us),
        )


def most_input_tokens(texts: Sequence[str]) -> int:
    """Return an upper bound of what the vendor counts."""
    return sum(most_tokens(text) for text in texts)


def _answer(meter: Meter, reply: Reply, texts: int) -> Answer:
    try:
        found = msgspec.json.decode(reply.body, type=_Vectors)
    except (msgspec.MsgspecError, RecursionError) as problem:
        raise VendorCutOff(f"the answer is no list of vectors: {problem}") from problem
    usage = Usage(input_tokens=max(0, found.usage.prompt_tokens))
    meter.completed(usage, reply.headers.get("x-request-id", ""))
    ordered = sorted(found.data, key=lambda one: one.index)
    if [one.index for one in ordered] != list(range(texts)):
        raise VendorCutOff("the answer has not one vector for each text")
    return Answer({"vectors": [one.embedding for one in ordered]}, usage)
