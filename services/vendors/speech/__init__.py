"""
Voices and ears.

    speaking       text to sound; the protocol of every voice
    cartesia       the voice there is: a WebSocket, one context an utterance
    hearing        sound to text; the protocol of every ear
    deepgram       the ear there is
"""
