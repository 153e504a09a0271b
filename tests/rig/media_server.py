"""
A stand-in for a LiveKit server on loopback: signalling, forwarding of media, the room service.

It speaks enough of LiveKit's protocol (v0 of the signalling, protobuf over a WebSocket; Twirp for
the room service) for the real SDK, the real agents library and the real avatar runner: joining,
publishing and subscribing to audio and video, data packets and what is built on them (text and
byte streams, RPC), leaving, being removed, rooms being deleted. Media is forwarded by `aiortc`.

    async with MediaServer() as server:
        room = rtc.Room()
        await room.connect(server.url, server.token("user", "room-1"))
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections import deque
from datetime import timedelta
from typing import Any, Self

from aiohttp import WSMsgType, web
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.contrib.media import MediaRelay
from aiortc.sdp import candidate_from_sdp
from livekit import api
from livekit.protocol import models, rtc

from tests.rig import room_service
from tests.rig.job_desk import JobDesk

VERSION = "1.9.0"
NEGOTIATION_S = 10.0
# Whoever is still connected when it stops is not waited for.
STOP_S = 1.0
REMEMBERED_REQUESTS = 4_096
# Loopback only: no server is asked for our own address.
NO_ICE_SERVERS = RTCConfiguration(iceServers=[])


class Participant:
    """One connection to a room."""

    def __init__(
        self, socket: web.WebSocketResponse, claims: api.Claims, *, takes_all: bool
    ) -> None:
        assert claims.video is not None, "the token names a room"
        self.socket = socket
        self.claims = claims
        self.identity = claims.identity
        self.room_name = claims.video.room
        self.sid = f"PA_{secrets.token_hex(6)}"
        self.joined_ms = int(time.time() * 1_000)
        # What it hears: offered by the server. What it says: offered by the client.
        self.hears = RTCPeerConnection(NO_ICE_SERVERS)
        self.says: RTCPeerConnection | None = None
        self.channels: dict[str, RTCDataChannel] = {}
        self.published: dict[str, models.TrackInfo] = {}
        # The names of its tracks by what it calls them itself.
        self.announced: dict[str, str] = {}
        self.media: dict[str, MediaStreamTrack] = {}
        self.subscribed: set[str] = set()
        # Whether everything that is published is forwarded to it, or what it asks for.
        self.takes_all = takes_all
        self.wanted: set[str] = set()
        self.negotiating = asyncio.Lock()
        self.answered: asyncio.Future[None] | None = None

    def info(self, *, has_left: bool = False) -> models.ParticipantInfo:
        """Describe it as the others are told."""
        state = models.ParticipantInfo.DISCONNECTED if has_left else models.ParticipantInfo.ACTIVE
        info = models.ParticipantInfo(
            sid=self.sid,
            identity=self.identity,
            name=self.claims.name or "",
            state=state,
            joined_at=self.joined_ms // 1_000,
            joined_at_ms=self.joined_ms,
            is_publisher=bool(self.published),
            permission=models.ParticipantPermission(
                can_subscribe=True, can_publish=True, can_publish_data=True
            ),
            tracks=list(self.published.values()),
            attributes=dict(self.claims.attributes or {}),
        )
        if self.claims.kind == "agent":
            info.kind = models.ParticipantInfo.AGENT
        return info

    async def tell(self, response: rtc.SignalResponse) -> None:
        """Send it a signal; one that has gone needs none."""
        if not self.socket.closed:
            await self.socket.send_bytes(response.SerializeToString())

    async def close(self) -> None:
        await self.socket.close()
        for connection in (self.hears, self.says):
            if connection is not None:
                await connection.close()


class MediaRoom:
    """A room and who is in it."""

    def __init__(self, name: str) -> None:
        now_ms = int(time.time() * 1_000)
        self.info = models.Room(
            sid=f"RM_{secrets.token_hex(6)}",
            name=name,
            creation_time=now_ms // 1_000,
            creation_time_ms=now_ms,
        )
        self.participants: dict[str, Participant] = {}

    def others(self, participant: Participant) -> list[Participant]:
        return [other for other in self.participants.values() if other is not participant]

    def named(self, identity: str) -> Participant | None:
        found = (one for one in self.participants.values() if one.identity == identity)
        return next(found, None)


class MediaServer:
    """
    See the module. *requests* are the paths that were asked for over HTTP, *failures* what went
    wrong inside: a test that passes has none.
    """

    def __init__(self, *, key: str = "devkey", secret: str = "devsecret" * 4) -> None:
        self.key, self.secret = key, secret
        self.rooms: dict[str, MediaRoom] = {}
        self.requests: deque[str] = deque(maxlen=REMEMBERED_REQUESTS)
        self.failures: list[str] = []
        self.port = 0
        self.jobs = JobDesk(self)
        self._relay = MediaRelay()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def token(
        self, identity: str, room: str, *, kind: str = "", attributes: dict[str, str] | None = None
    ) -> str:
        """A token of a minute to join *room*."""
        token = (
            api.AccessToken(self.key, self.secret)
            .with_identity(identity)
            .with_ttl(timedelta(minutes=1))
            .with_grants(api.VideoGrants(room_join=True, room=room))
            .with_attributes(attributes or {})
        )
        return (token.with_kind("agent") if kind == "agent" else token).to_jwt()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/rtc", self._signals)
        app.router.add_get("/rtc/validate", self._validate)
        app.router.add_get("/agent", self.jobs.handle)
        app.router.add_post("/twirp/livekit.RoomService/{method}", self._twirp)
        # Among others /rtc/v1: a 404 makes the SDK fall back to the protocol that we speak.
        app.router.add_route("*", "/{path:.*}", self._unknown)
        self._runner = web.AppRunner(app, shutdown_timeout=STOP_S)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_exc: object) -> None:
        for name in list(self.rooms):
            await self.delete_room(name)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._runner.cleanup()

    def room(self, name: str) -> MediaRoom:
        """The room of this name; it is made if there is none."""
        return self.rooms.setdefault(name, MediaRoom(name))

    async def delete_room(self, name: str) -> bool:
        """Hang up on everybody in a room; whether there was one."""
        room = self.rooms.pop(name, None)
        if room is None:
            return False
        for participant in list(room.participants.values()):
            await self.dismiss(participant, models.DisconnectReason.ROOM_DELETED)
        return True

    # -- HTTP -----------------------------------------------------------------

    async def _unknown(self, request: web.Request) -> web.Response:
        self.requests.append(f"{request.method} {request.path}")
        return web.Response(status=404)

    async def _validate(self, _request: web.Request) -> web.Response:
        return web.Response(text="success")

    async def _twirp(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        self.requests.append(method)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            api.TokenVerifier(self.key, self.secret).verify(token)
        except Exception as problem:  # noqa: BLE001 - whatever is wrong with it, it is refused
            return room_service.error(401, "unauthenticated", str(problem))
        return await room_service.answer(self, method, request)

    # -- Signalling -----------------------------------------------------------

    async def _signals(self, request: web.Request) -> web.StreamResponse:
        token = request.query.get("access_token") or request.headers.get(
            "Authorization", ""
        ).removeprefix("Bearer ")
        try:
            claims = api.TokenVerifier(self.key, self.secret).verify(token)
        except Exception:  # noqa: BLE001 - whatever is wrong with it, it is refused
            return web.Response(status=401, text="invalid token")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        takes_all = request.query.get("auto_subscribe", "1") in ("1", "true")
        participant = Participant(socket, claims, takes_all=takes_all)
        room = self.room(participant.room_name)
        await self._join(room, participant)
        try:
            await self._listen(room, participant)
        finally:
            await self._left(room, participant)
        return socket

    async def _join(self, room: MediaRoom, participant: Participant) -> None:
        if not room.participants:
            # Who makes the room may have said which agents come with it.
            self._call_agents(room, participant)
        room.participants[participant.sid] = participant
        others = room.others(participant)
        join = rtc.JoinResponse(
            room=room.info,
            participant=participant.info(),
            other_participants=[other.info() for other in others],
            server_version=VERSION,
            server_info=models.ServerInfo(version=VERSION, protocol=16, region="loopback"),
            subscriber_primary=True,
            ping_interval=10,
            ping_timeout=30,
        )
        await participant.tell(rtc.SignalResponse(join=join))
        hears = participant.hears
        participant.channels = {
            "_reliable": hears.createDataChannel("_reliable", ordered=True),
            "_lossy": hears.createDataChannel("_lossy", ordered=False, maxRetransmits=0),
        }
        await self._tell_others(room, participant)
        self._start(self._negotiate(participant))
        for other in others if participant.takes_all else ():
            for sid, track in other.media.items():
                self._start(self._forward(other, sid, track, participant))

    def _call_agents(self, room: MediaRoom, participant: Participant) -> None:
        wanted = participant.claims.room_config
        for one in wanted.agents if wanted is not None else ():
            called = self.jobs.dispatch(
                room.info.name, agent_name=one.agent_name, metadata=one.metadata
            )
            self._start(called)

    async def _listen(self, room: MediaRoom, participant: Participant) -> None:
        async for message in participant.socket:
            if message.type != WSMsgType.BINARY:
                continue
            request = rtc.SignalRequest.FromString(message.data)
            kind = request.WhichOneof("message")
            if kind == "leave":
                return
            try:
                await self._on(kind, request, room, participant)
            except Exception as problem:  # noqa: BLE001 - kept for the test to see
                self.failures.append(f"{participant.identity} {kind}: {problem!r}")

    async def _left(self, room: MediaRoom, participant: Participant) -> None:
        room.participants.pop(participant.sid, None)
        await self._tell_others(room, participant, has_left=True)
        await participant.close()

    async def dismiss(self, participant: Participant, reason: Any) -> None:
        """Put somebody out."""
        leave = rtc.LeaveRequest(action=rtc.LeaveRequest.DISCONNECT, reason=reason)
        await participant.tell(rtc.SignalResponse(leave=leave))
        await participant.socket.close()

    async def _on(
        self, kind: str | None, request: rtc.SignalRequest, room: MediaRoom, who: Participant
    ) -> None:
        if kind == "answer":
            await who.hears.setRemoteDescription(_description(request.answer))
            if who.answered is not None and not who.answered.done():
                who.answered.set_result(None)
        elif kind == "offer":
            await self._answer(request, room, who)
        elif kind == "trickle":
            await _add_candidate(request.trickle, who)
        elif kind == "add_track":
            await self._add_track(request.add_track, room, who)
        elif kind == "subscription":
            self._subscribe(request.subscription, room, who)
        elif kind == "ping_req":
            pong = rtc.Pong(
                last_ping_timestamp=request.ping_req.timestamp, timestamp=int(time.time() * 1_000)
            )
            await who.tell(rtc.SignalResponse(pong_resp=pong))
        elif kind == "ping":
            await who.tell(rtc.SignalResponse(pong=int(time.time() * 1_000)))

    async def _answer(self, request: rtc.SignalRequest, room: MediaRoom, who: Participant) -> None:
        if who.says is None:
            who.says = RTCPeerConnection(NO_ICE_SERVERS)
            who.says.on("datachannel", lambda channel: _pass_data_on(channel, room, who))
            who.says.on("track", lambda track: self._published(track, room, who))
        await who.says.setRemoteDescription(_description(request.offer))
        await who.says.setLocalDescription(await who.says.createAnswer())
        answer = rtc.SessionDescription(type="answer", sdp=who.says.localDescription.sdp)
        await who.tell(rtc.SignalResponse(answer=answer))

    async def _add_track(
        self, asked: rtc.AddTrackRequest, room: MediaRoom, who: Participant
    ) -> None:
        track = models.TrackInfo(
            sid=f"TR_{secrets.token_hex(4)}",
            type=asked.type,
            name=asked.name,
            source=asked.source,
            width=asked.width,
            height=asked.height,
            mime_type="audio/opus" if asked.type == models.AUDIO else "video/vp8",
            stream=asked.stream,
        )
        who.published[track.sid] = track
        who.announced[asked.cid] = track.sid
        published = rtc.TrackPublishedResponse(cid=asked.cid, track=track)
        await who.tell(rtc.SignalResponse(track_published=published))
        await self._tell_others(room, who)

    # -- Media ----------------------------------------------------------------

    def _published(self, media: MediaStreamTrack, room: MediaRoom, who: Participant) -> None:
        """Match media that arrives with a track that was announced, and let those have it."""
        is_audio = media.kind == "audio"
        for sid, track in who.published.items():
            is_it = who.announced.get(media.id, sid) == sid
            if is_it and sid not in who.media and (track.type == models.AUDIO) == is_audio:
                who.media[sid] = media
                for other in room.others(who):
                    if other.takes_all or sid in other.wanted:
                        self._start(self._forward(who, sid, media, other))
                return

    def _subscribe(self, asked: rtc.UpdateSubscription, room: MediaRoom, who: Participant) -> None:
        """Forward what is asked for, now or as soon as it arrives."""
        if not asked.subscribe:
            return
        who.wanted.update(asked.track_sids)
        for other in room.others(who):
            for sid in who.wanted & other.media.keys():
                self._start(self._forward(other, sid, other.media[sid], who))

    async def _forward(
        self, source: Participant, sid: str, media: MediaStreamTrack, to: Participant
    ) -> None:
        if sid in to.subscribed:
            return
        to.subscribed.add(sid)
        sender = to.hears.addTrack(self._relay.subscribe(media))
        # How the SDK finds out whose track it is: there is no public way to set it.
        sender._stream_id = f"{source.sid}|{sid}"
        sender._track_id = sid
        await self._negotiate(to)
        # The avatar runner of the agents library waits for this before it begins.
        subscribed = rtc.TrackSubscribed(track_sid=sid)
        await source.tell(rtc.SignalResponse(track_subscribed=subscribed))

    async def _negotiate(self, who: Participant) -> None:
        async with who.negotiating:
            who.answered = asyncio.get_running_loop().create_future()
            await who.hears.setLocalDescription(await who.hears.createOffer())
            offer = rtc.SessionDescription(type="offer", sdp=who.hears.localDescription.sdp)
            await who.tell(rtc.SignalResponse(offer=offer))
            await asyncio.wait_for(who.answered, NEGOTIATION_S)

    async def _tell_others(
        self, room: MediaRoom, who: Participant, *, has_left: bool = False
    ) -> None:
        update = rtc.ParticipantUpdate(participants=[who.info(has_left=has_left)])
        for other in room.others(who):
            await other.tell(rtc.SignalResponse(update=update))

    def _start(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _pass_data_on(channel: RTCDataChannel, room: MediaRoom, who: Participant) -> None:
    @channel.on("message")
    def on_message(data: bytes) -> None:
        packet = models.DataPacket.FromString(data)
        packet.participant_identity, packet.participant_sid = who.identity, who.sid
        if packet.HasField("user"):
            packet.user.participant_sid = who.sid
            packet.user.participant_identity = who.identity
        wanted = set(packet.destination_identities)
        for other in room.others(who):
            to = other.channels.get(channel.label)
            if (not wanted or other.identity in wanted) and to and to.readyState == "open":
                to.send(packet.SerializeToString())


async def _add_candidate(trickle: rtc.TrickleRequest, who: Participant) -> None:
    offered = json.loads(trickle.candidateInit)
    if not offered.get("candidate"):
        return
    candidate = candidate_from_sdp(offered["candidate"].split(":", 1)[1])
    candidate.sdpMid = offered.get("sdpMid")
    candidate.sdpMLineIndex = offered.get("sdpMLineIndex")
    connection = who.says if trickle.target == rtc.PUBLISHER else who.hears
    if connection is not None and candidate.protocol == "udp":
        await connection.addIceCandidate(candidate)


def _description(session: rtc.SessionDescription) -> RTCSessionDescription:
    return RTCSessionDescription(session.sdp, session.type)
