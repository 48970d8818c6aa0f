"""Words out of names, questions and cell values: folding, splitting, light stemming, tokenising.

Covered: case, accents and compatibility forms (Unicode NFKD), camelCase and snake_case names, digits glued to
words, English plurals and the commonest suffixes. Letters of any script are kept; scripts without spaces
(Chinese, Japanese, Thai) stay one word per run. Not covered: synonyms, compound splitting, other languages'
inflections.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_MARKS = re.compile(r"[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+")
_NOT_WORD = re.compile(r"[\W_]+")
_APOSTROPHE = re.compile(r"(?<=\w)['’](?=\w)")
_ASCII_PLAIN = {code: chr(code).lower() if chr(code).isalnum() else " " for code in range(128)}
# A boundary inside a name: aB | ABc | letter-digit | digit-letter.
_INNER = re.compile(
    r"(?<=[^\W\d_A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][^\W\d_A-Z])|(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])"
)
_VOWELS = frozenset("aeiouy")
_IRREGULAR = {
    "people": "person",
    "men": "man",
    "women": "woman",
    "children": "child",
    "feet": "foot",
    "mice": "mouse",
    "indices": "index",
    "series": "series",
    "species": "species",
    "status": "status",
    "movies": "movie",
    "cookies": "cookie",
    "zombies": "zombie",
    "lives": "life",
    "wives": "wife",
    "data": "data",
    "has": "has",
    "was": "was",
    "is": "is",
    "this": "this",
    "its": "its",
    "during": "during",
}


def fold(text: str) -> str:
    """Lower-case text without accents and compatibility forms; punctuation and spaces stay as they are."""
    if text.isascii():
        return text.lower()
    return _MARKS.sub("", unicodedata.normalize("NFKD", text)).casefold()


def plain(text: str) -> str:
    """Folded text with every run of anything but letters and digits as one space: "O'Neil, José" → "oneil
    jose".

    A text of nothing but punctuation keeps it (so that "A+" and "+" do not all become empty).
    """
    if text.isascii() and "'" not in text:  # the common case, five times faster
        return " ".join(text.translate(_ASCII_PLAIN).split()) or text.lower().strip()
    return " ".join(_NOT_WORD.sub(" ", _APOSTROPHE.sub("", fold(text))).split()) or fold(text).strip()


def split_name(name: str) -> list[str]:
    """Folded words of an identifier: "SourceAirport", "source_airport" and "Source Airport2" alike."""
    spaced = _INNER.sub(" ", _NOT_WORD.sub(" ", name))
    return fold(spaced).split()


def words(text: str) -> list[str]:
    """Folded words of running text, names inside it split like identifiers, possessive 's dropped."""
    return split_name(re.sub(r"['’]s\b", "", text))


@lru_cache(maxsize=65536)
def singular(word: str) -> str:
    """The singular of an English plural, by spelling alone ("cities" → "city", "boxes" → "box")."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) <= 3 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "sses", "xes", "zes", "oes")):
        return word[:-2]
    return word[:-1]


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """A light stem: singular, then -ing, -ed, -ment, -ion, -er and the like while a stem with a vowel
    remains.

    Words of three letters or fewer, and words with anything but a–z, are only made singular.
    """
    word = singular(word)
    if len(word) <= 3 or not (word.isascii() and word.isalpha()):
        return word
    for suffix in ("ing", "ment", "edly", "ed", "ion", "ly", "or", "er", "al"):
        root = word.removesuffix(suffix)
        if root != word and len(root) >= 3 and _VOWELS & set(root):
            word = root[:-1] if len(root) > 3 and root[-1] == root[-2] and root[-1] not in "lsz" else root
            break
    if len(word) > 3 and word.endswith("e"):
        word = word[:-1]
    if len(word) > 3 and word.endswith("i"):
        word = word[:-1] + "y"
    return word
