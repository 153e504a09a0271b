"""Bodies that come packed (`Content-Encoding: gzip`), unpacked no further than is wanted."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

from services.knowledge.problem import IngestionProblem

GZIP: Final = 16 + zlib.MAX_WBITS
# A kilobyte can unpack to a megabyte; nobody asked for the next one before looking at this one.
STEP_BYTES: Final = 256 << 10


class Unpacking:
    """Unpacks one body. *packing* is what its header says; empty, it is handed through."""

    def __init__(self, packing: str) -> None:
        if packing not in ("", "identity", "gzip", "x-gzip"):
            raise IngestionProblem(
                "wrong_type", f"The answer is packed as {packing[:40]!r}, which was not asked for."
            )
        self._is_packed = packing.endswith("gzip")
        self._stream = zlib.decompressobj(GZIP) if self._is_packed else None

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield what *piece* holds, in small steps; raises IngestionProblem `damaged`."""
        if self._stream is None:
            yield piece
            return
        while piece:
            if self._stream.eof:
                # A packed file may be several, one after the other.
                self._stream = zlib.decompressobj(GZIP)
            try:
                yield self._stream.decompress(piece, STEP_BYTES)
            except zlib.error as problem:
                raise IngestionProblem(
                    "damaged", f"The answer cannot be unpacked: {problem}."
                ) from problem
            piece = self._stream.unconsumed_tail or self._stream.unused_data

    def finish(self) -> None:
        """Raise IngestionProblem `damaged` if the end is missing."""
        if self._stream is not None and not self._stream.eof:
            raise IngestionProblem("damaged", "The answer ends in the middle.", may_pass=True)
