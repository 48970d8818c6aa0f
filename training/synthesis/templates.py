"""A small language for sentences: `[Show|List] the {attrs} of {things}{that}.`

Square brackets hold alternatives, one of which is drawn; they may be empty and may be nested. Braces are
fields, filled after the drawing, so that nothing in a value is read as an alternative.
"""

from __future__ import annotations

import random
import re

_INNERMOST = re.compile(r"\[([^\[\]]*)\]")
_ARTICLE = re.compile(r"\b([Aa]) (?=[aeio])()")
_SPACES = re.compile(r"\s+")


def draw(template: str, rng: random.Random) -> str:
    """The template with one alternative drawn for each pair of brackets."""
    while found := _INNERMOST.search(template):
        template = template[: found.start()] + rng.choice(found[1].split("|")) + template[found.end() :]
    return template


def say(template: str, rng: random.Random, **fields: object) -> str:
    """A drawn and filled sentence, with single spaces."""
    text = _SPACES.sub(" ", draw(template, rng).format(**fields)).strip()
    text = _ARTICLE.sub(r"\1n \2", text)
    return text.replace(" ?", "?").replace(" .", ".").replace(" ,", ",").replace(" :", ":")
