"""
The library's own session, with nothing in it that calls anybody but our components.

Whatever it would load, fetch or ask in the cloud by default is named here, and off.
"""

from __future__ import annotations

from typing import Final

from livekit.agents import NOT_GIVEN, AgentSession
from livekit.agents.voice import room_io
from livekit.agents.voice.agent_session import SessionConnectOptions

from contracts.stream import TEXT_CHARS_MAX
from services import logs
from services.agent.endpointing import SAMPLE_RATE
from services.agent.metered_llm import ONE_ATTEMPT, MeteredLLM
from services.agent.metered_stt import MeteredSTT
from services.agent.metered_tts import MeteredTTS
from services.agent.talk import Talk

TOOL_STEPS_MAX: Final = 3
# Our ear has waited for the end of what is said already; who goes on is waited for again.
ANSWERED_AFTER_S, ANSWERED_AFTER_S_MAX = 0.0, 1.0


def library_session(talk: Talk, *, speaks: bool, hears: bool) -> AgentSession[None]:
    """Make it. *hears*: a turn ends when our ear says so; else when something is written."""
    return AgentSession(
        llm=MeteredLLM(talk),
        tts=MeteredTTS(talk) if speaks else NOT_GIVEN,
        stt=MeteredSTT(talk) if hears else NOT_GIVEN,
        # What would be loaded, or asked in the cloud, by default.
        vad=None,
        turn_handling={
            "turn_detection": "stt" if hears else "manual",
            "endpointing": {"min_delay": ANSWERED_AFTER_S, "max_delay": ANSWERED_AFTER_S_MAX},
            "interruption": {"mode": "vad", "resume_false_interruption": False},
            "preemptive_generation": {"enabled": False},
        },
        aec_warmup_duration=None,
        stt_context_options={"keyterm_detection": {"enabled": False}},
        max_tool_steps=TOOL_STEPS_MAX,
        user_away_timeout=None,
        # What was begun and not ended when it is over is asked of nobody, and not waited for.
        session_close_transcript_timeout=0.0,
        conn_options=SessionConnectOptions(
            stt_conn_options=ONE_ATTEMPT, llm_conn_options=ONE_ATTEMPT, tts_conn_options=ONE_ATTEMPT
        ),
    )


def room_options(visitor: str, *, speaks: bool, hears: bool) -> room_io.RoomOptions:
    """Say what of a room the session uses: what *visitor* writes and says, and nobody else."""
    microphone = room_io.AudioInputOptions(
        sample_rate=SAMPLE_RATE, num_channels=1, auto_gain_control=False, pre_connect_audio=False
    )
    return room_io.RoomOptions(
        text_input=room_io.TextInputOptions(text_input_cb=_asked),
        audio_input=microphone if hears else False,
        video_input=False,
        audio_output=speaks,
        text_output=True,
        participant_identity=visitor or NOT_GIVEN,
    )


async def _asked(session: AgentSession[None], event: room_io.TextInputEvent) -> None:
    """Answer what somebody wrote; what was being said is broken off."""
    text = event.text.strip()[:TEXT_CHARS_MAX]
    if not text:
        return
    try:
        await session.interrupt()
        session.generate_reply(user_input=text)
    except RuntimeError as problem:
        # The library says so of a session that is closing.
        logs.get().info("asked_too_late", reason=str(problem)[:200])
