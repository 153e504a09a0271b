"""
A gate without a log: the real rules behind a real nats-server, one tenant state per name.

What a test may do to it: lose a reply, answer 503 once, fall silent. Decisions are really taken
before a reply is lost, so a repeated command meets its own earlier effect.
"""

import time
from collections import deque

import msgspec
import nats

from contracts.access import OPERATOR
from contracts.budget import AuthorizeCall
from contracts.commands import NOUN_AND_VERB
from contracts.questions import QUESTIONS
from contracts.replies import Problem
from contracts.secret import PutSecret, RotateSecret, SecretOpened
from contracts.subjects import push
from domain import conversation, gate, secret
from domain.answer import answer, not_decided
from domain.refusals import CANNOT_VERIFY, TWIN_UNKNOWN, Refusal
from domain.state import Envelope, State
from domain.views import answer as told
from domain.views import view
from services.gate.data_keys import DataKeys
from services.gate.secret import fingerprint, prepared, revealed

ASKED = {noun_verb: kind for kind, noun_verb in QUESTIONS.items()}
COMMANDS = {noun_verb: kind for kind, noun_verb in NOUN_AND_VERB.items()}


class FakeGate:
    """Decides commands; *faults* says what happens to the next messages, in order."""

    def __init__(self, now_us=lambda: time.time_ns() // 1_000):
        self.states = {}
        self.keys = {}
        self.faults = deque()
        self.heard = []
        self.now_us = now_us
        self.connection = None

    async def listen(self, url):
        self.connection = await nats.connect(
            url, reconnect_time_wait=0.01, max_reconnect_attempts=-1
        )
        # The server maps what clients send to the shard that owns the tenant.
        await self.connection.subscribe("shard.*.*.*.*.*.*", cb=self.on_message)
        await self.connection.flush()

    async def close(self):
        await self.connection.close()

    async def on_message(self, message):
        fault = self.faults.popleft() if self.faults else None
        _, _, kind, tenant, noun, verb, _ = message.subject.split(".")
        reply, headers = self.reply(message, kind, tenant, noun, verb, refuse=fault == "503")
        if fault != "lost":
            await self.connection.publish(message.reply, reply, headers=headers)

    def reply(self, message, kind, tenant, noun, verb, *, refuse=False):
        packed = (message.headers or {}).get("Content-Type") == "application/msgpack"
        codec = msgspec.msgpack if packed else msgspec.json
        if kind == "qry":
            state = self.states.setdefault(tenant, State(name=tenant))
            question = ASKED.get((noun, verb))
            if question is not None:
                self.apply(state, gate.due(state, self.now_us()))
                asked = codec.decode(message.data, type=question)
                return codec.encode(told(asked, state, OPERATOR, self.now_us())), None
            return codec.encode(view(noun, state, self.now_us())), None
        command_type = COMMANDS[noun, verb]
        kinds = list[AuthorizeCall] | command_type
        try:
            commands = codec.decode(message.data, type=kinds)
        except msgspec.DecodeError as problem:
            body = Problem(
                type="about:blank",
                title="not valid",
                status=400,
                code="malformed_command",
                detail=str(problem),
                remedy="correct it",
            )
            return msgspec.json.encode(body), {"Nats-Service-Error-Code": "400"}
        if isinstance(commands, list):
            # Only the second half of a list is refused, so that a client has to pick.
            half = len(commands) // 2 if refuse else len(commands)
            answers = [self.decide(tenant, c) for c in commands[:half]]
            answers += [
                not_decided(c.command_id, CANNOT_VERIFY, retry_after_ms=1) for c in commands[half:]
            ]
            return codec.encode(answers), None
        if refuse:
            again = not_decided(commands.command_id, CANNOT_VERIFY, retry_after_ms=1)
            return codec.encode(again), None
        return codec.encode(self.decide(tenant, commands)), None

    def decide(self, tenant, command):
        state = self.states.setdefault(tenant, State(name=tenant))
        self.heard.append(command)
        if state.tenant.status == "absent" and type(command).__name__ != "ProvisionTenant":
            return not_decided(command.command_id, TWIN_UNKNOWN, retry_after_ms=None)
        keys = self.keys.setdefault(tenant, DataKeys(tenant, 1, {1: bytes(32)}))
        digest = fingerprint(command, keys)
        envelope = Envelope(digest, max(self.now_us(), state.clock_us), OPERATOR)
        known = gate.known(state, command, envelope)
        if isinstance(known, Refusal):
            return not_decided(command.command_id, known, retry_after_ms=None)
        if known is not None:
            again = answer(tenant, known.event, known.position, replayed=True)
            return self.with_value(state, known.event, again)
        self.apply(state, gate.due(state, envelope.now_us))
        if isinstance(command, PutSecret | RotateSecret):
            command, envelope = prepared(state, keys, command, envelope)
        quiet = conversation.unmoved(state, command, envelope)
        if quiet is not None:
            return quiet
        events = gate.decide(state, command, envelope)
        self.apply(state, events)
        return self.with_value(state, events[0], answer(tenant, events[0], state.position))

    def with_value(self, state, event, told):
        if not isinstance(event, SecretOpened):
            return told
        held = secret.held(state.secrets, event.name, event.version)
        return revealed(state.name, self.keys[state.name], told, held)

    def apply(self, state, events):
        state.position += bool(events)
        for event in events:
            gate.evolve(state, event)

    async def push_bundle(self, tenant):
        """Tell agents what they have now, as the gate does after a commit."""
        bundle = view("bundle", self.states[tenant], self.now_us())
        await self.connection.publish(push(tenant), msgspec.json.encode(bundle))

    def totals(self, tenant):
        state = self.states[tenant]
        return state.budget.periods[state.budget.period]
