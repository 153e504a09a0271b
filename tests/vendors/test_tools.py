"""Live data as tools: what a model is told, what it gets back, and that nothing is ever raised."""

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.client.patience import Patience
from services.sandbox.faults import Fault
from services.twins import TWINS
from services.vendors.chat.model import ToolCall
from services.vendors.data.context_query import MatchQuery, NewsQuery
from services.vendors.data.live_adapters import live_adapters, offered
from services.vendors.data.live_context import LiveContext
from services.vendors.data.tool_words import FIELDS, SENTENCES, TOOLS
from services.vendors.data.tools import NAMES, LiveTools, _read, parameters
from tests.vendors.live_world import FOOTBALL, policy, world

LANGUAGES = ("es", "en")
# Tool, arguments, code of the result, and what the model is told.
WRONG = [
    ("goal", "{}", "unknown_tool", "football_matches, news"),
    ("news", "{}", "bad_arguments", "words"),
    ("news", "not json", "bad_arguments", "malformed"),
    ("news", '{"words": "AI", "since": "yesterday"}', "bad_arguments", "since"),
    ("news", '{"words": "AI", "page": 2}', "bad_arguments", "page"),
    ("football_matches", '{"day": "2026-02-30"}', "bad_arguments", "day"),
    ("football_matches", '{"match_id": "7", "day": "2026-11-22"}', "bad_arguments", "day"),
    ("football_matches", "[" * 9_999, "bad_arguments", "4096"),
    ("football_matches", '{"match_id": "7"}', "bad_query", "differently"),
]


def run(tools, name, arguments, **how):
    """As a model calls it."""
    return tools.run(ToolCall("call_1", name, arguments), **how)


@pytest.fixture
async def live(own_nats):
    async with world(own_nats) as made:
        yield made


@pytest.fixture
async def tools(live):
    """All of a twin's vendors."""
    return LiveTools(*[await live.context(vendor) for vendor in (*FOOTBALL, "newsapi")])


class TestDescribed:
    def test_every_language_says_the_same_things(self):
        """A word that is missing in one language would be found in front of a visitor."""
        for table in (TOOLS, FIELDS, SENTENCES):
            assert set(table["es"]) == set(table["en"])
        assert set(TOOLS["en"]) == set(NAMES)

    @pytest.mark.parametrize("language", LANGUAGES)
    async def test_a_tool_has_a_schema_that_fits_its_query(self, tools, language):
        """What the schema lets pass, the query takes; every field is explained."""
        described = {tool.name: tool for tool in tools.described(language)}
        good = {
            "football_matches": [{}, {"team": "Boca", "day": "2026-11-22"}, {"match_id": "7"}],
            "news": [{"words": "AI"}, {"words": "AI", "language": "es", "most": 3}],
        }
        bad = {
            "football_matches": [{"team": ""}, {"day": "today"}, {"town": "x"}],
            "news": [{}, {"words": "AI", "most": 100}, {"words": "AI", "language": "xx"}],
        }

        assert set(described) == set(NAMES)
        for name, tool in described.items():
            checker = jsonschema.Draft202012Validator(tool.parameters)
            assert all(one["description"] for one in tool.parameters["properties"].values())
            for arguments in good[name]:
                assert checker.is_valid(arguments)
                msgspec.convert(arguments, NAMES[name])
            assert not any(checker.is_valid(arguments) for arguments in bad[name])

    async def test_only_what_there_is_is_offered(self, live):
        """A model that is told of a tool will call it."""
        tools = LiveTools(await live.context("newsapi"))

        assert [tool.name for tool in tools.described("en")] == ["news"]
        assert (await run(tools, "football_matches", "{}")).code == "unknown_tool"

    async def test_a_twin_is_offered_what_its_price_book_has(self, live):
        """As an engine sets it up: cantor has football, fernandez news."""
        async with live_adapters(live.sandbox.url) as adapters:
            names = [
                [one.provider_id for one in offered(adapters, twin.price_book)] for twin in TWINS
            ]
            tools = LiveTools(*(LiveContext(live.gate, one) for one in adapters))
            told = [await run(tools, "football_matches", "{}")]
            told.append(await run(tools, "news", '{"words": "AI"}'))

        assert names == [["sportradar", "api-football"], ["newsapi"]]
        assert offered(adapters, None) == []
        assert all(result.data.facts for result in told)

    def test_schemas_are_plain(self):
        """No references and no nulls: not every model's tools know them."""
        text = repr([parameters(kind, "en") for kind in NAMES.values()])

        assert not any(word in text for word in ("$ref", "anyOf", "null", "(?"))


class TestRun:
    @pytest.mark.parametrize("language", LANGUAGES)
    async def test_the_model_gets_facts_with_their_age_and_a_warning(self, tools, live, language):
        """One metered call; the envelope says that what is in it are data."""
        result = await run(tools, "football_matches", '{"team": "Ribera"}', language=language)
        told = msgspec.json.decode(result.text)

        assert result.data is not None
        assert told["facts"][0]["home"] == "Atlético Ribera"
        assert told["age_seconds"] == 0
        assert told["attribution"] == "Data: Sportradar"
        assert "instru" in told["note"]
        assert live.authorized() == 1

    async def test_another_vendor_answers_when_the_first_cannot(self, tools, live):
        """A second grant for the second call; the first one's books are closed."""
        live.sandbox.faults.add(Fault(vendor="sportradar", kind="status", status=503, times=1))
        result = await run(tools, "football_matches", "{}")

        assert result.data.provider_id == "api-football"
        assert live.authorized() == 2
        assert live.booked()[1] == 0

    async def test_a_match_is_asked_of_the_vendor_that_named_it(self, tools, live):
        """The first vendor was down when the match was found; its id is nothing to the first."""
        live.sandbox.faults.add(Fault(vendor="sportradar", kind="status", status=503, times=1))
        found = (await run(tools, "football_matches", '{"team": "Ribera"}')).data.facts[0]
        result = await run(tools, "football_matches", f'{{"match_id": "{found.match_id}"}}')

        assert result.data.provider_id == "api-football"
        assert any(fact.kind == "goal" for fact in result.data.facts[1:])
        assert live.authorized() == 3

    async def test_a_refusal_by_the_gate_is_not_asked_again_elsewhere(self, tools, live):
        """The twin sleeps; the next vendor would be refused just the same."""
        await live.gate.set_policy(policy(limit_nanos=1))
        result = await run(tools, "football_matches", "{}")

        assert (result.code, result.status) == ("refused", 402)
        assert live.authorized() == 1

    async def test_old_data_say_that_they_are_old(self, live):
        """The twin has to say so."""
        tools = LiveTools(await live.context("sportradar"))
        await run(tools, "football_matches", "{}")
        live.clock.advance_ms(45_000)
        live.sandbox.faults.add(Fault(vendor="sportradar", kind="status", status=503))
        told = msgspec.json.decode((await run(tools, "football_matches", "{}")).text)

        assert told["age_seconds"] == 45
        assert told["warning"]

    @pytest.mark.parametrize("language", LANGUAGES)
    async def test_a_refusal_is_a_sentence(self, tools, live, language):
        """The gate's decision goes to the engine, which may have to end the session."""
        await live.gate.set_policy(policy(limit_nanos=1))
        result = await run(tools, "news", '{"words": "AI"}', language=language)

        assert (result.code, result.status, result.data) == ("refused", 402, None)
        assert result.text == SENTENCES[language]["refused"]
        assert result.refusal

    async def test_a_limit_says_how_long(self, live):
        """So that the twin can promise to look again."""
        live.sandbox.faults.add(
            Fault(vendor="api-football", kind="in_200", detail="rateLimit", times=1)
        )
        tools = LiveTools(await live.context("api-football"))
        result = await run(tools, "football_matches", "{}")

        assert result.code == "too_fast"
        assert "60 s" in result.text

    async def test_a_gate_that_does_not_answer_is_a_sentence_too(self, tools, live):
        """Nothing is called, nothing is raised."""
        live.fake_gate.faults += ["lost"] * 100
        live.gate.patience = Patience(deadline_s=0.05, attempt_s=0.05)
        # The deadline is the client's own; its clock has to move for that.
        live.gate.timing = type(live.gate.timing)()
        result = await run(tools, "news", '{"words": "AI"}')

        assert result.code == "cannot_verify"
        assert live.sandbox.ledger.total == 0

    async def test_what_a_model_gets_wrong_it_is_told(self, live):
        """Field and rule, so that its next attempt can be right; and no request was made."""
        tools = LiveTools(await live.context("sportradar"), await live.context("newsapi"))
        for name, arguments, code, says in WRONG:
            result = await run(tools, name, arguments)
            assert (result.code, result.data) == (code, None), arguments
            assert says in result.text

        assert live.sandbox.ledger.total == live.authorized() == 0

    async def test_nulls_and_empty_texts_are_left_out(self, tools):
        """How models say nothing."""
        nothing = '{"team": "", "competition": null, "day": "", "match_id": null}'

        assert (await run(tools, "football_matches", nothing)).data is not None
        assert (await run(tools, "football_matches", "")).data is not None

    @given(st.text(max_size=60) | st.just("[" * 4_000))
    @settings(max_examples=100, deadline=None)
    def test_any_arguments_are_a_query_or_a_value_error(self, arguments):
        """`run` makes a sentence of a ValueError, and of nothing else."""
        for kind in (MatchQuery, NewsQuery):
            try:
                assert isinstance(_read(kind, arguments), kind)
            except ValueError:
                continue
