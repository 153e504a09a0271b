"""
Faces, and the rooms that they are seen in.

    avatar            what a vendor of avatars does; `metered_avatar` one session, held for ahead
    tavus             conversations with a face
    livekit           rooms, tokens, webhooks
"""
