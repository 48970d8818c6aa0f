"""A small language for sentences: `[Show|List] the {attrs} of {things}{that}.`

Square brackets hold alternatives, one of which is drawn; they may be empty and may be nested. Braces are
fields, filled after the drawing, so that nothing in a value is read as an alternative.
"""

from __future__ import annotations

import random
import re

_INNERMOST = re.compile(r"\[([^\[\]]*)\]")
_ARTICLE = re.compile(r"\b([Aa]) (?=\{(\w+)\})")
_SPACES = re.compile(r"\s+")


def draw(template: str, rng: random.Random) -> str:
    """The template with one alternative drawn for each pair of brackets."""
    while found := _INNERMOST.search(template):
        template = template[: found.start()] + rng.choice(found[1].split("|")) + template[found.end() :]
    return template


def say(template: str, rng: random.Random, **fields: object) -> str:
    """A drawn and filled sentence, with single spaces."""

    def article(found: re.Match[str]) -> str:
        return f"{found[1]}n " if str(fields[found[2]]).lower().startswith(tuple("aeio")) else found[0]

    # Before the filling: an "A" in a value stays as it is.
    template = _ARTICLE.sub(article, draw(template, rng))
    text = _SPACES.sub(" ", template.format(**fields)).strip()
    return text.replace(" ?", "?").replace(" .", ".").replace(" ,", ",").replace(" :", ":")
