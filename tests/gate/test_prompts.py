"""Prompts, topics and bundles through a real worker on a real bus, as their users have them."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import msgspec
import pytest
from typer.testing import CliRunner

from contracts.bundle import BundleView
from contracts.prompt import Variable
from contracts.replies import Decision
from contracts.subjects import query
from contracts.topics import Topic
from contracts.views import PromptView, TopicsView
from services.cli import prompt as prompt_command
from services.cli import topics as topics_command
from services.client import GateClient, Refused
from services.client.errors import MalformedCommand
from services.embedded.nats_permissions import caller_inbox
from tests.conftest import TEST_USER
from tests.gate.served import connected, problem_in
from tests.rig.twins import provision_twin

BETS = Topic(name="apuestas", phrases=["casa de apuestas"])
NAME = Variable(name="user_name", required=True)
HEARD_WITHIN_S = 10.0


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
async def test_every_command_and_question_in_both_encodings(served, encoding):
    """
    Whoever speaks MessagePack must not find out which ones nobody has tried in it.
    """
    name = f"prompts-{encoding}"
    await provision_twin(served, name)
    async with connected(served) as bus:
        gate = GateClient(bus, name, encoding=encoding)
        said = [
            await gate.save_prompt("Hola {{user_name}}", expected_version=0, variables=[NAME]),
            await gate.save_prompt("¡Goooool!", expected_version=1, base_version=1, note="más"),
            conflict := await gate.save_prompt("lost?", expected_version=1),
            await gate.activate_prompt(2, expected_active=0),
            back := await gate.roll_back_prompt(1, reason="too loud"),
            await gate.set_topics([BETS], expected_version=0),
            await gate.set_topics([], expected_version=1),
            await gate.roll_back_topics(1),
        ]
        assert [reply.code for reply in said] == [
            "prompt_saved", "prompt_saved", "version_conflict", "prompt_activated",
            "prompt_rolled_back", "topics_set", "topics_set", "topics_rolled_back",
        ]  # fmt: skip
        assert conflict.facts == {"current_version": 2, "saved_by": "operator"}
        assert (back.version, back.facts) == (1, {"previous_version": 2})
        assert (await gate.show(PromptView)).active.text == "Hola {{user_name}}"
        assert (await gate.show(TopicsView)).topics == [BETS]
        bundle = await gate.show(BundleView)
        assert bundle.content.prompt.variables == [NAME]
        assert f"{name}.{bundle.revision}" == said[-1].decision_id
        assert (await gate.preview_prompt({"user_name": "Ana"}, version=1)).text == "Hola Ana"
        assert (await gate.preview_draft("{{x}}", [], {})).faults[0].field == "text"
        checked = await gate.check_topics("¿Qué CASA de apuestas?")
        assert [finding.topic for finding in checked.findings] == ["apuestas"]


async def test_a_running_agent_gets_every_change_in_order(served):
    """
    The bundle at its start, then each change as it happens: no gap, none twice.
    """
    await provision_twin(served, "agent")
    async with served.client("agent") as editor, served.client("agent") as agent:
        for number in range(2):
            await editor.save_prompt(f"v{number + 1}", expected_version=number)
        await editor.activate_prompt(1)
        heard = []
        async with asyncio.timeout(HEARD_WITHIN_S), aclosing(agent.bundles()) as bundles:
            heard.append(await anext(bundles))
            for number in range(10):
                await editor.roll_back_prompt(2 - number % 2)
            async for bundle in bundles:
                heard.append(bundle)
                if len(heard) == 11:
                    break

    texts = [bundle.content.prompt.text for bundle in heard]
    assert texts == ["v1"] + ["v2", "v1"] * 5
    assert [b.revision for b in heard] == sorted({b.revision for b in heard})
    assert [b.position for b in heard] == sorted({b.position for b in heard})


async def test_who_may_not_ask_is_told_so(served):
    """
    A key of another twin gets a refusal that it can read, and learns nothing of this one.
    """
    await provision_twin(served, "closed")
    async with connected(served, TEST_USER, inbox=caller_inbox("key_stranger")) as bus:
        for noun, verb, body in (
            ("bundle", "show", b""),
            ("prompt", "show", b""),
            ("prompt", "preview", b"{}"),
            ("topics", "check", b'{"text": "x"}'),
        ):
            for tenant in ("closed", "not-there"):
                subject = query(tenant, noun, "key_stranger", verb=verb)
                reply = await bus.request(subject, body, timeout=5)
                refused = msgspec.json.decode(reply.data, type=Decision)
                assert (refused.status, refused.code, refused.position) == (
                    403,
                    "caller_unknown",
                    None,
                )


async def test_a_client_raises_a_refusal_of_a_question_with_its_reason(served):
    """
    "The reply breaks the contract" would send somebody looking for the wrong fault.
    """
    await provision_twin(served, "told")
    async with connected(served, TEST_USER, inbox=caller_inbox("key_stranger")) as bus:

        class AsStranger(GateClient):
            async def _asked(self, subject, payload, kind):
                return await super()._asked(f"{subject}.key_stranger", payload, kind)

        for encoding in ("json", "msgpack"):
            gate = AsStranger(bus, "told", encoding=encoding)
            with pytest.raises(Refused) as refused:
                await gate.show(BundleView)
            assert refused.value.decision.code == "caller_unknown"


@pytest.mark.parametrize(
    ("noun", "verb", "body", "said"),
    [
        ("topics", "check", b"", "truncated"),
        ("topics", "check", b"[]", "Expected `object`"),
        ("topics", "check", b'{"text": "x", "more": 1}', "more"),
        ("prompt", "preview", b'{"values": {"a": 1.5}}', "$.values"),
        ("prompt", "preview", b'{"text": "a\\u202e"}', "`text` has U+202E at character 2"),
    ],
)
async def test_a_question_that_cannot_be_read_is_refused_as_one(served, noun, verb, body, said):
    """
    Which field, which rule; and that it was a question.
    """
    async with connected(served) as bus:
        problem = problem_in(await bus.request(query("anybody", noun, verb=verb), body, timeout=5))

    assert (problem.status, problem.title) == (400, "The message is not a valid question")
    assert said in problem.detail


async def test_a_text_that_nobody_may_write_is_refused_by_the_gate_itself(served):
    """
    Other clients than ours do not check before they send.
    """
    await provision_twin(served, "wild")
    async with connected(served) as bus:
        for text, said in (("a\\u0007", "U+0007"), ("a\\u2067", "U+2067"), ("", "length >= 1")):
            body = f'{{"command_id": "c", "expected_version": 0, "text": "{text}"}}'
            problem = problem_in(
                await bus.request("cmd.wild.prompt.save", body.encode(), timeout=5)
            )
            assert said in problem.detail
        assert (await GateClient(bus, "wild").show(PromptView)).latest is None
        with pytest.raises(MalformedCommand):
            await GateClient(bus, "wild").save_prompt("x" * 32_001, expected_version=0)


class TestCommandLine:
    @pytest.fixture
    def vito(self, served, monkeypatch):
        for name, value in served.variables.items():
            monkeypatch.setenv(name, value)
        # Logs would go to this runner's output for the rest of the tests, which is closed by then.
        monkeypatch.setattr("services.logs.configure", lambda *_, **__: None)
        runner = CliRunner()

        def run(app, *args, text=None):
            return runner.invoke(app, args, input=text)

        return run

    def test_a_prompt_from_its_first_text_to_a_rollback(self, served, vito, tmp_path):
        """
        What an editor types on a Saturday, and what it says.
        """
        asyncio.run(provision_twin(served, "typed"))
        prompt, file = prompt_command.app, tmp_path / "prompt.txt"
        file.write_bytes("\ufeffHola {{user_name}} ({{tier}})\r\n¡Goooool!\r\n".encode())

        declared = ("--variable", "user_name:string", "--variable", "tier:choice(free|pro)=free")
        saved = vito(prompt, "save", "typed", str(file), *declared, "--note", "first")
        assert "saved as version 1" in saved.output
        # Without --variable those of the version before are kept.
        again = vito(prompt, "save", "typed", "-", text="Adiós {{user_name}}")
        assert "saved as version 2" in again.output
        late = vito(prompt, "save", "typed", "-", "--from", "1", text="lost?")
        assert "current_version: 2, saved_by: operator" in str(late.exception)

        assert "version 1 is live" in vito(prompt, "activate", "typed", "1").output
        assert "before it: 1" in vito(prompt, "activate", "typed", "2").output
        assert "version 1 is live" in vito(prompt, "rollback", "typed", "1").output
        assert "in force already" in str(vito(prompt, "rollback", "typed", "1").exception)

        shown = vito(prompt, "show", "typed")
        assert shown.stdout == "Hola {{user_name}} ({{tier}})\n¡Goooool!\n"
        tried = vito(prompt, "preview", "typed", "1", "--set", "user_name={{tier}}")
        assert tried.output == "Hola {{tier}} (free)\n¡Goooool!\n"
        assert "values.user_name: is required" in str(vito(prompt, "preview", "typed").exception)

    def test_topics_from_a_file_to_a_finding(self, served, vito):
        """
        A finding is an exit code, so that a script can use it.
        """
        asyncio.run(provision_twin(served, "typed-topics"))
        topics = topics_command.app
        listed = '[{"name": "apuestas", "phrases": ["casa de apuestas"]}]'

        assert "topics 1 in force" in vito(topics, "set", "typed-topics", "-", text=listed).output
        found = vito(topics, "check", "typed-topics", "¿Qué casa de apuestas?")
        assert (found.exit_code, "'casa de apuestas' at characters 6 to 21" in found.output) == (
            1,
            True,
        )
        assert vito(topics, "check", "typed-topics", "gol").exit_code == 0
        assert "topics 2 in force" in vito(topics, "set", "typed-topics", "-", text="[]").output
        assert "before it: 2" in vito(topics, "rollback", "typed-topics", "1").output
        assert '"apuestas"' in vito(topics, "show", "typed-topics").stdout

    @pytest.mark.parametrize(
        ("args", "text", "said"),
        [
            (("save", "cli", "-"), "Hola {{nadie}}", "line 1, column 6: `nadie` is not declared"),
            (("save", "cli", "-"), "a\x07", "`text` has U+0007 at character 2"),
            (("save", "cli", "-"), "x" * 32_001, "length <= 32000"),
            (("save", "cli", "/not/there"), None, "cannot be read"),
            (("save", "cli", "-", "--variable", "Bad"), "x", "'Bad' declares no variable"),
            (("save", "cli", "-", "--variable", "a:choice"), "x", "declares no variable"),
            (("save", "cli", "-", "--variable", "a:string(x)"), "x", "max_length"),
            (("activate", "cli", "9"), None, "no such version"),
            (("activate", "Nobody!", "9"), None, "is not the name of a twin"),
            (("preview", "cli", "--set", "x"), None, "no value"),
            (("show", "cli"), None, "No version is live yet"),
        ],
    )
    def test_what_is_wrong_is_said_in_one_line_with_its_remedy(
        self, served, vito, args, text, said
    ):
        """
        Field, rule, remedy; not a traceback.
        """
        asyncio.run(provision_twin(served, "cli"))

        error = vito(prompt_command.app, *args, text=text).exception

        assert said in error.message
        assert error.remedy
