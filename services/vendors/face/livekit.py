"""
LiveKit: rooms in which twins and visitors meet, over its server API (Twirp, as JSON).

    begin               CreateRoom, named after the reservation; a name twice is one room, so a
                        create without an answer is simply said again. A room that is there already
                        (`request["room"]`) is marked instead: its metadata names the reservation
    drive               ListParticipants: who is there, and what that has cost so far
    end                 DeleteRoom: everybody is out at once; the kill switch
    remove_participant  one of them is out at once
    join_token          lets one participant into this room, for the next two minutes
    webhook             an event that LiveKit signed, or nothing

Billed are connections by the minute, see `livekit_room`. Media is the agent's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar, Final
from weakref import WeakKeyDictionary

import msgspec

from contracts.usage import Usage
from services.client.errors import NoGrant
from services.client.grant import Grant
from services.client.meter import Meter
from services.client.patience import Timing
from services.secret import Secret
from services.vendors.adapter import (
    Answer,
    StreamAdapter,
    VendorCutOff,
    VendorFailed,
    VendorUnreachable,
    ends_spending,
    reconciles,
)
from services.vendors.face import livekit_room
from services.vendors.face.avatar import RuntimeLimits
from services.vendors.face.livekit_room import Attendance
from services.vendors.face.livekit_token import ApiKey, KeyUnusable, Webhook, webhook
from services.vendors.failed import failed, retry_after_ms
from services.vendors.found import FoundSession
from services.vendors.outbound import Outbound, Reply, bearer
from services.vendors.session_name import SessionName, name_of, parse

SERVICE: Final = "/twirp/livekit.RoomService/"
TRIES_MAX: Final = 4
FIRST_WAIT_S: Final = 0.25
PARTICIPANTS_MAX: Final = 3
_US: Final = 1_000_000


class _Running(msgspec.Struct):
    """One room of this process; the key is kept as long as its meter, to end it with."""

    key: ApiKey
    room: str
    attendance: Attendance = msgspec.field(default_factory=Attendance)


class LiveKitAdapter(StreamAdapter):
    """LiveKit for the twins of *deployment*, with each twin's secret `<API key>:<API secret>`."""

    is_reconciled: ClassVar[bool] = True

    def __init__(
        self,
        provider_id: str,
        outbound: Outbound,
        *,
        secret_name: str = "livekit",  # noqa: S107 - the name of one
        deployment: str = "development",
        timing: Timing | None = None,
    ) -> None:
        super().__init__(provider_id)
        self._outbound = outbound
        self._secret_name = secret_name
        self._deployment = deployment
        self._timing = timing or Timing()
        self._running: WeakKeyDictionary[Meter, _Running] = WeakKeyDictionary()

    # -- the life of a room -------------------------------------------------------------

    async def begin(self, grant: Grant, request: Mapping[str, Any]) -> Answer:
        meter = grant.open(self.provider_id)
        limits: RuntimeLimits = request["limits"]
        room = str(name_of(self._deployment, grant.terms.reservation_id))
        running = self._running[meter] = _Running(await self._key(grant), room)
        # A room alone costs nothing.
        meter.counted(Usage())
        if "room" in request:
            return await self._mark(meter, running, str(request["room"]))
        body = {
            "name": room,
            "empty_timeout": -(-limits.absent_ms // 1_000),
            "departure_timeout": -(-limits.left_ms // 1_000),
            "max_participants": int(request.get("max_participants", PARTICIPANTS_MAX)),
        }
        reply = await self._until_heard(meter, running, "CreateRoom", body)
        if livekit_room.room(reply.json()) is None:
            raise VendorCutOff("the answer is no room")
        meter.reported(Usage(), room)
        return Answer(reply.json(), Usage(), room)

    async def _mark(self, meter: Meter, running: _Running, room: str) -> Answer:
        """Say in the room's own metadata which reservation pays for it from here on."""
        body = {"room": room, "metadata": running.room}
        running.room = room
        await self._until_heard(meter, running, "UpdateRoomMetadata", body)
        await self._look(meter, running)
        return self._counted(meter, running, {"is_over": False})

    async def drive(self, grant: Grant, stream: str, stream_ms: int) -> Answer:
        """Look who is there; their time passes by itself."""
        del stream, stream_ms
        meter = grant.open(self.provider_id)
        running = self._running[meter]
        try:
            await self._look(meter, running)
        except VendorFailed as problem:
            if problem.status != HTTPStatus.NOT_FOUND:
                raise
            running.attendance.seen({}, self._timing.wall_us())
            return self._counted(meter, running, {"is_over": True, "reason": "room_gone"})
        return self._counted(meter, running, {"is_over": False})

    @ends_spending
    async def end(self, grant: Grant, stream: str) -> Answer:
        meter = grant.opened(self.provider_id)
        running = self._running[meter]
        await self._delete(meter, running)
        usage = running.attendance.usage(self._timing.wall_us())
        meter.completed(usage, stream)
        return Answer({"is_over": True}, usage, stream)

    @ends_spending
    async def end_lost(self, grant: Grant) -> None:
        meter = grant.opened(self.provider_id)
        running = self._running.get(meter)
        if running is not None:
            await self._delete(meter, running)
            meter.ended(running.attendance.usage(self._timing.wall_us()), running.room)

    @ends_spending
    async def remove_participant(self, grant: Grant, identity: str) -> None:
        """Put one participant out; one who is not there is out already."""
        meter = grant.opened(self.provider_id)
        running = self._running[meter]
        body = {"room": running.room, "identity": identity}
        await self._until_heard(meter, running, "RemoveParticipant", body, gone_is_fine=True)

    def join_token(self, grant: Grant, identity: str, **more: Any) -> Secret:
        """
        Let *identity* into the room that was begun with *grant*; see `ApiKey.for_joining`.

        Raises NoGrant when no room was begun with it, or what it holds has run out.
        """
        running = self._running.get(grant.opened(self.provider_id))
        if running is None or self._timing.monotonic_us() >= grant.terms.expires_at_us:
            raise NoGrant("nobody is let into a room that is not paid for")
        now_s = self._timing.wall_us() // _US
        return running.key.for_joining(running.room, identity, now_s=now_s, **more)

    def webhook(self, grant: Grant, body: bytes, authorization: str) -> Webhook:
        """
        Read an event of the room that was begun with *grant*, and count who comes and goes.

        Raises NoGrant, and WebhookRefused for what LiveKit did not sign.
        """
        running = self._running.get(grant.opened(self.provider_id))
        if running is None:
            raise NoGrant("no room was begun with this grant")
        event = webhook(running.key, body, authorization, now_s=self._timing.wall_us() // _US)
        if event.room.name == running.room:
            self._attend(running.attendance, event)
        return event

    # -- reconciliation -------------------------------------------------------------------

    @reconciles
    async def sessions(self, grant: Grant, since_us: int) -> list[FoundSession]:
        """List our rooms. LiveKit shows those that are open, and tells nothing of others."""
        meter = grant.open(self.provider_id, purpose="reconciliation")
        running = self._running[meter] = _Running(await self._key(grant), "")
        reply = await self._until_heard(meter, running, "ListRooms", {})
        shown = [livekit_room.room(one) for one in reply.json().get("rooms", ())]
        found = [
            FoundSession(name=name, ref=one.name, created_us=one.created_us, is_over=False)
            for one in shown
            if one is not None
            and (name := _name_of(one)) is not None
            and name.deployment == self._deployment
            and one.created_us >= since_us
        ]
        return sorted(found, key=lambda one: one.created_us, reverse=True)

    @ends_spending
    async def end_found(self, grant: Grant, ref: str) -> FoundSession | None:
        """
        Delete a room that was found; what it cost is what those who were still there cost.

        LiveKit does not tell who had left before; that part of a crashed session is not known.
        """
        meter = grant.opened(self.provider_id)
        key = self._running[meter].key
        reply = await self._until_heard(meter, _Running(key, ""), "ListRooms", {"names": [ref]})
        shown = [livekit_room.room(one) for one in reply.json().get("rooms", ())]
        marked = (_name_of(one) for one in shown if one is not None and one.name == ref)
        name = next(marked, parse(ref))
        if name is None or name.deployment != self._deployment:
            return None
        running = _Running(key, ref)
        # One that is gone by now was ended by somebody who saw who was in it: VendorFailed, 404.
        await self._look(meter, running)
        await self._delete(meter, running)
        lasted = running.attendance.usage(self._timing.wall_us())
        joined = [one.joined_us for one in running.attendance.connections.values()]
        created_us = min(joined, default=self._timing.wall_us())
        return FoundSession(name=name, ref=ref, created_us=created_us, is_over=True, lasted=lasted)

    # -- requests ---------------------------------------------------------------------------

    async def _key(self, grant: Grant) -> ApiKey:
        try:
            return ApiKey(await grant.secret(self._secret_name))
        except KeyUnusable as problem:
            raise VendorUnreachable(str(problem)) from None

    async def _look(self, meter: Meter, running: _Running) -> None:
        body = {"room": running.room}
        reply = await self._until_heard(meter, running, "ListParticipants", body)
        there = livekit_room.present(reply.json().get("participants", ()))
        running.attendance.seen(there, self._timing.wall_us())

    async def _delete(self, meter: Meter, running: _Running) -> None:
        """Look a last time who is there, then put everybody out."""
        try:
            await self._look(meter, running)
        except VendorFailed as problem:
            if problem.status == HTTPStatus.NOT_FOUND:
                running.attendance.seen({}, self._timing.wall_us())
                return
            if not problem.may_pass:
                raise
        except (VendorCutOff, VendorUnreachable):
            # Stopping the cost comes before knowing it; who was known is counted until now.
            pass
        body = {"room": running.room}
        await self._until_heard(meter, running, "DeleteRoom", body, gone_is_fine=True)

    async def _until_heard(
        self,
        meter: Meter,
        running: _Running,
        method: str,
        body: Mapping[str, Any],
        *,
        gone_is_fine: bool = False,
    ) -> Reply:
        """Ask, and again when it was not heard: everything here may be said twice."""
        last: VendorCutOff | VendorFailed | VendorUnreachable | None = None
        for attempt in range(TRIES_MAX):
            if attempt:
                await self._timing.sleep(FIRST_WAIT_S * 2 ** (attempt - 1))
            try:
                reply = await self._ask(meter, running, method, body)
                is_gone = gone_is_fine and reply.status == HTTPStatus.NOT_FOUND
                if reply.status == HTTPStatus.OK or is_gone:
                    return reply
                last = self._failure(reply)
                if not last.may_pass:
                    break
            except (VendorCutOff, VendorUnreachable) as problem:
                last = problem
        assert last is not None, "it was tried"
        raise last

    async def _ask(
        self, meter: Meter, running: _Running, method: str, body: Mapping[str, Any]
    ) -> Reply:
        grants: dict[str, object] = {
            "roomCreate": method in ("CreateRoom", "DeleteRoom"),
            "roomList": method == "ListRooms",
            "roomAdmin": method in ("ListParticipants", "RemoveParticipant", "UpdateRoomMetadata"),
        }
        if running.room:
            grants["room"] = running.room
        token = running.key.for_api(now_s=self._timing.wall_us() // _US, **grants)
        headers = {"Authorization": bearer(token)}
        return await self._outbound.request(
            meter, "POST", f"{SERVICE}{method}", headers=headers, json=body
        )

    def _failure(self, reply: Reply) -> VendorFailed:
        said = reply.value()
        code = said.get("code", "") if isinstance(said, dict) else ""
        wait_ms = retry_after_ms(reply.headers, self._timing.wall_us)
        return failed(self.provider_id, reply.status, code=code, retry_after_ms=wait_ms)

    # -- counting -----------------------------------------------------------------------------

    def _counted(self, meter: Meter, running: _Running, body: dict[str, Any]) -> Answer:
        usage = running.attendance.usage(self._timing.wall_us())
        meter.counted(usage)
        return Answer(body, usage, running.room)

    def _attend(self, attendance: Attendance, event: Webhook) -> None:
        at_us = int(event.created_at or 0) * _US if str(event.created_at).isdigit() else 0
        at_us = at_us or self._timing.wall_us()
        match event.event:
            case "participant_joined":
                attendance.joined(event.participant.sid, at_us)
            case "participant_left" | "participant_connection_aborted":
                attendance.left(event.participant.sid, at_us)
            case "room_finished":
                attendance.seen({}, at_us)


def _name_of(room: livekit_room.RoomShown) -> SessionName | None:
    """Which reservation pays for a room: by its own name, or by what it was marked with."""
    return parse(room.name) or parse(room.metadata)
