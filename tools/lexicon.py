"""Small word lists for the column search: words that carry no meaning, abbreviations in names, question cues.

English only. Plain data; a word missing here costs a little recall, never correctness.
"""

from __future__ import annotations

STOP_WORDS = frozenset(
    """
    a an the of in on at by for from to with and or not is are was were be been do does did has have had what which
    who whom whose when where how many much that this these those there their they them it its his her he she we i
    you our me my your all any each every some no than then as so if but show list give find return tell please can
    could would should will about into over between both also just only
    """.split()  # noqa: SIM905 (one word per line would fill the file)
)

ABBREVIATIONS = {
    "addr": "address", "amt": "amount", "avg": "average", "cd": "code", "cnt": "count", "ctry": "country",
    "dept": "department", "desc": "description", "dob": "birth", "dt": "date", "emp": "employee", "fname": "first",
    "lname": "last", "lat": "latitude", "lng": "longitude", "long": "longitude", "max": "maximum", "mgr": "manager",
    "min": "minimum", "nbr": "number", "nm": "name", "no": "number", "num": "number", "pct": "percent",
    "prof": "professor", "qty": "quantity", "stu": "student", "tel": "telephone", "yr": "year",
}  # fmt: skip
"""Words in column names, and the word of a question that they stand for."""

_AGE = ("age", "birth")
_SIZE = ("size", "area", "capacity", "population", "length")
_TIME = ("date", "year", "time")
_COST = ("price", "cost", "amount")
_SEX = ("gender", "sex")

CUES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("who", "whom", "whose", "called", "named", "person", "people"), ("name",)),
    **dict.fromkeys(("when", "recent", "recently", "latest", "earliest", "early", "late", "first", "last"), _TIME),
    **dict.fromkeys(("day", "month", "since", "before", "after", "during"), ("date", "year")),
    **dict.fromkeys(("old", "older", "oldest", "young", "younger", "youngest"), _AGE),
    **dict.fromkeys(("large", "larger", "largest", "big", "bigger", "biggest", "small", "smallest"), _SIZE),
    **dict.fromkeys(("expensive", "cheap", "cheaper", "cheapest", "cost", "costs"), _COST),
    **dict.fromkeys(("male", "female", "man", "woman", "boy", "girl"), _SEX),
    **dict.fromkeys(("long", "longer", "longest", "short", "shortest"), ("length", "duration")),
    **dict.fromkeys(("tall", "taller", "tallest"), ("height",)),
    **dict.fromkeys(("heavy", "heavier", "heaviest"), ("weight",)),
    **dict.fromkeys(("rich", "earn", "earns", "earning"), ("salary", "income", "wage")),
    **dict.fromkeys(("live", "lives", "living"), ("address", "city", "residence", "state")),
    **dict.fromkeys(("more", "most", "total", "amount"), ("amount", "quantity", "number")),
    "where": ("location", "city", "address", "place", "country", "state"),
    "born": ("birth", "birthday"),
    "paid": ("salary", "amount", "payment"),
    "nationality": ("country",),
    "phone": ("telephone",),
    "full": ("first", "last"),
}  # fmt: skip
"""Words of a question, and words in the names of columns that would answer it."""
