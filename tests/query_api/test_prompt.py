"""Prompts and topics over HTTP: versions, differences, what is live and who approved it."""

import json

import pytest

from services.query_api.versions import PAIRS_MAX, difference

PROMPT = "/v1/tenants/cantor/prompt"
TOPICS = "/v1/tenants/cantor/topics"


async def test_the_live_version_is_the_one_that_agents_have(api):
    """After a rollback it is not the latest."""
    answer = await api.get(PROMPT)

    assert (answer.json["version"], answer.json["active"]) == (2, True)
    assert answer.json["text"] == "Hola {{user_name}}\n¡Goooool!\n"
    assert answer.json["variables"] == [{"name": "user_name", "required": True}]
    assert (answer.json["actor"], answer.json["note"]) == ("person_ana", "v2")
    assert answer.json["position"] == answer.position


async def test_versions_are_listed_newest_first_without_their_texts(api):
    """A list of a thousand versions is read; their texts are not."""
    rows = await api.pages(f"{PROMPT}/versions", limit=2)

    assert [(row["version"], row["base_version"], row["active"]) for row in rows] == [
        (3, 2, False),
        (2, 1, True),
        (1, 0, False),
    ]
    assert not any("text" in row for row in rows)


@pytest.mark.parametrize(
    ("path", "compared_with", "changed"),
    [
        ("/versions/1", None, None),
        ("/versions/2", 1, ["+¡Goooool!"]),
        ("/versions/3", 2, ["-Hola {{user_name}}", "-¡Goooool!", "+Adiós"]),
        ("/versions/3?against=1", 1, ["-Hola {{user_name}}", "+Adiós"]),
        ("/versions/1?against=1", 1, []),
        ("?against=3", 3, ["-Adiós", "+Hola {{user_name}}", "+¡Goooool!"]),
    ],
)
async def test_a_version_says_how_it_differs_from_its_base_or_from_another(
    api, path, compared_with, changed
):
    """Who approves a change wants to see the change."""
    answer = (await api.get(f"{PROMPT}{path}")).json

    assert answer["compared_with"] == compared_with
    if changed is None:
        assert answer["diff"] is None
    else:
        body = answer["diff"][2:]
        assert [line for line in body if line[0] in "+-"] == changed
        assert answer["diff"][:1] == ([f"--- version {compared_with}"] if changed else [])


async def test_the_history_says_who_approved_what_and_what_was_a_rollback(api):
    """The author and the approver may be two people."""
    rows = await api.pages(f"{PROMPT}/activations", limit=2)

    assert [
        (row["version"], row["previous_version"], row["rolled_back"], row["reason"]) for row in rows
    ] == [(2, 3, True, "too short"), (3, 2, False, None), (2, 0, False, None)]
    assert {row["actor"] for row in rows} == {"person_eva"}


async def test_a_preview_is_what_an_agent_would_render(api):
    """The same strict function as everywhere, on the version that is named."""
    path = f"{PROMPT}/versions/2/preview"
    good = await api.get(path, params={"values": json.dumps({"user_name": "{{x}} José"})})
    missing = await api.get(path)
    wrong = await api.get(path, params={"values": json.dumps({"user_name": "a\nb", "x": 1})})

    assert good.json["text"] == "Hola {{x}} José\n¡Goooool!\n"
    assert (missing.json["text"], missing.json["faults"]) == (
        None,
        [{"field": "values.user_name", "rule": "is required"}],
    )
    assert {fault["field"] for fault in wrong.json["faults"]} == {"values.x", "values.user_name"}


@pytest.mark.parametrize(
    "values",
    ["", "{", "[]", '{"user_name": 1.5}', '{"User": "x"}', '{"a": null}', "\ud800", "x" * 2_500],
)
async def test_values_that_are_no_values_are_a_fault_of_the_question(api, values):
    """And the answer names the parameter."""
    spelled = values.encode("utf-8", "surrogatepass").decode("latin-1")

    answer = await api.get(f"{PROMPT}/versions/2/preview", params={"values": spelled})

    assert answer.status == 400
    assert answer.json["errors"][0]["field"] == "values"


async def test_the_topics_in_force_and_every_other_list(api):
    """After the rollback the first list is back."""
    live = (await api.get(TOPICS)).json
    second = (await api.get(f"{TOPICS}/versions/2")).json

    assert (live["version"], live["active"]) == (1, True)
    assert live["topics"] == [{"name": "apuestas", "phrases": ["casa de apuestas"]}]
    assert (second["topics"], second["active"], second["base_version"]) == ([], False, 1)
    assert [row["version"] for row in await api.pages(f"{TOPICS}/versions", limit=1)] == [2, 1]
    (back,) = await api.pages(f"{TOPICS}/rollbacks")
    assert (back["version"], back["previous_version"], back["reason"]) == (1, 2, "oops")


@pytest.mark.parametrize(
    "path",
    [
        f"{PROMPT}/versions/4",
        f"{PROMPT}/versions/0",
        f"{PROMPT}/versions/x",
        f"{PROMPT}/versions/9999999999",
        f"{PROMPT}/versions/4/preview",
        f"{PROMPT}/versions/1?against=9",
        f"{TOPICS}/versions/3",
        "/v1/tenants/fernandez/prompt",
        "/v1/tenants/fernandez/topics",
    ],
)
async def test_a_version_that_is_not_there_is_unknown(api, path):
    """Of another twin, not saved yet, or no number at all."""
    answer = await api.get(path)

    assert (answer.status, answer.json["code"]) == (404, "version_unknown")


class TestDifference:
    NAMES = ("a", "b")

    def test_of_equal_texts_is_nothing(self):
        """No lines of context about no change."""
        assert difference("x\ny", "x\ny", self.NAMES) == []

    @pytest.mark.parametrize("head", [0, 1, 400])
    def test_of_very_long_texts_is_the_part_between_the_first_and_the_last_change(self, head):
        """A difference that is not the least, but comes at once and is right."""
        same = [f"line {n}" for n in range(head)]
        old = [*same, *(f"old {n}" for n in range(1_100)), "end"]
        new = [*same, *(f"new {n}" for n in range(1_000)), "end"]
        assert len(old) * len(new) > PAIRS_MAX

        found = difference("\n".join(old), "\n".join(new), self.NAMES)

        assert found[2] == f"@@ -{head + 1},1100 +{head + 1},1000 @@"
        assert [line[1:] for line in found[3:] if line[0] == "-"] == old[head:-1]
        assert [line[1:] for line in found[3:] if line[0] == "+"] == new[head:-1]

    def test_of_very_long_equal_texts_is_nothing(self):
        """The short cut must not invent a change."""
        text = "\n".join(str(n) for n in range(1_100))

        assert difference(text, text, self.NAMES) == []
        assert difference(text, text + "\n", self.NAMES)[3:] == ["+"]
