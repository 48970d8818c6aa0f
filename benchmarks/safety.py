"""What the guard and the sandbox stop, and what they let through: both figures, on DuckDB and SQLite.

    python benchmarks/safety.py [--quick] [--spider FOLDER]

Attacks: every input of parts/attacks.py goes through `Database.execute` on a small shop
(parts/attack_database.py) whose policy hides tables, columns and rows; hidden values carry a mark, so a leak
is seen in rows and in error messages alike. Afterwards the files' checksums must be the same, no new file
may lie about, and this process must not have grown by more than 100 MB at any time. An attack on resources
must end within its limit and one second. Good queries: those of parts/good_queries.py, and all of Spider's
gold queries (`sql` on SQLite, `sql_duckdb` on the same databases as DuckDB files), must return through guard
and sandbox the rows, in the order, that the engine gives directly. Without FOLDER (default
../shared/data/spider, if it is there) Spider is left out.

--quick takes every third resource attack and a few of Spider's databases. Writes results/safety.json (the
quick run prints only); ends with one JSON object.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from parts.attack_database import CANARY, POLICY, build
from parts.attacks import ATTACKS, Attack
from parts.costs import connect
from parts.good_queries import GOOD_QUERIES
from parts.spider_databases import to_duckdb
from sqlberg.tools.database import Database, open_database
from sqlberg.tools.errors import SqlbergError
from sqlberg.tools.limits import Limits
from sqlberg.tools.policy import AccessPolicy

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "safety.json"
SPIDER = HERE.parent.parent / "shared" / "data" / "spider"
ENGINES = ("duckdb", "sqlite")
TIGHT = Limits(seconds=2.0, memory_mb=512)
WIDE = Limits(seconds=120.0, memory_mb=2048, rows=2_000_000, columns=2_000, cell_chars=100_000_000)
MOST_GROWTH_MB = 100
MOST_LATE_SECONDS = 1.0
MARKS = (CANARY, "root:")
QUICK_DATABASES = ("concert_singer", "pets_1", "world_1", "car_1", "college_2", "flight_2")


def attack(folder: Path, quick: bool) -> dict[str, Any]:
    """Run the attacks in `folder`; what got through, what was late, what changed."""
    work = folder / "work"
    work.mkdir()
    os.chdir(work)
    paths = {engine: folder / f"shop.{engine}" for engine in ENGINES}
    for engine, path in paths.items():
        build(engine, path)
    through: list[str] = []
    late: list[str] = []
    outcomes: Counter[str] = Counter()
    stopped: Counter[str] = Counter()
    tried: set[str] = set()
    worst = 0.0
    policy = AccessPolicy.model_validate(POLICY)
    databases = {e: open_database(p, policy=policy, cache_dir=folder / "cache") for e, p in paths.items()}
    for database in databases.values():
        database.execute("SELECT count(*) FROM orders")
    before = _traces(folder)
    growth = _Growth()
    for index, case in enumerate(ATTACKS):
        if quick and case.group == "resources" and index % 3:
            continue
        tried.add(case.sql)
        for engine in case.engines:
            if case.group == "resources":  # starting a child after the last kill is not this attack's time
                databases[engine].execute("SELECT count(*) FROM orders")
            began = time.perf_counter()
            outcome, stops = _run(databases[engine], case)
            seconds = time.perf_counter() - began
            outcomes[outcome] += 1
            if stops:
                stopped[case.group] += 1
            else:
                through.append(f"{engine}: {case.sql[:100]} ({outcome})")
            if seconds > TIGHT.seconds + MOST_LATE_SECONDS:
                late.append(f"{engine}: {case.sql[:100]} ({seconds:.1f} s)")
            worst = max(worst, seconds)
    growth_mb = growth.most_mb()
    for database in databases.values():
        database.close()
    after = _traces(folder)
    return {
        "inputs": len(tried),
        "runs": sum(outcomes.values()),
        "stopped": sum(stopped.values()),
        "stopped_by_group": dict(stopped),
        "outcomes": dict(outcomes),
        "got_through": through,
        "late": late,
        "slowest_seconds": round(worst, 2),
        "limit_seconds": TIGHT.seconds,
        "files_changed": sorted(set(before.items()) ^ set(after.items())),
        "parent_growth_mb": round(growth_mb, 1),
    }


def _run(database: Database, case: Attack) -> tuple[str, bool]:
    """How one attack ended, and whether that is as it must be."""
    try:
        result = database.execute(case.sql, limits=TIGHT)
    except SqlbergError as error:
        return type(error).__name__, not any(mark in str(error) for mark in MARKS)
    leaks = any(mark in str((result.columns, result.types, result.rows)) for mark in MARKS)
    if case.expectation == "cut":
        return "rows, cut" if result.cuts else "rows", not leaks
    return "rows", case.expectation == "plain" and not leaks


def good(folder: Path) -> dict[str, Any]:
    """The hand-written analytics queries, directly and through guard and sandbox."""
    report: dict[str, Any] = {}
    for engine in ENGINES:
        path = folder / f"shop.{engine}"
        with open_database(path, limits=WIDE, cache_dir=folder / "cache") as database:
            report[engine] = _compare(database, path, engine, GOOD_QUERIES[engine])
    return report


def gold(spider: Path, folder: Path, quick: bool) -> dict[str, Any]:
    """Spider's gold queries, directly and through guard and sandbox."""
    queries: dict[str, dict[str, list[str]]] = {engine: defaultdict(list) for engine in ENGINES}
    for line in (spider / "questions.jsonl").read_text(encoding="utf-8").splitlines():
        question = json.loads(line)
        for engine, key in (("sqlite", "sql"), ("duckdb", "sql_duckdb")):
            if question.get(key) and (not quick or question["db_id"] in QUICK_DATABASES):
                queries[engine][question["db_id"]].append(question[key])
    report: dict[str, Any] = {}
    for engine in ENGINES:
        parts = []
        for name, sqls in sorted(queries[engine].items()):
            path = spider / "databases" / f"{name}.sqlite"
            if engine == "duckdb":
                source, path = path, folder / f"{name}.duckdb"
                to_duckdb(source, path)
            with open_database(path, limits=WIDE, cache_dir=folder / "cache") as database:
                parts.append(_compare(database, path, engine, sqls))
        report[engine] = _merged(parts)
    return report


def _compare(
    database: Database, path: Path, engine: str, sqls: tuple[str, ...] | list[str]
) -> dict[str, Any]:
    refused: list[str] = []
    different: list[str] = []
    milliseconds: list[tuple[float, float]] = []
    seen: dict[str, bool] = {}
    catalog = database.catalog
    direct = connect(path, engine)
    for sql in sqls:
        if sql in seen:  # the same question, worded differently
            continue
        seen[sql] = True
        try:
            began = time.perf_counter(), time.thread_time()
            database.check(sql)
            wall, used = time.perf_counter() - began[0], time.thread_time() - began[1]
            milliseconds.append((wall * 1000, used * 1000))
            result = database.execute(sql)
        except SqlbergError as error:
            refused.append(f"{catalog.name}: {sql} ({error})")
            continue
        expected = direct.execute(sql).fetchall()
        if not result.complete or repr(list(result.rows)) != repr(expected):
            different.append(f"{catalog.name}: {sql}")
    direct.close()
    return {
        "queries": len(sqls),
        "distinct": len(seen),
        "refused": refused,
        "different": different,
        "milliseconds": milliseconds,
    }


def _merged(parts: list[dict[str, Any]]) -> dict[str, Any]:
    merged: dict[str, Any] = {"databases": len(parts)}
    for key in ("queries", "distinct", "refused", "different", "milliseconds"):
        values = [part[key] for part in parts]
        merged[key] = (
            sum(values) if key in ("queries", "distinct") else [x for value in values for x in value]
        )
    return merged


class _Growth:
    """How much this process's memory has grown at most since this object was made (Linux)."""

    def __init__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
        self._start = self._status("VmRSS")

    def most_mb(self) -> float:
        return (self._status("VmHWM") - self._start) / 1024

    @staticmethod
    def _status(key: str) -> int:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1])
        raise RuntimeError(f"this system does not tell {key}; run the benchmark on Linux")


def _traces(folder: Path) -> dict[str, str]:
    """Checksums of all files that an attack could have made or changed."""

    def files() -> Iterator[Path]:
        yield from (
            p for p in folder.rglob("*") if p.is_file() and "cache" not in p.relative_to(folder).parts
        )
        yield from Path(tempfile.gettempdir()).glob("stolen*")

    return {str(path.name): hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in files()}


def _figures(part: dict[str, Any]) -> dict[str, Any]:
    """A comparison for the report: its times as median and 95th percentile, by the clock and of CPU."""
    figures = dict(part)
    for name, times in zip(
        ("guard_ms", "guard_cpu_ms"), zip(*figures.pop("milliseconds"), strict=True), strict=True
    ):
        figures[f"{name}_p50"] = round(statistics.median(times), 2)
        figures[f"{name}_p95"] = round(statistics.quantiles(times, n=20)[-1], 2)
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="at most 45 seconds on two cores")
    parser.add_argument(
        "--spider", type=Path, default=SPIDER, help="folder with questions.jsonl and databases/"
    )
    arguments = parser.parse_args()
    spider: Path = arguments.spider.resolve()
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        try:
            report: dict[str, Any] = {"quick": arguments.quick, "attacks": attack(folder, arguments.quick)}
            report["good"] = {engine: _figures(part) for engine, part in good(folder).items()}
            if (spider / "questions.jsonl").exists():
                parts = gold(spider, folder, arguments.quick)
                report["spider"] = {engine: _figures(part) for engine, part in parts.items()}
        finally:
            os.chdir(here)
    attacks = report["attacks"]
    compared = (*report["good"].values(), *report.get("spider", {}).values())
    report["ok"] = (
        not attacks["got_through"]
        and not attacks["late"]
        and not attacks["files_changed"]
        and attacks["parent_growth_mb"] <= MOST_GROWTH_MB
        and not any(part["refused"] or part["different"] for part in compared)
    )
    if not arguments.quick:
        RESULTS.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps(report, ensure_ascii=False))
    return 0 if report["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
