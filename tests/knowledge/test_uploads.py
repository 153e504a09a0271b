"""A file in pieces: bounded, in order, and kept only when it is whole."""

import pytest

from contracts.lookup import UPLOAD_BYTES_MAX, UploadPiece
from services.knowledge import uploads
from services.knowledge.refusing import LookupRefused
from services.knowledge.uploads import Uploads

MIB = 1 << 20


class Shelf:
    """A store that remembers what it was given."""

    def __init__(self):
        self.kept = []

    async def put(self, tenant, kind, data):
        self.kept.append((tenant, kind, data))
        return "f" * 64


@pytest.fixture
def shelf():
    return Shelf()


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def desk(shelf, clock):
    return Uploads(shelf, lambda: clock[0])


def piece(number, data=b"x", *, upload="u", last=False):
    return UploadPiece(upload=upload, number=number, data=data, last=last)


async def test_pieces_become_a_file(desk, shelf):
    """Nothing is kept before the last one; a piece whose answer was lost may come again."""
    await desk.take("cantor", "person_a", piece(0, b"ab"))
    again = await desk.take("cantor", "person_a", piece(0, b"ab"))
    assert (again.received, shelf.kept) == (2, [])

    whole = await desk.take("cantor", "person_a", piece(1, b"c", last=True))

    assert (whole.received, whole.content_hash) == (3, "f" * 64)
    assert shelf.kept == [("cantor", "upload", b"abc")]


@pytest.mark.parametrize(
    ("pieces", "field"),
    [
        ([piece(1)], "upload"),
        ([piece(0), piece(2)], "number"),
        ([piece(0, b"", last=True)], "data"),
    ],
)
async def test_what_does_not_follow_is_refused(desk, shelf, pieces, field):
    """The answer names what is wrong."""
    for one in pieces[:-1]:
        await desk.take("cantor", "person_a", one)
    with pytest.raises(LookupRefused) as refused:
        await desk.take("cantor", "person_a", pieces[-1])

    assert refused.value.facts["field"] == field
    assert shelf.kept == []


async def test_a_file_is_bounded_and_forgotten_when_it_is_too_large(desk):
    """Memory is planned for 20 MiB, not for what somebody sends."""
    for number in range(UPLOAD_BYTES_MAX // (2 * MIB)):
        await desk.take("cantor", "person_a", piece(number, bytes(2 * MIB)))
    with pytest.raises(LookupRefused):
        await desk.take("cantor", "person_a", piece(10, b"x"))
    with pytest.raises(LookupRefused) as refused:
        await desk.take("cantor", "person_a", piece(11, b"x"))

    assert refused.value.facts["field"] == "upload"


async def test_others_cannot_add_to_it_and_few_come_at_once(desk, clock):
    """An upload is of who began it; one that nobody goes on with makes room."""
    await desk.take("cantor", "person_a", piece(0))
    with pytest.raises(LookupRefused):
        await desk.take("cantor", "person_b", piece(1, last=True))
    await desk.take("cantor", "person_b", piece(0))
    with pytest.raises(LookupRefused) as refused:
        await desk.take("cantor", "person_c", piece(0))
    assert refused.value.refusal.code == "overloaded"

    clock[0] += uploads.NEXT_PIECE_S + 1

    assert (await desk.take("cantor", "person_c", piece(0))).received == 1
