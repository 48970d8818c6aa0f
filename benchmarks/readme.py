"""The README's tables, made from results/*.json. No figure is written into the README by hand.

    python benchmarks/readme.py [--check]

Rewrites what stands between `<!-- table:NAME -->` and `<!-- /table -->`; --check changes nothing and ends
with 1 when a table is out of date. A table whose results file is missing says so. Pure apart from reading and
writing the files.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

from parts.learning_tables import (
    active_learning,
    adapter_steps,
    adapters,
    poft,
    selecting,
    self_annotation,
    training,
)
from parts.tables import Figures, interval, milliseconds, number, percent, share, table

ROOT = Path(__file__).resolve().parent
README = ROOT.parent / "README.md"
RESULTS = ROOT / "results"

_SECTION = re.compile(r"(<!-- table:([\w-]+) -->\n).*?(<!-- /table -->)", re.DOTALL)


def accuracy(figures: Figures) -> str:
    """Execution accuracy by comparator, then by difficulty."""
    rows = [
        [
            f"`{name}`",
            percent(figure),
            interval(figure),
            percent(figures["unambiguous"][name]),
        ]
        for name, figure in figures["execution_accuracy"].items()
    ]
    rows += [
        [f"`multiset`, {level} ({figure['questions']})", percent(figure), interval(figure), ""]
        for level, figure in figures["by_difficulty"].items()
    ]
    heading = ["comparator", f"all {figures['answerable']}", "95 % interval", "unambiguous gold only"]
    return table(heading, rows)


def cost(figures: Figures) -> str:
    """What a question costs."""
    names = {
        "prompt_tokens": "new prompt tokens, over all rounds",
        "new_tokens": "new tokens in all",
        "tool_calls": "tool calls",
        "seconds": "seconds",
    }
    rows = [
        [label, *(number(figures["per_question"][name][part]) for part in ("mean", "p50", "p95"))]
        for name, label in names.items()
    ]
    return table(["per question", "mean", "median", "95th percentile"], rows)


def trust(figures: Figures) -> str:
    """How far answers and confidence can be trusted."""
    calibration = figures["calibration"]
    risks = calibration["risk_at_coverage"]
    rows = [
        ["questions answered, at the default threshold", f"{percent(figures['answered'])} %"],
        ["right when answered", f"{percent(figures['answered_right'])} %"],
        ["SQL that runs", f"{percent(figures['sql_runs'])} %"],
        *([f"wrong among the surest {share} %", f"{number(risk)} %"] for share, risk in risks.items()),
        ["area under the risk–coverage curve", number(calibration["area_under_risk_coverage"], 3)],
        ["expected calibration error", number(calibration["expected_calibration_error"], 3)],
        *(
            [f"TrustSQL score, penalty {name}", number(score)]
            for name, score in calibration["penalty_score"].items()
        ),
    ]
    return table(["", "value"], rows)


def overhead(figures: Figures) -> str:
    """Milliseconds a step, side by side."""
    names = {
        "graph": "sqlberg",
        "graph_with_grounds": "sqlberg, answers traced to their grounds",
        "recipe": "LangChain's SQL agent recipe",
    }
    parts = ("median_ms_a_step", "p95_ms_a_step", "median_cpu_ms_a_step")
    rows = [[label, *(number(figures[name][part], 2) for part in parts)] for name, label in names.items()]
    heading = f"model that takes no time, load average {number(figures['load_average'])}"
    return table([heading, "median ms a step", "95th percentile", "median CPU ms"], rows)


def safety(figures: Figures) -> str:
    """Attacks stopped, and good queries let through."""
    attacks = figures["attacks"]
    rows = [
        ["attack inputs", f"{attacks['inputs']:,} ({attacks['runs']:,} runs over two engines)"],
        ["got through", str(len(attacks["got_through"]))],
        ["files changed", str(len(attacks["files_changed"]))],
        [
            "slowest attack",
            f"{number(attacks['slowest_seconds'])} s, limit {number(attacks['limit_seconds'])} s",
        ],
        ["growth of the calling process", f"{number(attacks['parent_growth_mb'])} MB"],
    ]
    compared = [
        *((f"hard analytical queries, {engine}", part) for engine, part in figures["good"].items()),
        *((f"Spider's gold queries, {engine}", part) for engine, part in figures.get("spider", {}).items()),
    ]
    rows += [
        [
            label,
            f"{part['queries']:,} run, {len(part['refused'])} refused, "
            f"{len(part['different'])} with other rows; guard p95 {number(part['guard_cpu_ms_p95'])} ms",
        ]
        for label, part in compared
    ]
    return table(["", "measured"], rows)


def found(figures: Figures) -> str:
    """What the searches find of gold queries."""
    joins, values = figures["found"]["joins"], figures["found"]["values"]
    rows = [
        [
            f"the tables of {joins['questions_that_join']:,} gold queries that join, in one join tree",
            share(joins["contained"]),
        ],
        [f"the column of {values['stored']:,} string literals", share(values["as_written"])],
        ["the same after one random typo", share(values["misspelt"])],
    ]
    names = {
        "words": "by words only",
        "embedded": "by meaning, as shipped",
        "minilm": "by meaning, with MiniLM",
    }
    rows += [
        [
            f"gold columns among the first 10 for the question, {names[name]}",
            f"{share(part['recall']['10'])}, all of them for {share(part['complete']['10'])}",
        ]
        for name, part in figures["found"]["columns"].items()
    ]
    return table(["", "found"], rows)


def speed(figures: Figures) -> str:
    """What the searches, the guard and the sandbox cost."""
    names, wide = figures["million_values"], figures["wide"]
    rows = [
        [
            f"index of {names['values']:,} distinct values",
            f"built in {number(names['build_seconds'])} s",
            milliseconds(max(names["ms"].values(), key=lambda part: part["p95"])),
        ],
        [
            f"catalog and indexes of {wide['tables']:,} tables × {wide['columns'] // wide['tables']} columns",
            f"built in {number(wide['build_seconds'])} s",
            milliseconds(max(wide["ms"].values(), key=lambda part: part["p95"])),
        ],
    ]
    for engine, part in figures["costs"].items():
        rows += [
            [f"guard, {engine}", f"{part['queries']:,} gold queries", milliseconds(part["guard_ms"])],
            [f"sandbox, {engine}", "more than the engine itself", milliseconds(part["sandbox_ms"])],
        ]
    return table(["", "", "median and 95th percentile"], rows)


def concurrency(figures: Figures) -> str:
    """One agent, many threads."""
    scripted = figures["model"] == "scripted"
    rows = [
        [
            f"{figures['questions']} questions by {figures['threads']} threads",
            f"{figures['different']} answers differ from one by one",
        ],
        ["growth of memory after the first round", f"{number(figures['growth_mb_after_first_round'])} MB"],
        [
            "questions a second, " + ("a model that takes no time" if scripted else "the embedded model"),
            f"{number(figures['questions_a_second_one_by_one'])} one by one, "
            f"{number(figures['questions_a_second_concurrent'])} concurrently",
        ],
    ]
    return table(["", "measured"], rows)


def sessions(figures: Figures) -> str:
    """Many browsers on one page."""
    memory = figures["memory_mb"]
    rows = [
        [f"{figures['sessions']} sessions, questions", str(figures["questions"])],
        ["words of another's database", str(figures["mixed"])],
        ["questions lost", str(figures["lost"])],
        ["stopped, and of these too late", f"{figures['stopped']}, {figures['stopped_too_late']}"],
        ["seconds to the first step, median and 95th percentile",
         f"{number(figures['first_step_p50'], 2)} and {number(figures['first_step_p95'], 2)}"],
        ["memory before anybody came", f"{figures['memory_mb_before_anybody']:.0f} MB"],
        ["memory each time that all had left", ", ".join(f"{one:.0f}" for one in memory) + " MB"],
    ]  # fmt: skip
    return table(["", "measured"], rows)


def first_paint(figures: Figures) -> str:
    """How soon the page is seen."""
    caches = {"empty_cache": "the browser's cache is empty", "again": "opened again"}
    rows = [
        [told, f"{number(figures[f'first_paint_{cache}'], 2)} s", f"{number(figures[f'ready_{cache}'], 2)} s"]
        for cache, told in caches.items()
    ]
    return table(["on loopback, two cores", "first paint", "a question can be typed"], rows)


def serving(figures: Figures) -> str:
    """The agent beside a plain load, medians of the turns."""
    sides = {"agent": "32 questions in flight", "plain": "the same requests, 32 at a time"}

    def median(side: str, name: str) -> float:
        return statistics.median(turn[side][name] for turn in figures["turns"])

    rows = [
        [
            told,
            f"{median(side, 'tokens_a_second'):,.0f}",
            f"{100 * median(side, 'cache_hits'):.1f} %",
            number(median(side, "seconds")),
        ]
        for side, told in sides.items()
    ]
    told = [f"the agent keeps {100 * figures['ratio']:.0f} % of the server's speed", "", "", ""]
    return table(
        ["", "tokens a second, read and written", "found in the prefix cache", "seconds"], [*rows, told]
    )


def embedded(figures: Figures) -> str:
    """The embedded model on a laptop."""
    seconds, typing = figures["seconds_by_candidates"], figures["typing_errors"]
    declined = figures["unanswerable"]
    rows = [
        [
            f"seconds a question, {name}, median and 95th percentile",
            f"{number(seconds[count]['p50'], 2)} and {number(seconds[count]['p95'], 2)}",
        ]
        for count, name in (("1", "one candidate"), ("8", "eight candidates"))
    ]
    rows += [
        ["memory of the process", f"{figures['megabytes']} MB"],
        ["weights loaded in", f"{number(figures['loading_seconds'], 2)} s"],
        ["`multiset` without and with one random typing error in each question",
         f"{percent(typing['without'])} and {percent(typing['with_one'])}"],
        [f"{declined['questions']} questions about what the databases do not hold, declined",
         f"{number(declined['declined'])} %"],
    ]  # fmt: skip
    return table(["", "measured"], rows)


def fit(figures: Figures) -> str:
    """What fitting to a database gains."""
    rows = [
        [f"`{name}` ({part['people']['questions']})"]
        + [number(part[kind][when]) for kind in ("people", "synthetic") for when in ("before", "after")]
        for name, part in figures["databases"].items()
    ]
    heading = ["database (people's questions)", "before", "after", "synthetic ones, before", "after"]
    return table(heading, rows)


# Table name -> (results file, what makes the table).
TABLES: dict[str, tuple[str, Callable[[Figures], str]]] = {
    "accuracy": ("accuracy.json", accuracy),
    "cost": ("accuracy.json", cost),
    "trust": ("accuracy.json", trust),
    "accuracy-8": ("accuracy_8.json", accuracy),
    "embedded": ("embedded.json", embedded),
    "fit": ("fit.json", fit),
    "self-annotation": ("self_annotation.json", self_annotation),
    "poft": ("poft.json", poft),
    "active-learning": ("active_learning.json", active_learning),
    "selecting": ("selecting.json", selecting),
    "adapter-steps": ("adapter_steps.json", adapter_steps),
    "adapters": ("adapters.json", adapters),
    "training": ("training.json", training),
    "overhead": ("overhead.json", overhead),
    "safety": ("safety.json", safety),
    "found": ("tools.json", found),
    "speed": ("tools.json", speed),
    "sessions": ("sessions.json", sessions),
    "first-paint": ("first_paint.json", first_paint),
    "serving": ("serving.json", serving),
    "concurrency": ("concurrency.json", concurrency),
    "concurrency-embedded": ("concurrency_embedded.json", concurrency),
}


def rendered(text: str, results: Path = RESULTS) -> str:
    """The README with every table made anew. Raises KeyError for a marker that no table is made for."""

    def section(match: re.Match[str]) -> str:
        source, render = TABLES[match[2]]
        path = results / source
        if path.exists():
            made = render(json.loads(path.read_text(encoding="utf-8")))
        else:
            made = f"*Not measured yet: `benchmarks/results/{source}` is not there.*"
        return f"{match[1]}{made}\n{match[3]}"

    return _SECTION.sub(section, text)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; 1 when a table is out of date")
    check = parser.parse_args().check
    old = README.read_text(encoding="utf-8")
    new = rendered(old)
    if not check and new != old:
        README.write_text(new, encoding="utf-8")
    print(json.dumps({"benchmark": "readme", "tables": len(TABLES), "ok": new == old or not check}))
    return 1 if check and new != old else 0


if __name__ == "__main__":
    sys.exit(main())
