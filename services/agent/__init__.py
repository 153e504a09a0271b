"""
A twin in a LiveKit room: the LiveKit agents library does the orchestration, the gate says what may.

    worker        waits for jobs at the configured LiveKit server, `vito agent`
    twin_session  one conversation: lease, disclosure, bundle, turns, end
    twin_agent    what the library is told of the twin: instructions and tools
    metered_llm   its language model     each call to a vendor
    metered_tts   its voice              has a grant of its own
    metered_stt   its ear
    endpointing   when somebody speaks, and when they have ended
    library       the library's session with these in it, and nothing else
    talk          what all of them go by
    ladder        video, voice, text, asleep: steps, with one notice each
    face          the avatar's conversation at its vendor, in the room
    room_bill     the room itself, paid for by the minute while it lasts
    stage         what the visitor is shown, and how they are shown out
    spoken        what was said so far, as a model is told it again

The grants are taken inside the components and not at the library's nodes: the library calls its
vendors for retries, probes and prewarming as well, and another agent that takes over brings other
nodes. Whatever reaches a vendor in here has been authorised.
"""
