"""
What makes vectors.

    offline   Google's multilingual sentence encoder, from a wheel: no network, no cost
"""
