"""
Uploads: a file comes in pieces, because no message of the bus is as large as a book.

They are put together in memory, a few at once, each bounded and with a time in which the next piece
has to come; only a whole file is kept. Whoever brings one and is told that it is not known begins
anew: nothing of it was kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from contracts.lookup import UPLOAD_BYTES_MAX, PieceTaken, UploadPiece
from domain.refusals import OVERLOADED, SOURCE_INVALID
from services.knowledge.refusing import LookupRefused
from services.knowledge.store import KnowledgeStore, StoreBusy, StoreFull

AT_ONCE: Final = 8
TENANT_AT_ONCE: Final = 2
NEXT_PIECE_S: Final = 30.0


class _Coming(msgspec.Struct):
    """An upload that is not whole yet; *last_s* is when its last piece came."""

    last_s: float
    data: bytearray = msgspec.field(default_factory=bytearray)
    pieces: int = 0


class Uploads:
    """Files that are being brought. *clock_s*: monotonic seconds."""

    def __init__(self, store: KnowledgeStore, clock_s: Callable[[], float]) -> None:
        self._store = store
        self._clock_s = clock_s
        self._coming: dict[tuple[str, str, str], _Coming] = {}

    async def take(self, tenant: str, principal: str, piece: UploadPiece) -> PieceTaken:
        """Take the next piece; raises LookupRefused, and what the store raises."""
        name = (tenant, principal, piece.upload)
        coming = self._coming.get(name)
        if coming is not None and piece.number == coming.pieces - 1 and not piece.last:
            # Its answer was lost: the same piece again.
            return PieceTaken(tenant=tenant, upload=piece.upload, received=len(coming.data))
        if coming is None:
            coming = self._begin(name, piece)
        elif piece.number != coming.pieces:
            raise _refused("number", f"the next piece of this upload: {coming.pieces}")
        if len(coming.data) + len(piece.data) > UPLOAD_BYTES_MAX:
            del self._coming[name]
            raise _refused("data", f"at most {UPLOAD_BYTES_MAX:,} bytes in all")
        coming.data += piece.data
        coming.pieces, coming.last_s = coming.pieces + 1, self._clock_s()
        if not piece.last:
            return PieceTaken(tenant=tenant, upload=piece.upload, received=len(coming.data))
        del self._coming[name]
        return await self._keep(tenant, piece.upload, bytes(coming.data))

    def _begin(self, name: tuple[str, str, str], piece: UploadPiece) -> _Coming:
        if piece.number != 0:
            raise _refused("upload", "one that was begun less than 30 seconds ago: begin anew")
        now_s = self._clock_s()
        for other, coming in list(self._coming.items()):
            if now_s - coming.last_s > NEXT_PIECE_S:
                del self._coming[other]
        of_tenant = sum(other[0] == name[0] for other in self._coming)
        if len(self._coming) >= AT_ONCE or of_tenant >= TENANT_AT_ONCE:
            raise LookupRefused(OVERLOADED, retry_after_ms=1_000)
        self._coming[name] = _Coming(now_s)
        return self._coming[name]

    async def _keep(self, tenant: str, upload: str, data: bytes) -> PieceTaken:
        if not data:
            raise _refused("data", "a file that is not empty")
        try:
            content_hash = await self._store.put(tenant, "upload", data)
        except StoreFull as problem:
            raise _refused("data", str(problem)) from problem
        except StoreBusy:
            raise LookupRefused(OVERLOADED, retry_after_ms=500) from None
        return PieceTaken(
            tenant=tenant, upload=upload, received=len(data), content_hash=content_hash
        )


def _refused(field: str, rule: str) -> LookupRefused:
    return LookupRefused(SOURCE_INVALID, {"field": field, "rule": rule})
