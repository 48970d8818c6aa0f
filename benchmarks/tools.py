"""How well the four tools find what gold queries need, and what they, the guard and the sandbox cost.

    python benchmarks/tools.py [--quick] [--spider FOLDER]

On Spider's questions with gold SQL (FOLDER, default ../shared/data/spider; left out when it is not there):
do join trees hold the tables the gold joins (parts/joins.py, all questions); does value search find the gold
column of the gold's string literals, as written and after one random slip (all questions), and column search
the gold columns from the question alone, by words only and with embedders (dev questions; both
parts/search.py); what do guard and warm sandbox cost (dev queries, parts/costs.py). At scale, on made data:
a million distinct values, and 2 000 tables × 50 columns (parts/search_scale.py).

--quick takes a few databases and smaller made data. Writes results/tools.json (the quick run prints only);
ends with one JSON object, whose `bars` say what each figure must reach; `ok` when all do.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from parts.costs import guard_seconds, sandbox_seconds
from parts.joins import join_figures
from parts.search import column_figures, milliseconds, value_figures
from parts.search_scale import million_values, wide_search
from parts.spider_databases import to_duckdb
from rich.console import Console
from rich.progress import track
from sqlberg.models.embedded.encoder import shipped_encoder
from sqlberg.tools.database import Database, open_database
from sqlberg.tools.embedding import Embedder, EmbedderUnavailable, load_embedder
from sqlberg.tools.limits import Result
from sqlberg.tools.schema import Catalog
from sqlberg.tools.values import ValueIndex

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "tools.json"
SPIDER = HERE.parent.parent / "shared" / "data" / "spider"
QUICK_DATABASES = ("concert_singer", "pets_1", "world_1", "car_1")
ERRORS = Console(stderr=True)

Question = dict[str, Any]


class Spider:
    """The questions with gold SQL and their databases, of which one is open at a time."""

    def __init__(self, folder: Path, cache: Path, *, quick: bool) -> None:
        lines = (folder / "questions.jsonl").read_text(encoding="utf-8").splitlines()
        questions = [question for question in map(json.loads, lines) if question.get("sql")]
        if quick:
            questions = [question for question in questions if question["db_id"] in QUICK_DATABASES]
        self.questions: list[Question] = sorted(questions, key=lambda question: question["db_id"])
        self.dev = [question for question in self.questions if question["split"] == "dev"]
        self._folder = folder
        self._cache = cache
        self._open: tuple[str, Database] | None = None

    def path(self, name: str) -> Path:
        return self._folder / "databases" / f"{name}.sqlite"

    def opened(self, name: str) -> Database:
        """That database; the one opened before is closed."""
        if self._open is None or self._open[0] != name:
            self.close()
            self._open = (name, open_database(self.path(name), cache_dir=self._cache))
        return self._open[1]

    def close(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None

    def catalogs(self) -> dict[str, Catalog]:
        names = dict.fromkeys(question["db_id"] for question in self.questions)
        return {name: self.opened(name).catalog for name in _shown(list(names), "catalogs")}

    def searched(self, name: str) -> tuple[Catalog, Callable[[str], Result], ValueIndex]:
        """What `value_figures` asks of a database."""
        database = self.opened(name)
        return database.catalog, database.read, database.values

    def dev_queries(self) -> dict[str, dict[str, list[str]]]:
        """Distinct gold queries of the dev split, by engine and database."""
        queries: dict[str, dict[str, list[str]]] = {"sqlite": defaultdict(list), "duckdb": defaultdict(list)}
        for question in self.dev:
            for engine, key in (("sqlite", "sql"), ("duckdb", "sql_duckdb")):
                if question.get(key) and question[key] not in queries[engine][question["db_id"]]:
                    queries[engine][question["db_id"]].append(question[key])
        return queries


def found(spider: Spider, folder: Path, *, quick: bool) -> dict[str, Any]:
    """What the searches find of the gold queries."""
    catalogs = spider.catalogs()
    columns = {
        name: column_figures(spider.dev, catalogs, embedder=embedder, cache_dir=folder / "cache")
        for name, embedder in _shown(list(embedders(quick)), "column search")
    }
    return {
        "joins": join_figures(_shown(spider.questions, "join paths"), catalogs),
        "values": value_figures(_shown(spider.questions, "value search"), spider.searched),
        "columns": columns,
    }


def embedders(quick: bool) -> Iterator[tuple[str, Embedder | None]]:
    """Those at hand, by the name in the report; only what ships in a quick run."""
    yield "words", None
    yield "embedded", shipped_encoder()
    if quick:
        return
    try:
        yield "minilm", load_embedder("minilm")
    except EmbedderUnavailable as error:
        ERRORS.print(f"left out: {error}", highlight=False)


def costs(spider: Spider, folder: Path) -> dict[str, Any]:
    """Milliseconds of guard and warm sandbox, by engine."""
    report: dict[str, Any] = {}
    for engine, by_database in spider.dev_queries().items():
        guard: list[float] = []
        sandbox: list[float] = []
        for name, sqls in _shown(list(by_database.items()), f"guard and sandbox, {engine}"):
            path = spider.path(name)
            if engine == "duckdb":
                path = folder / f"{name}.duckdb"
                to_duckdb(spider.path(name), path)
            with open_database(path, cache_dir=folder / "cache") as database:
                guard += guard_seconds(database, sqls)
                sandbox += sandbox_seconds(database, path, sqls)
        report[engine] = {
            "queries": len(guard),
            "guard_ms": milliseconds(guard),
            "sandbox_ms": milliseconds(sandbox),
        }
    return report


def bars(report: dict[str, Any]) -> list[dict[str, Any]]:
    """What must hold: each with its figure, the bar, and whether it does."""
    names, wide = report["million_values"], report["wide"]
    least: dict[str, tuple[float, float]] = {}
    most = {
        "seconds to index the values": (names["build_seconds"], 60),
        "value search among them, p95 ms": (max(part["p95"] for part in names["ms"].values()), 20),
        "seconds to catalog and index the wide schema": (wide["build_seconds"], 90),
        "search in it, p95 ms": (max(part["p95"] for part in wide["ms"].values()), 50),
    }
    if "found" in report:
        found, engines = report["found"], report["costs"].values()
        least = {
            "gold tables in the join tree": (found["joins"]["contained"], 0.97),
            "gold column of a value": (found["values"]["as_written"], 0.97),
            "gold column of a misspelt value": (found["values"]["misspelt"], 0.90),
        }
        most |= {
            "guard, p95 ms": (max(engine["guard_ms"]["p95"] for engine in engines), 5),
            "sandbox, p50 ms": (max(engine["sandbox_ms"]["p50"] for engine in engines), 2),
        }
    return [
        *({"what": w, "figure": f, "at_least": bar, "holds": f >= bar} for w, (f, bar) in least.items()),
        *({"what": w, "figure": f, "at_most": bar, "holds": f <= bar} for w, (f, bar) in most.items()),
    ]


def _shown(things: Sequence[Any], title: str) -> Iterator[Any]:
    """The things, with a progress bar on standard error."""
    return iter(track(things, title, console=ERRORS, transient=True))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="at most 45 seconds on two cores")
    parser.add_argument(
        "--spider", type=Path, default=SPIDER, help="folder with questions.jsonl and databases/"
    )
    arguments = parser.parse_args()
    quick: bool = arguments.quick
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = Path(temporary)
        report: dict[str, Any] = {
            "benchmark": "tools",
            "quick": quick,
            "load_average": round(os.getloadavg()[0], 1),
            "million_values": million_values(folder, values=50_000 if quick else 1_000_000),
            "wide": wide_search(folder, shipped_encoder(), tables=50 if quick else 2000),
        }
        if (arguments.spider / "questions.jsonl").exists():
            spider = Spider(arguments.spider.resolve(), folder / "cache", quick=quick)
            stack.callback(spider.close)
            report["found"] = found(spider, folder, quick=quick)
            report["costs"] = costs(spider, folder)
    report["bars"] = bars(report)
    report["ok"] = all(bar["holds"] for bar in report["bars"])
    if not quick:
        RESULTS.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps(report, ensure_ascii=False))
    return 0 if report["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
