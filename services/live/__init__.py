"""
A twin that talks: what a gateway, a terminal and a page put before a visitor.

    parts         what all of them share: the ways to the vendors
    engine        opens conversations: session lease, pinned bundle, products of the price book
    conversation  one of them: its turns, its rung on the ladder, its end
    turn          one answer: topics, model, tools, sentences
    voice         says sentences as they are written
    lease         keeps the session's lease at the gate, and hears of its end
    briefing      what a model is told of the twin
    memory        what was said before, in a bounded number of tokens
    sentences     text in pieces to whole sentences
    words         what the twin itself has to say, in Spanish and English
    products      which of the twin's priced products it talks with

Nothing in here calls a vendor but through `services.vendors`, each call with a grant of its own.
"""
