"""Small word lists for the column search: words that carry no meaning, abbreviations in names, question cues.

English only. Plain data; a word missing here costs a little recall, never correctness.
"""

from __future__ import annotations

STOP_WORDS = frozenset(
    """
    a an the of in on at by for from to with and or not is are was were be been do does did has have had
    what which who whom whose when where how many much that this these those there their they them it its
    his her he she we i you our me my your all any each every some no than then as so if but show list give
    find return tell please can could would should will about into over between both also just only
    """.split()
)

# Words in column names, and the word of a question that they stand for.
ABBREVIATIONS = {
    "addr": "address", "amt": "amount", "avg": "average", "cd": "code", "cnt": "count", "ctry": "country",
    "dept": "department", "desc": "description", "dob": "birth", "dt": "date", "emp": "employee",
    "fname": "first", "lname": "last", "lat": "latitude", "lng": "longitude", "long": "longitude",
    "max": "maximum", "mgr": "manager", "min": "minimum", "nbr": "number", "nm": "name", "no": "number",
    "num": "number", "pct": "percent", "prof": "professor", "qty": "quantity", "stu": "student",
    "tel": "telephone", "yr": "year",
}  # fmt: skip

# What questions say, and words in the names of the columns that answer it.
_CUES = (
    ("who whom whose called named person people", "name"),
    ("when recent recently latest earliest early late first last", "date year time"),
    ("day month since before after during", "date year"),
    ("old older oldest young younger youngest", "age birth"),
    ("large larger largest big bigger biggest small smallest", "size area capacity population length"),
    ("expensive cheap cheaper cheapest cost costs", "price cost amount"),
    ("male female man woman boy girl", "gender sex"),
    ("long longer longest short shortest", "length duration"),
    ("tall taller tallest", "height"),
    ("heavy heavier heaviest", "weight"),
    ("rich earn earns earning", "salary income wage"),
    ("live lives living", "address city residence state"),
    ("more most total amount", "amount quantity number"),
    ("where", "location city address place country state"),
    ("born", "birth birthday"),
    ("paid", "salary amount payment"),
    ("nationality", "country"),
    ("phone", "telephone"),
    ("full", "first last"),
)

CUES: dict[str, tuple[str, ...]] = {
    said: tuple(names.split()) for sayings, names in _CUES for said in sayings.split()
}
