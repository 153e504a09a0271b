"""What this process last knew of each originator, bounded."""

from collections import OrderedDict

import msgspec

HEADS_MAX = 10_000


class Head(msgspec.Struct, frozen=True, gc=False):
    """The stream sequence and the version of an originator's last event; 0 and -1 for none."""

    seq: int
    version: int


class Heads:
    """The heads of the originators used last. Others may have written since: it is a guess."""

    def __init__(self, size_max: int) -> None:
        self._size_max = size_max
        self._heads: OrderedDict[str, Head] = OrderedDict()

    def __len__(self) -> int:
        return len(self._heads)

    def get(self, originator: str) -> Head | None:
        """Return what is known of an originator."""
        head = self._heads.get(originator)
        if head is not None:
            self._heads.move_to_end(originator)
        return head

    def put(self, originator: str, head: Head) -> None:
        """Remember the newer head; the originator not used for longest is forgotten."""
        known = self._heads.get(originator)
        if known is None or known.seq < head.seq:
            self._heads[originator] = head
        self._heads.move_to_end(originator)
        if len(self._heads) > self._size_max:
            self._heads.popitem(last=False)

    def forget(self, originator: str) -> None:
        """Know nothing of an originator any more."""
        self._heads.pop(originator, None)
