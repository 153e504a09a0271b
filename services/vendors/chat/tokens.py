"""
How many tokens a text has, without the vendor's tokenizer: never more than, and about.

`most_tokens` is for holds. A byte-level BPE tokenizer (GPT, Llama 3, Qwen, Mistral's newer ones)
begins with one token a byte and only ever merges, so a text never has more tokens than UTF-8 bytes;
one that works on characters and falls back to bytes for those it does not know (SentencePiece)
needs no more either, but for the space that it may put in front. A tokenizer that first rewrites
text into a longer one (NFKC of a few ligatures) is not covered: name no such model in a price book.

`about_tokens` is for a call that broke off before the vendor could say what it bills. It counts
words in parts, the way the vocabularies of today cut English and Spanish, and leans upwards.
"""

from __future__ import annotations

import re

IN_FRONT = 1
LETTERS_PER_TOKEN = 4
DIGITS_PER_TOKEN = 3
# Words with their leading space are one run; every other sign is counted by itself.
_part = re.compile(r"(?P<word>[^\W\d_]+)|(?P<digits>\d+)|(?P<space>\s+)|(?P<sign>.)", re.DOTALL)


def most_tokens(text: str) -> int:
    """An upper bound of the tokens in *text*; see the module for why it is one."""
    return len(text.encode("utf-8", "surrogatepass")) + IN_FRONT


def about_tokens(text: str) -> int:
    """About how many tokens *text* has, rather more than fewer; never above `most_tokens`."""
    return min(sum(_tokens(part) for part in _part.finditer(text)), most_tokens(text))


def _tokens(part: re.Match[str]) -> int:
    text = part.group()
    match part.lastgroup:
        case "word":
            latin = len(text.encode("utf-8", "surrogatepass")) <= 2 * len(text)
            # Scripts that need three bytes a letter are cut finer: about a token for each.
            return -(-len(text) // LETTERS_PER_TOKEN) if latin else len(text)
        case "digits":
            return -(-len(text) // DIGITS_PER_TOKEN)
        case "space":
            # A single space belongs to the word that follows it.
            return 0 if text == " " else 1
        case _:
            return 1 if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
