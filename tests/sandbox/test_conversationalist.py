"""The scripted conversationalist: sensible enough to talk to, the same every time."""

import pytest

from services.sandbox.conversationalist import Line, Offer, Wish, language_of, respond

CANTOR = "Sos Andrés Cantor, relator. Hablás español (es-AR). Decí siempre «¡Goooool!»."
FERNANDEZ = (
    'You are José Luis Fernández, an AI strategist. Speak English. Often say "Let\'s deep dive".'
)
NEWS = Offer("search_news", "Recent news about a topic", {"required": ["query"]})
SCORE = Offer(
    "live_score",
    "Marcador en vivo de un partido de fútbol",
    {
        "properties": {
            "team": {"type": "string"},
            "league": {"enum": ["lpf", "mls"]},
            "limit": {"type": "integer"},
            "detailed": {"type": "boolean"},
        },
        "required": ["team", "league", "limit", "detailed"],
    },
)


def said(persona, *messages, offers=()):
    lines = [Line("system", persona), *messages]
    answer = respond(lines, offers)
    assert respond(lines, offers) == answer, "the same every time"
    return answer


def user(text):
    return Line("user", text)


def test_it_greets_in_the_personas_language_and_name():
    """Whatever language the visitor writes."""
    assert "Soy Andrés Cantor" in said(CANTOR, user("hello"))
    assert "¡Goooool!" in said(CANTOR, user("hola"))
    assert "I am José Luis Fernández" in said(FERNANDEZ, user("hola"))


def test_it_takes_a_message_up_and_quotes_it():
    """So that a person sees that they were heard."""
    assert "«el mundial de 1986»" in said(CANTOR, user("el mundial de 1986"))
    assert "“our pricing strategy”" in said(FERNANDEZ, user("our pricing strategy"))
    assert "deep dive" in said(FERNANDEZ, user("our pricing strategy"))
    assert len(said(CANTOR, user("muy largo " * 500))) < 400


@pytest.mark.parametrize(
    ("question", "tool"),
    [
        ("¿Cuál es el marcador?", "live_score"),
        ("who is winning the match", "live_score"),
        ("¿Alguna noticia?", "search_news"),
        ("any news about OpenAI?", "search_news"),
    ],
)
def test_it_asks_for_the_tool_that_fits(question, tool):
    """Live data is never made up."""
    wish = said(CANTOR, user(question), offers=(NEWS, SCORE))

    assert (type(wish), wish.name) == (Wish, tool)


def test_its_arguments_fit_the_schema():
    """Whoever runs the tool checks them."""
    wish = said(CANTOR, user("el marcador de Boca"), offers=(SCORE,))

    assert wish.arguments == {
        "team": "el marcador de Boca",
        "league": "lpf",
        "limit": 1,
        "detailed": False,
    }


def test_without_a_tool_it_asks_for_none():
    """Nothing was offered that fits."""
    assert isinstance(said(CANTOR, user("¿Cuál es el marcador?"), offers=(NEWS,)), str)


def test_it_tells_what_a_tool_said():
    """JSON or text, and honestly when there is nothing."""
    result = '{"home_team": "Boca", "home_score": 2, "away_team": "River", "away_score": 1}'
    told = said(CANTOR, user("el marcador"), Line("tool", result), offers=(SCORE,))
    assert "home team Boca, home score 2, away team River, away score 1" in told
    assert "Boca 2 - 1 River" in said(CANTOR, user("x"), Line("tool", "Boca 2 - 1 River"))
    assert "No tengo ese dato" in said(CANTOR, user("x"), Line("tool", "[]"))
    assert "do not have that" in said(FERNANDEZ, user("x"), Line("tool", ""))


def test_it_tells_of_matches_and_headlines_as_people_do():
    """Not as lists of fields."""
    match = '{"note": "data", "facts": [{"home": "Boca", "away": "River", "home_goals": 2,'
    match += ' "away_goals": 1, "clock": "81:12"}, {"home": "Racing", "away": "Lanús"}]}'
    told = said(CANTOR, user("el marcador"), Line("tool", match), offers=(SCORE,))
    assert "Boca 2 - 1 River (81:12); Racing - Lanús." in told
    news = '{"facts": [{"title": "¡Goooool!", "source": "Olé"}]}'
    assert "«¡Goooool!», Olé." in said(CANTOR, user("x"), Line("tool", news))


def test_the_language_is_the_system_prompts():
    """By tag, or by its words; without either it is English."""
    assert language_of("Language: es-AR") == "es"
    assert language_of("es-AR is what you read, but answer in en-US") == "es"
    assert language_of("Responde siempre con buen humor") == "es"
    assert language_of("You answer with good humour") == "en"
    assert language_of("") == "en"
