"""The subjects of one stream: what is allowed in them, and how they are taken apart."""

import re

from eventsourcing.persistence import ProgrammingError

from services.eventstore.errors import ForeignMessage

# The second token of tracking records, and therefore nobody's originator id.
TRACKING = "_tracking"
TOKEN_LENGTH_MAX = 128
_TOKEN = re.compile(rf"[A-Za-z0-9_-]{{1,{TOKEN_LENGTH_MAX}}}")


def token(value: object, what: str) -> str:
    """Return *value* as one token of a subject; ProgrammingError if it could be more or less."""
    text = str(value)
    if _TOKEN.fullmatch(text) is None:
        raise ProgrammingError(f"{what} cannot be part of a subject: {text[:200]!r}")
    return text


class Names:
    """
    The subjects under one prefix, such as `evt.0`.

        <prefix>.<originator>.<noun>      an event, or a commit
        <prefix>._tracking.<hex>.n        how far an upstream's events were processed

    Tracking records have one token more, so that `events` is exactly the events. To a consumer of
    the whole stream `everything` is ten times cheaper, since it asks the server to match nothing.
    """

    def __init__(self, stream: str, prefix: str) -> None:
        self.stream = token(stream, "stream name")
        self.prefix = ".".join(token(part, "subject prefix") for part in prefix.split("."))
        self.everything = f"{self.prefix}.>"
        self.events = f"{self.prefix}.*.*"
        self._skip = len(self.prefix) + 1

    def originator(self, originator_id: object) -> str:
        """Return the id as a token; ProgrammingError if it is unsafe or reserved."""
        text = token(originator_id, "originator_id")
        if text == TRACKING:
            raise ProgrammingError(f"originator_id is reserved: {text!r}")
        return text

    def event(self, originator: str, noun: str) -> str:
        """Return the subject of an event; both must be tokens already."""
        return f"{self.prefix}.{originator}.{noun}"

    def fence(self, originator: str) -> str:
        """Return everything of one originator: byte for byte the same in each of its appends."""
        return f"{self.prefix}.{originator}.>"

    def tracking(self, upstream: str) -> str:
        """Return where the position in an upstream's notifications is kept."""
        if not upstream:
            raise ProgrammingError("an upstream application needs a name")
        return f"{self.prefix}.{TRACKING}.{upstream.encode().hex()}.n"

    def originator_in(self, subject: str) -> str:
        """Return the originator that a stored subject belongs to; raises ForeignMessage."""
        end = subject.find(".", self._skip)
        if end < 0 or not subject.startswith(f"{self.prefix}."):
            raise ForeignMessage(f"subject {subject} in stream {self.stream}")
        return subject[self._skip : end]
