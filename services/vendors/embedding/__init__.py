"""
Embeddings of vendors.

    openai_embeddings   vectors of texts, from OpenAI and whoever speaks like it
"""
