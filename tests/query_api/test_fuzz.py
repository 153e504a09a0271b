"""Whatever is sent, the answer is an answer or a problem of the caller, never a fault of ours."""

from urllib.parse import quote

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.http_api.app import Limits
from services.query_api.problems import Problem
from services.query_api.routes import ROUTES
from tests.query_api.conftest import as_reader, serving

EXAMPLES = 25
QUESTIONS = 40

NASTY = st.one_of(
    st.text(max_size=30),
    st.binary(max_size=30).map(lambda raw: "".join(chr(byte) for byte in raw)),
    st.integers().map(str),
    st.integers(min_value=10**15, max_value=10**40).map(str),
    st.floats().map(str),
    st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
    st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat()),
    st.sampled_from(
        [
            *("", "null", "'", "';--", "%", "\x00", "\u202e", "\ud800", "NaN", "-0", "٣", "0x1"),
            *("2026-13", "0000-01", "9999-12", "2026-11-22T25:00:00Z", "0001-01-01T00:00:00Z"),
            *("cantor.1", "cantor.999999999999999999", "x" * 5_000, "{}", "DENY", "open", "1_0"),
        ]
    ),
)
PARAMETERS = sorted(
    {field.alias or name for route in ROUTES for name, field in route.query.model_fields.items()}
)
NAMES = st.one_of(st.sampled_from(PARAMETERS), st.text(max_size=10))
QUESTION = st.tuples(
    st.sampled_from([route.path for route in ROUTES]),
    st.fixed_dictionaries(
        {name: st.one_of(st.sampled_from(["cantor", "1", "cantor.2", "web", "rules", "s-1"]), NASTY)
         for name in ("tenant", "decision_id", "version", "deployment", "session", "source")}
    ),
    st.lists(st.tuples(NAMES, NASTY), max_size=4),
    st.one_of(st.none(), NASTY),
)  # fmt: skip


def spelled(text):
    """Anything as a part of a URL, lone surrogates and all."""
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


def target(path, parts, query):
    """The bytes of a request line."""
    for name, value in parts.items():
        path = path.replace(f"{{{name}}}", spelled(value))
    words = "&".join(f"{spelled(name)}={spelled(value)}" for name, value in query)
    return f"{path}?{words}" if words else path


@given(questions=st.lists(QUESTION, min_size=QUESTIONS, max_size=QUESTIONS))
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
async def test_no_question_makes_the_server_fail(known_database, questions):
    """Every parameter of every path, with what no program would send."""
    limits = Limits(position_wait_s=0.01)
    async with serving(as_reader(known_database), limits=limits) as api:
        for path, parts, query, header in questions:
            headers = {}
            if header is not None and header.isascii() and header.isprintable():
                headers["Vito-Min-Position"] = header
            asked = target(path, parts, query)
            answer = await api.get_raw(asked, headers=headers)

            assert answer.status < 500 or answer.json["code"] == "position_not_reached", asked
            if answer.status != 200:
                problem = Problem.model_validate(answer.json)
                assert problem.status == answer.status
                assert problem.remedy
