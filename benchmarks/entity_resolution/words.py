"""Invented words, a different one for each number, for the names of generated sites."""

from __future__ import annotations

from itertools import product

SYLLABLES = [first + last for first, last in product("bdfgklmnprstvz", "aeiou")]
SYLLABLES_A_WORD = 3
# Coprime with the number of words: neighbouring numbers do not give words that look alike
STRIDE = 104_729


def word(number: int) -> str:
    """The word of a number below 343,000."""
    base = len(SYLLABLES)
    rest = number * STRIDE % base**SYLLABLES_A_WORD
    syllables = []
    for _ in range(SYLLABLES_A_WORD):
        rest, position = divmod(rest, base)
        syllables.append(SYLLABLES[position])
    return "".join(syllables).capitalize()
