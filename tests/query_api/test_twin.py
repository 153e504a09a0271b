"""What a page about a twin's DNA is told over HTTP."""

import pytest

from contracts.twin import Refinement, RefineTwin
from domain.views import view
from tests.projections.twin_story import TwinStory
from tests.projector.read_side import project

CANTOR = "/v1/tenants/cantor"


async def shown(own_api, tables, story: TwinStory, path: str = "/twin"):
    await project(tables.connection, [story.opened()])
    answer = await own_api.get(CANTOR + path)
    assert answer.status == 200, answer.body
    return answer.json


async def test_a_draft_is_shown_with_what_it_still_needs(own_api, tables):
    """The wizard shows the step that is next, and it is the gate's own."""
    story = TwinStory(activation="after_sign_off")
    story.shape()
    found = await shown(own_api, tables, story)

    assert (found["status"], found["live"], found["draft"]["version"]) == ("provisioned", None, 1)
    assert found["draft"]["document"]["signature_phrases"] == ["¡Goooool!"]
    assert found["purpose"]["document"]["call_to_action"] == "Download the app!"
    calibration = found["calibration"]
    assert (calibration["provider_id"], calibration["modality"]) == ("video-vendor", "video")
    assert [one["reservation_id"] for one in calibration["samples"]] == ["cantor.5"]
    gate = view("twin", story.state, story.now_us)
    assert [(one["command"], one["why"]) for one in found["missing"]] == [
        (step.command, step.why) for step in gate.missing
    ]


async def test_a_live_twin_with_a_new_draft_shows_both(own_api, tables):
    """Two versions, two sets of pitch and speed, one of them signed off."""
    story = TwinStory(activation="after_sign_off")
    story.shape()
    story.sign(note="¡Soy yo!")
    story.do(RefineTwin(command_id="f", refinement=Refinement(900, 1_100)))
    found = await shown(own_api, tables, story)

    live, draft = found["live"], found["draft"]
    assert (live["version"], live["signed_off_by"], live["sign_off_note"]) == (
        *(1, "operator", "¡Soy yo!"),
    )
    assert (draft["version"], draft["pitch_permille"], draft["signed_off_by"]) == (2, 900, None)
    assert (found["status"], found["calibration"]) == ("active", None)
    assert found["activated_at"] == live["signed_off_at"]


@pytest.mark.parametrize(
    ("path", "key", "expected"),
    [
        ("/twin/identities", "version", [2, 1]),
        ("/twin/purposes", "version", [1]),
        ("/twin/samples", "number", [3, 2, 1]),
    ],
)
async def test_the_past_is_listed_newest_first(own_api, tables, path, key, expected):
    """Page by page, nothing twice and nothing left out."""
    story = TwinStory(activation="after_sign_off")
    story.shape()
    story.sign()
    story.do(RefineTwin(command_id="f", refinement=Refinement(900, 1_100)))
    await project(tables.connection, [story.opened()])

    found = await own_api.pages(CANTOR + path, limit=1)

    assert [row[key] for row in found] == expected


async def test_a_twin_made_for_tests_has_no_dna_and_needs_none(own_api, tables):
    """What old logs have, too."""
    found = await shown(own_api, tables, TwinStory())

    assert (found["live"], found["draft"], found["purpose"]) == (None, None, None)
    assert (found["status"], found["missing"]) == ("active", [])
