"""Files come as slowly as the line of whoever brings them: time and room of their own."""

from services.http_api.app import Limits
from tests.http_door.conftest import OWN
from tests.http_door.people import cookie

PATH = f"/v1/tenants/{OWN}/knowledge/rules/upload?name=a.txt&title=Rules"


def _editor(site):
    site.world.directory.add_person("editor", {OWN: "editor"})
    site.world.gate.admit(OWN, members={"editor": "editor"})
    return cookie(site.world.directory.add_session("editor"))


async def _pieces():
    for _ in range(3):
        yield b"A rule. "


async def test_a_file_has_more_time_than_a_question(site):
    """Where every question is ended at once, a file is taken to its end."""
    headers = _editor(site)
    site.api.limits = Limits(request_s=0.0)
    assert (await site.get(f"/v1/tenants/{OWN}", headers)).json["code"] == "too_slow"

    answer = await site.post(PATH, headers, data=_pieces())
    assert (answer.status, answer.json["code"]) == (200, "source_added")
    site.api.limits = Limits(upload_s=0.0)
    late = await site.post(PATH, headers, data=_pieces())
    assert (late.status, late.json["code"]) == (503, "cannot_verify")


async def test_files_that_come_slowly_keep_nobody_else_out(site):
    """They are counted apart; one too many is told to come again."""
    headers = _editor(site)
    site.api.limits = Limits(uploads_max=0)
    refused = await site.post(PATH, headers, data=_pieces())
    assert (refused.status, refused.json["code"]) == (503, "overloaded")
    assert (await site.get(f"/v1/tenants/{OWN}", headers)).status == 200

    site.api.limits = Limits(in_flight_max=0)
    assert (await site.post(PATH, headers, data=_pieces())).status == 200
