"""Citation: what an answer went by, written down beside the session that it was given in."""

from __future__ import annotations

from contracts.commit import AnyEvent
from contracts.session import AnswerCited, CiteAnswer
from domain import conversation
from domain.deployment import Stopped
from domain.state import Envelope, State, head


def cite(state: State, command: CiteAnswer, envelope: Envelope) -> list[AnyEvent]:
    """Write down what was used; also what is not approved any more, which it then says."""
    lease = conversation.open_lease(state, command.session_id, envelope)
    if isinstance(lease, Stopped):
        return [conversation.refused(state, command, envelope, lease)]
    approved = {(one.source, one.content_hash) for one in conversation.approved(state)}
    used = [(one.source, one.content_hash) for one in command.citations]
    return [
        AnswerCited(
            *head(state, command, envelope),
            command.session_id,
            command.turn,
            command.citations,
            sum(one not in approved for one in used),
            envelope.actor,
        )
    ]
