"""
The gateway: where visitors' pages and services talk with a twin, over one WebSocket each.

    gateway        takes connections, and checks each second which of them have had their time
    handshake      who somebody is, and where they may come from
    connection     one WebSocket: reads, writes, closes with a reason
    stream         one conversation, whatever connections it has, one after the other
    streams        all of them: how many there may be, and how one is resumed
    conversation   what a conversation does is behind this Protocol
    visitors       a page's browser asks for a visitor's token
    widget         `/embed.js`, `/microphone.js`
    talk_page      `/talk/<twin>`, a page of our own
    video_page     `/video`, what the widget shows in its frame

The protocol is `contracts/stream.py`. Nothing here decides about money or rights: the gate does.
"""
