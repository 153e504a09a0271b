"""The ladder: video, voice, text; each step with one notice, recorded, and up again with room."""

from __future__ import annotations

from contracts.policy import BudgetPolicy, Quotas
from contracts.stream import AudioPiece, Notice, TurnEnded, Video, VideoLine
from services.sandbox.clock import HandClock
from tests.live.talking import rules, texts, until

QUESTION = "¿Y el mundial?"
# Of video, as the price book has it.
MINUTE_NANOS = 370_000_000
# Of the voice, and enough to go on in writing for long.
FEW_SENTENCES_NANOS = 12_000_000
CAP = BudgetPolicy(
    monthly_hard_limit_nanos=100_000_000, soft_cap_permille=50, soft_cap_modality="text"
)


def notices(messages):
    return [(one.code, one.modality) for one in messages if isinstance(one, Notice)]


async def turns_until(page, count, is_so):
    """Ask until something is so; return everything that was heard."""
    heard = []
    for number in range(count):
        heard += await page.turn(QUESTION, turn=f"{len(page.pings)}-{number}-{count}")
        if is_so(heard):
            return heard
    raise AssertionError(heard)


async def test_voice_goes_on_in_writing_and_comes_back_with_room(new_twin):
    """
    Goal: the soft cap takes the voice with one written notice; a new policy gives it back with one.
    Method: turns by voice until the cap; then a policy without it, and turns again.
    """
    async with new_twin(budget=CAP) as twin:
        page = await twin.visitor(modality="voice", language="es-AR")

        down = await turns_until(page, 20, notices)
        written = await page.turn("¿Y el mundial?", turn="written")
        assert (await twin.gate.set_policy(rules())).status == 200
        kept = next(iter(twin.engine._twins.values())).beginning.result()
        await until(lambda: kept.room)
        up = await turns_until(page, 3, notices)

        assert notices(down) == [("soft_cap_reached", "text")]
        assert [one.message for one in down if isinstance(one, Notice)] == [
            "A partir de ahora sigo por escrito."
        ]
        assert not [one for one in written if isinstance(one, AudioPiece)]
        assert texts(written)
        assert notices(up) == [("topped_up", "voice")]
        assert [one for one in up if isinstance(one, AudioPiece)]
        assert (await twin.found(page)).modality == "voice"
        assert await twin.settled() == twin.billed_nanos()


async def test_a_face_is_paid_in_slices_and_followed_by_the_voice(new_twin):
    """
    Goal: the video ends when its next slice is refused, is followed by one spoken notice, and is
    booked as the vendor bills it.
    Method: a quota of one minute of video; the clock of vendor and engine passes 70 seconds.
    """
    clock = HandClock()
    async with new_twin(quotas=Quotas(video_minute_units=1), clock=clock) as twin:
        page = await twin.visitor(modality="video", language="es-AR")
        shown = await page.next(Video)
        heard = await page.turn("Hola")

        for _ in range(70):
            clock.advance_ms(1_000)
            await until(lambda: True)
        gone = await page.hear_until(Notice)

        assert "/tavus/rooms/" in shown.url
        lines = [one for one in heard if isinstance(one, VideoLine)]
        assert "".join(one.message["properties"]["text"] for one in lines)
        assert not [one for one in heard if isinstance(one, AudioPiece)]
        assert [one.url for one in gone if isinstance(one, Video)] == [""]
        assert notices(gone) == [("quota_exhausted", "voice")]
        assert [one for one in gone if isinstance(one, AudioPiece)], "the notice was spoken"
        after = await page.turn("Hola", turn="t2")
        assert [one for one in after if isinstance(one, AudioPiece)]
        assert (await twin.found(page)).modality == "voice"
        assert await twin.settled(clock) >= twin.billed_nanos() > 370_000_000


async def test_leaving_ends_the_video_at_its_vendor(new_twin):
    """
    Goal: a video that nobody needs any more costs nothing more, however somebody leaves.
    Method: a visitor with a face says goodbye; the vendor's conversations are looked at.
    """
    async with new_twin() as twin:
        page = await twin.visitor(modality="video")
        await page.next(Video)
        await page.say("bye")
        await page.ended()

        await until(lambda: twin.calls("tavus") >= 2 and not len(twin.engine))
        assert await twin.settled() >= twin.billed_nanos()
        ended = list(twin.sandbox.ledger.calls("tavus", "conversation.end"))
        assert len(ended) == 1


async def test_where_video_is_not_allowed_the_conversation_is_by_voice(new_twin):
    """
    Goal: who wants more than the policy has gets the best of what it has, and is told in welcome.
    Method: a policy without video; a visitor who wants it.
    """
    async with new_twin(modalities=["voice", "text"], ladder=["voice", "text"]) as twin:
        page = await twin.visitor(modality="video")

        heard = await page.turn("Hola")

        assert page.welcome.modality == "voice"
        assert heard[-1] == TurnEnded(turn="t1", outcome="done", position=heard[-1].position)
        assert [one for one in heard if isinstance(one, AudioPiece)]


async def test_it_climbs_back_after_a_top_up_one_notice_a_step(new_twin):
    """
    Goal: video, voice, text as the month's money goes; credits bring back exactly the rung that
    they pay for; each step is told once, and nothing flaps, neither between steps nor when what
    was added is not enough.
    Method: money for one minute of video; then for a few sentences; turns until it writes; then
    credits for nothing, for more sentences, and for minutes of video, with turns in between.
    """
    clock = HandClock()
    async with new_twin(limit_nanos=MINUTE_NANOS + 40_000_000, clock=clock) as twin:
        page = await twin.visitor(modality="video", language="es-AR")
        await page.next(Video)
        for _ in range(70):
            clock.advance_ms(1_000)
            await until(lambda: True)
        down = await page.hear_until(Notice)
        # From here on it depends on no clock what is left.
        left = rules(limit_nanos=await twin.settled(clock) + FEW_SENTENCES_NANOS)
        assert (await twin.gate.set_policy(left)).status == 200
        down += await turns_until(page, 20, notices)
        still = await page.turn(QUESTION, turn="written")
        assert not sounds(still)

        await topped_up(twin, 1_000)
        still += await page.turn(QUESTION, turn="too-little")
        await topped_up(twin, 5 * FEW_SENTENCES_NANOS)
        by_voice = await page.turn(QUESTION, turn="voice") + await page.turn("Hola", turn="v2")
        await topped_up(twin, 3 * MINUTE_NANOS)
        by_video = await page.turn(QUESTION, turn="video") + await page.turn("Hola", turn="v4")

        assert [rung for _, rung in notices(down)] == ["voice", "text"]
        assert not notices(still)
        assert notices(by_voice) == [("topped_up", "voice")]
        assert sounds(by_voice)
        assert notices(by_video) == [("topped_up", "video")]
        assert [bool(one.url) for one in by_video if isinstance(one, Video)] == [True]
        assert [one for one in by_video if isinstance(one, VideoLine) and one.turn == "v4"]
        assert (await twin.found(page)).modality == "video"
        await page.say("bye")
        await page.ended()
        of_month = await twin.settled(clock)
        (paid_before,) = [one for one in (await twin.books()).meters if one.meter == "credits"]
        assert of_month + paid_before.committed >= twin.billed_nanos() > MINUTE_NANOS


async def topped_up(twin, nanos):
    """Credits, at the gate; the engine has heard of them."""
    kept = next(iter(twin.engine._twins.values())).beginning.result()
    before = kept.room
    assert (await twin.gate.top_up(nanos)).status == 200
    await until(lambda: kept.room > before)


def sounds(messages):
    return [one for one in messages if isinstance(one, AudioPiece)]
