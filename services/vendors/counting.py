"""
The adapter of the counting vendor (`counting_vendor`): calls and streams of any modality.

It stands for whichever provider a price book names, so that the way to a vendor can be shown and
tested without an account.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from contracts.usage import Usage
from services.client.grant import Grant
from services.client.meter import Meter
from services.secret import Secret
from services.vendors.adapter import (
    Answer,
    StreamAdapter,
    VendorCutOff,
    VendorFailed,
    VendorUnreachable,
    ends_spending,
)
from services.vendors.outbound import Outbound, Reply


class CountingAdapter(StreamAdapter):
    """
    Speaks to a counting vendor through *outbound*, as the provider *provider_id*.

    With a *secret_name*, each call shows the vendor that secret of the twin, opened for the call.
    """

    def __init__(self, provider_id: str, outbound: Outbound, *, secret_name: str = "") -> None:
        super().__init__(provider_id)
        self._outbound = outbound
        self._secret_name = secret_name

    async def call(self, grant: Grant, request: Mapping[str, Any]) -> Answer:
        meter = grant.open(self.provider_id)
        key = await self._key(grant)
        reply = await self._outbound.post(meter, "/v1/calls", self._body(grant, request), key=key)
        answer = self._answered(meter, reply, nothing_before=True)
        meter.completed(answer.usage, answer.vendor_ref)
        return answer

    async def begin(self, grant: Grant, request: Mapping[str, Any]) -> Answer:
        meter = grant.open(self.provider_id)
        key = await self._key(grant)
        reply = await self._outbound.post(meter, "/v1/streams", self._body(grant, request), key=key)
        answer = self._answered(meter, reply, nothing_before=True)
        _goes_on(meter, answer)
        return answer

    async def drive(self, grant: Grant, stream: str, stream_ms: int) -> Answer:
        meter = grant.open(self.provider_id)
        key = await self._key(grant)
        before = meter.so_far
        # If the answer is lost, the slice was generated all the same.
        meter.counted(meter.limits)
        body = {"stream_ms": min(stream_ms, grant.terms.limits.stream_ms)}
        try:
            reply = await self._outbound.post(meter, f"/v1/streams/{stream}/slices", body, key=key)
            answer = self._answered(meter, reply)
        except (VendorUnreachable, VendorFailed):
            meter.counted(before)
            raise
        _goes_on(meter, answer)
        return answer

    @ends_spending
    async def end(self, grant: Grant, stream: str) -> Answer:
        meter = grant.opened(self.provider_id)
        key = await self._key(grant)
        reply = await self._outbound.post(meter, f"/v1/streams/{stream}/end", {}, key=key)
        answer = self._answered(meter, reply)
        meter.completed(answer.usage, answer.vendor_ref)
        return answer

    async def _key(self, grant: Grant) -> Secret | None:
        return await grant.secret(self._secret_name) if self._secret_name else None

    def _body(self, grant: Grant, request: Mapping[str, Any]) -> dict[str, Any]:
        terms = grant.terms
        return {
            **request,
            "sku": terms.sku,
            "modality": terms.modality,
            "limits": msgspec.to_builtins(terms.limits),
        }

    def _answered(self, meter: Meter, reply: Reply, *, nothing_before: bool = False) -> Answer:
        if reply.status == HTTPStatus.OK:
            return _answer(reply)
        # This vendor does not bill what it answers with an error, and says so in the answer.
        if nothing_before and reply.json().get("billed") is False:
            meter.failed(Usage())
        raise VendorFailed(self.provider_id, reply.status)


def _goes_on(meter: Meter, answer: Answer) -> None:
    meter.counted(answer.usage)
    meter.reported(answer.usage, answer.vendor_ref)


def _answer(reply: Reply) -> Answer:
    body = reply.json()
    try:
        return Answer(
            body=body,
            usage=msgspec.convert(body["usage"], Usage),
            vendor_ref=str(body["vendor_ref"]),
        )
    except (KeyError, msgspec.ValidationError) as problem:
        raise VendorCutOff(f"the answer has no usage: {problem}") from problem
