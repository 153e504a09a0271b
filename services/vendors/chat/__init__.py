"""
Language models.

    model          what a model is asked, and what it says; the protocol of every adapter
    openai_chat    models that speak like OpenAI; `openai_answer` reads what they stream
    sse            server-sent events
    tokens         how many tokens a text has, at most and about
"""
