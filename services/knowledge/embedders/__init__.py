"""
What makes vectors.

    offline            Google's multilingual sentence encoder, from a wheel: no network, no cost
    metered            a vendor's model, through the gate, paid by the twin
    process_embedders  those that a process has, by its settings
"""
