"""Slips of the pen in a question, set right where the word that was meant can be told.

A word that WordPiece has to break up is perhaps misspelled; when a single word of the schema in front of the
model, or one that questions are made of, differs from it by one slip (a letter left out, doubled, swapped or
hit beside; two in long words), that one is read instead. What the question names as it is (values to look up)
is not touched: only what the network reads.
"""

from __future__ import annotations

from collections.abc import Iterable

from rapidfuzz.distance import OSA
from rapidfuzz.process import extract

QUESTION_WORDS = frozenset(
    """about above across after again all alphabetical alphabetically also always among amount and any
    apart are ascending associated available average before begin beginning begins belong belonging
    belongs below best between biggest both bottom but calculate called can combined common compute
    contain containing contains corresponding cost could count counts countries country dates decreasing
    descending describe details did different display distinct does doing done during each earlier
    earliest either end ending ends equal ever every exactly except excluding exist exists fewer fewest
    find first for found from get give given greater greatest grouped had half has have having high
    higher highest how identify include included including increasing individual information into its
    kind kinds know large larger largest last lastly later latest least less letter list listed live
    lives located location longer longest lowest made many maximum mean meet minimum missing more most
    name named names neither never newest none not number numbers of oldest older once only order
    ordered ordering other over overall owned people percentage please popular possible present program
    provide range ranked recent recently record records repetition respective result retrieve return
    returns same second select share show shown shows since single smaller smallest some sort sorted
    start started starting starts state sum summary tell than that the their them then there these they
    third this those three times together top total type types under unique until used uses using value
    values were what when where whether which while who whom whose with within without word words worst
    would year years youngest younger""".split()
)
_SHORTEST = 4
_LONG = 8


def corrected(word: str, vocabulary: Iterable[str]) -> str:
    """The one word of `vocabulary` (lower case) that `word` is a slip of; the word itself where none is."""
    lower = word.lower()
    if len(lower) < _SHORTEST or not lower.isalpha():
        return word
    slips = 1 if len(lower) < _LONG else 2
    near = extract(lower, list(vocabulary), scorer=OSA.distance, score_cutoff=slips, limit=3)
    if not near:
        return word
    best = [found for found, distance, _ in near if distance == near[0][1]]
    return best[0] if len(best) == 1 else word
