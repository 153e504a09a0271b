"""
How a twin gets onto other people's pages.

    embed     the HTML that a page pastes, made from a deployment
    minting   let a visitor in, and give it a token for what the gate has admitted

Who may be where is decided by the gate (`domain/distribution.py`); nothing here decides.
"""
