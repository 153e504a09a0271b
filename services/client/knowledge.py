"""Look up what a twin may know, and say what an answer went by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from contracts.citation import Citation
from contracts.lookup import (
    PIECE_BYTES_MAX,
    KnowledgeFound,
    PieceTaken,
    SearchKnowledge,
    UploadPiece,
)
from contracts.replies import Receipt
from contracts.session import CiteAnswer
from services.client.patience import Patience
from services.client.sender import Sender, new_id

# Somebody waits for an answer, and it can be given without.
PATIENCE: Final = Patience(deadline_s=1.5, attempt_s=1.0)


class Knowledge(Sender):
    """What people have approved for the twin, looked up and cited."""

    async def search_knowledge(
        self,
        question: str,
        *,
        limit: int = 6,
        token_budget: int = 1_500,
        pinned: Sequence[str] | None = None,
    ) -> KnowledgeFound:
        """
        Return the passages that have to do with *question*, best first.

        *pinned*: only contents with these hashes, of those that are approved now. Raises what
        `show` raises, after a second and a half.
        """
        asked = SearchKnowledge(
            question=question,
            limit=limit,
            token_budget=token_budget,
            pinned=None if pinned is None else list(pinned),
        )
        return await self._ask(asked, KnowledgeFound, PATIENCE)

    async def upload_file(self, data: bytes) -> str:
        """Have a file of at most 20 MiB kept, sealed; its SHA-256, in hex. Raises as `show`."""
        upload = new_id()
        pieces = [data[at : at + PIECE_BYTES_MAX] for at in range(0, len(data), PIECE_BYTES_MAX)]
        for number, piece in enumerate(pieces or [b""]):
            last = number + 1 >= len(pieces)
            question = UploadPiece(upload=upload, number=number, data=piece, last=last)
            taken = await self._ask(question, PieceTaken)
        assert taken.content_hash is not None, "the last piece is answered with it"
        return taken.content_hash

    async def cite(
        self,
        session_id: str,
        turn: str,
        citations: Sequence[Citation],
        *,
        command_id: str | None = None,
    ) -> Receipt:
        """Write down what the answer of *turn* was given to go by."""
        return await self.tell(
            CiteAnswer(
                command_id=command_id or new_id(),
                session_id=session_id,
                turn=turn,
                citations=list(citations),
            )
        )
