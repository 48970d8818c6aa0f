"""The sandbox: limits that hold, results that travel exactly, children that leave nothing behind."""

from __future__ import annotations

import datetime
import math
import os
import pickle
import sqlite3
import struct
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import psutil
import pytest
from sqlberg.tools.engines.source_files import DuckDBFile, SQLiteFile
from sqlberg.tools.errors import LimitExceeded, QueryCancelled, QueryError, QueryRefused, SqlbergError
from sqlberg.tools.frames import BrokenFrame, pack, unpack
from sqlberg.tools.limits import Limits, Result
from sqlberg.tools.sandbox import Sandbox

LIMITS = Limits(seconds=60)
ENDLESS = "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r) SELECT count(*) FROM r"
BOTH = pytest.mark.parametrize("sandbox", ["duckdb", "sqlite"], indirect=True)


@pytest.fixture(scope="module")
def duckdb_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "numbers.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE t AS SELECT i, 'n' || i AS s FROM range(2000) r(i)")
    return path


@pytest.fixture(scope="module")
def sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "numbers.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (i INTEGER, s TEXT)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", [(i, f"n{i}") for i in range(2000)])
    connection.close()
    return path


@pytest.fixture(scope="module")
def sandboxes(duckdb_file: Path, sqlite_file: Path) -> Iterator[dict[str, Sandbox]]:
    made = {"duckdb": Sandbox(DuckDBFile(duckdb_file)), "sqlite": Sandbox(SQLiteFile(sqlite_file))}
    yield made
    for sandbox in made.values():
        sandbox.close()


@pytest.fixture
def sandbox(request: pytest.FixtureRequest, sandboxes: dict[str, Sandbox]) -> Sandbox:
    return sandboxes[request.param]


@pytest.fixture
def on_duckdb(sandboxes: dict[str, Sandbox]) -> Sandbox:
    return sandboxes["duckdb"]


@pytest.fixture
def on_sqlite(sandboxes: dict[str, Sandbox]) -> Sandbox:
    return sandboxes["sqlite"]


def cuts(result: Result) -> list[tuple[str, int, int | None]]:
    return [(cut.what, cut.kept, cut.of) for cut in result.cuts]


# Limits


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"seconds": math.inf}, "limit seconds must be greater than 0 and at most 604,800, not inf"),
        ({"seconds": math.nan}, "not nan"),
        ({"seconds": 1e9}, "at most"),
        ({"seconds": 0}, "greater than 0"),
        ({"memory_mb": 512.5}, "limit memory_mb must be a whole number, not 512.5"),
        ({"memory_mb": 10**13}, "at most"),
        ({"rows": 10.0}, "whole number"),
        ({"cell_chars": -1}, "greater than 0"),
    ],
)
def test_limits_that_cannot_be_kept_are_one_line(limits: dict[str, Any], told: str) -> None:
    with pytest.raises(SqlbergError, match=told):
        Limits(**limits)


@BOTH
def test_the_largest_limits_can_be_kept(sandbox: Sandbox) -> None:
    most = Limits(seconds=604_800, memory_mb=1 << 24, rows=10**9, columns=10**9, cell_chars=10**9)
    assert sandbox.run("SELECT 1", most).rows == [(1,)]


# Results


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("NULL", None),
        ("true", True),
        ("9223372036854775807", 2**63 - 1),
        ("170141183460469231731687303715884105727::HUGEINT", 2**127 - 1),
        ("'-inf'::DOUBLE", -math.inf),
        ("1.50::DECIMAL(20, 2)", Decimal("1.50")),
        ("'ü \U0001f600 \\n'", "ü \U0001f600 \\n"),
        ("'\\x00\\xFF'::BLOB", b"\x00\xff"),
        ("DATE '2024-02-29'", datetime.date(2024, 2, 29)),
        ("TIME '23:59:59.5'", datetime.time(23, 59, 59, 500_000)),
        ("TIMESTAMP '2024-01-01 10:00:00.000001'", datetime.datetime(2024, 1, 1, 10, 0, 0, 1)),
        ("TIMESTAMP_NS '2024-01-01 10:00:00.5'", datetime.datetime(2024, 1, 1, 10, 0, 0, 500_000)),
        ("DATE '9999-12-31'", datetime.date(9999, 12, 31)),
        ("'1b4db7eb-4057-5ddf-91e0-36dec72071f5'::UUID", uuid.UUID("1b4db7eb-4057-5ddf-91e0-36dec72071f5")),
        ("[[1, NULL], []]", [[1, None], []]),
        ("{'a': [1.5::DECIMAL(3,1)], 'b': {'c': 'd'}}", {"a": [Decimal("1.5")], "b": {"c": "d"}}),
        ("MAP {'k': DATE '2020-01-01'}", {"k": datetime.date(2020, 1, 1)}),
    ],
)
def test_a_value_arrives_as_the_engine_gave_it(on_duckdb: Sandbox, expression: str, value: object) -> None:
    found = on_duckdb.run(f"SELECT {expression} AS x", LIMITS).rows[0][0]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("age(DATE '2024-01-01', DATE '2023-01-01')", "1 year"),
        ("INTERVAL 1 MONTH", "1 month"),
        ("-INTERVAL 1 HOUR", "-01:00:00"),
        ("INTERVAL '13 months 3 days 02:00:00'", "1 year 1 month 3 days 02:00:00"),
        ("NULL::INTERVAL", None),
        ("[INTERVAL 1 MONTH, NULL]", ["1 month", None]),
        ("{'interval': INTERVAL 1 MONTH, 'INTERVAL 2': 1}", {"interval": "1 month", "INTERVAL 2": 1}),
        ("MAP {'k': [INTERVAL 1 YEAR]}", {"k": ["1 year"]}),
        ("DATE 'infinity'", "infinity"),
        ("TIMESTAMP '-infinity'", "-infinity"),
        ("TIMESTAMPTZ 'infinity'", "infinity"),
        ("[DATE '-infinity', DATE '9999-12-31']", ["-infinity", datetime.date(9999, 12, 31)]),
        ("{'a': TIMESTAMP 'infinity'}", {"a": "infinity"}),
        ("DATE '0044-03-15 (BC)'", "0044-03-15 (BC)"),
        ("TIMESTAMP_NS '2024-01-01 00:00:00.123456789'", "2024-01-01 00:00:00.123456789"),
        ("TIMESTAMP_NS 'infinity'", "infinity"),
        ("TIME_NS '10:00:00.123456789'", "10:00:00.123456789"),
        ("[TIMESTAMP_NS '2024-01-01 00:00:00.123456789']", ["2024-01-01 00:00:00.123456789"]),
    ],
)
def test_what_python_cannot_hold_arrives_as_duckdb_prints_it(
    on_duckdb: Sandbox, expression: str, value: object
) -> None:
    assert on_duckdb.run(f"SELECT {expression} AS x", LIMITS).rows == [(value,)]


def test_intervals_keep_their_order_names_and_types(on_duckdb: Sandbox) -> None:
    sql = "SELECT i AS a, INTERVAL (i) MONTH AS a FROM t WHERE i < 10 ORDER BY 2 DESC LIMIT 2"
    result = on_duckdb.run(sql, LIMITS)
    assert (result.columns, result.types) == (("a", "a"), ("BIGINT", "INTERVAL"))
    assert result.rows == [(9, "9 months"), (8, "8 months")]


@pytest.mark.parametrize(
    "sql",
    [
        "PIVOT (SELECT 'x' AS k, INTERVAL 1 MONTH AS m) ON k USING max(m)",
        "WITH a AS (SELECT INTERVAL 1 MONTH AS m) SELECT m FROM a",
        "VALUES (INTERVAL 1 MONTH)",
        "FROM (SELECT INTERVAL 1 MONTH)",
        "(SELECT INTERVAL 1 MONTH) UNION (SELECT INTERVAL 1 MONTH) ORDER BY 1",
        "SELECT INTERVAL 1 MONTH -- a comment",
    ],
)
def test_every_form_of_statement_may_give_intervals(on_duckdb: Sandbox, sql: str) -> None:
    assert on_duckdb.run(sql, LIMITS).rows == [("1 month",)]


def test_not_a_number_arrives_as_such(on_duckdb: Sandbox) -> None:
    assert math.isnan(on_duckdb.run("SELECT 'nan'::DOUBLE", LIMITS).rows[0][0])


def test_a_time_with_zone_arrives_as_the_same_moment(on_duckdb: Sandbox) -> None:
    found = on_duckdb.run("SELECT TIMESTAMPTZ '2024-07-01 12:00:00+02'", LIMITS).rows[0][0]
    assert found == datetime.datetime(2024, 7, 1, 10, tzinfo=datetime.UTC)


def test_types_are_named_as_duckdb_declares_them(on_duckdb: Sandbox) -> None:
    result = on_duckdb.run("SELECT i, s, 1.5::DECIMAL(4,2) AS d FROM t LIMIT 1", LIMITS)
    assert result.types == ("BIGINT", "VARCHAR", "DECIMAL(4,2)")


@BOTH
def test_columns_of_the_same_name_are_both_kept(sandbox: Sandbox) -> None:
    result = sandbox.run("SELECT 1 AS a, 2 AS a", LIMITS)
    assert (result.columns, list(result.rows), result.complete) == (("a", "a"), [(1, 2)], True)


@BOTH
def test_an_empty_result_still_names_its_columns(sandbox: Sandbox) -> None:
    result = sandbox.run("SELECT i, s FROM t WHERE i < 0", LIMITS)
    assert (result.columns, list(result.rows)) == (("i", "s"), [])


@BOTH
def test_parameters_are_bound_not_pasted(sandbox: Sandbox) -> None:
    result = sandbox.run("SELECT ? AS a, i FROM t WHERE s = ?", LIMITS, parameters=["' OR 1", "n7"])
    assert list(result.rows) == [("' OR 1", 7)]


def test_text_that_is_not_utf8_is_shown_with_replacement_characters(on_sqlite: Sandbox) -> None:
    assert on_sqlite.run("SELECT CAST(x'61ff62' AS TEXT)", LIMITS).rows[0][0] == "a\ufffdb"


# Cuts


@BOTH
def test_rows_beyond_the_limit_are_cut_and_told(sandbox: Sandbox) -> None:
    result = sandbox.run("SELECT i FROM t", Limits(seconds=60, rows=10))
    assert [row[0] for row in result.rows] == list(range(10))
    assert cuts(result) == [("rows", 10, None)]


@BOTH
def test_exactly_as_many_rows_as_allowed_are_no_cut(sandbox: Sandbox) -> None:
    assert sandbox.run("SELECT i FROM t LIMIT 10", Limits(seconds=60, rows=10)).complete


@BOTH
def test_columns_beyond_the_limit_are_cut_and_told(sandbox: Sandbox) -> None:
    result = sandbox.run("SELECT 1 AS a, 2 AS b, 3 AS c", Limits(seconds=60, columns=2))
    assert (result.columns, list(result.rows)) == (("a", "b"), [(1, 2)])
    assert cuts(result) == [("columns", 2, 3)]


def test_ten_million_rows_are_not_computed_to_read_the_first(on_duckdb: Sandbox) -> None:
    result = on_duckdb.run("SELECT * FROM range(10000000000)", Limits(seconds=60, rows=3))
    assert cuts(result) == [("rows", 3, None)]


@pytest.mark.parametrize(
    ("name", "sql"),
    [("duckdb", "SELECT repeat('x', 5000000)"), ("sqlite", "SELECT printf('%.*c', 5000000, 'x')")],
)
def test_a_huge_cell_is_shortened(sandboxes: dict[str, Sandbox], name: str, sql: str) -> None:
    result = sandboxes[name].run(sql, Limits(seconds=60, cell_chars=50))
    assert list(result.rows) == [("x" * 50,)]
    assert cuts(result) == [("cells", 1, None)]


def test_many_huge_cells_are_shortened_a_few_at_a_time(on_sqlite: Sandbox) -> None:
    sql = "SELECT zeroblob(4000000) FROM t LIMIT 200"
    result = on_sqlite.run(sql, Limits(seconds=60, memory_mb=150, cell_chars=5))
    assert cuts(result) == [("cells", 200, None)]
    assert len(result.rows) == 200


def test_a_long_list_is_shortened_wherever_it_is_nested(on_duckdb: Sandbox) -> None:
    result = on_duckdb.run("SELECT {'a': range(100000)}", Limits(seconds=60, cell_chars=50))
    kept = result.rows[0][0]["a"]
    assert kept == list(range(len(kept)))
    assert 0 < len(kept) <= 50
    assert cuts(result) == [("cells", 1, None)]


def test_the_whole_result_is_bounded_whatever_the_limits_allow(on_duckdb: Sandbox) -> None:
    wide = ", ".join(f"repeat('x', 9000) AS c{n}" for n in range(20))
    result = on_duckdb.run(f"SELECT {wide} FROM range(1000)", LIMITS)
    assert sum(len(cell) for row in result.rows for cell in row) < 40_000_000
    assert cuts(result) == [("rows", len(result.rows), None)]


# Hard limits


@BOTH
def test_an_endless_statement_is_stopped_in_time_and_the_next_one_runs(sandbox: Sandbox) -> None:
    started = time.monotonic()
    with pytest.raises(LimitExceeded) as stopped:
        sandbox.run(ENDLESS, Limits(seconds=0.5))
    assert time.monotonic() - started < 1.5
    assert stopped.value.limit == "seconds"
    assert list(sandbox.run("SELECT 1", LIMITS).rows) == [(1,)]


def test_a_single_long_operation_that_ignores_interrupts_is_killed(on_sqlite: Sandbox) -> None:
    started = time.monotonic()
    with pytest.raises(LimitExceeded):
        on_sqlite.run("SELECT printf('%.*c', 300000000, 'x')", Limits(seconds=0.3))
    assert time.monotonic() - started < 1.3


@pytest.mark.parametrize(
    ("name", "sql"),
    [
        ("duckdb", "SELECT length(repeat('x', 2000000000))"),
        ("duckdb", "SELECT list_aggregate(range(200000000), 'sum')"),
        ("duckdb", "SELECT sum(u) FROM (SELECT unnest(range(300000000)) AS u)"),
        ("sqlite", "SELECT zeroblob(1000000000)"),
        ("sqlite", "SELECT length(hex(zeroblob(200000000)))"),
    ],
)
def test_a_statement_that_wants_too_much_memory_is_stopped(
    sandboxes: dict[str, Sandbox], name: str, sql: str
) -> None:
    with pytest.raises(LimitExceeded) as stopped:
        sandboxes[name].run(sql, Limits(seconds=60, memory_mb=256))
    assert stopped.value.limit == "memory"
    assert list(sandboxes[name].run("SELECT 1", LIMITS).rows) == [(1,)]


def test_more_memory_can_be_had_for_one_statement(on_duckdb: Sandbox) -> None:
    sql = "SELECT length(repeat('x', 40000000))"
    with pytest.raises(LimitExceeded):
        on_duckdb.run(sql, Limits(seconds=60, memory_mb=40))
    assert list(on_duckdb.run(sql, Limits(seconds=60, memory_mb=400)).rows) == [(40_000_000,)]


# Errors


@BOTH
def test_an_engine_error_is_one_line_without_paths(sandbox: Sandbox) -> None:
    with pytest.raises(QueryError) as failed:
        sandbox.run("SELECT nope FROM t", LIMITS)
    assert "nope" in str(failed.value)
    assert "\n" not in str(failed.value)
    assert os.sep not in str(failed.value)


@BOTH
@pytest.mark.parametrize("sql", ["SELECT 1; SELECT 2", "DROP TABLE t", "", "-- nothing", "BEGIN"])
def test_only_one_reading_statement_runs(sandbox: Sandbox, sql: str) -> None:
    with pytest.raises(QueryRefused):
        sandbox.run(sql, LIMITS)


def test_a_child_that_dies_costs_only_its_own_statement(duckdb_file: Path) -> None:
    sandbox = Sandbox(DuckDBFile(duckdb_file), warm=1)
    sandbox.start(LIMITS.memory_mb)
    (pid,) = sandbox.processes
    threading.Timer(0.3, lambda: os.kill(pid, 11)).start()
    with pytest.raises(QueryError, match="broke down"):
        sandbox.run(ENDLESS, LIMITS)
    assert list(sandbox.run("SELECT 1", LIMITS).rows) == [(1,)]
    sandbox.close()


def test_a_child_that_was_ended_while_it_rested_costs_nothing(sqlite_file: Path) -> None:
    sandbox = Sandbox(SQLiteFile(sqlite_file), warm=1)
    sandbox.start(LIMITS.memory_mb)
    (child,) = sandbox._pool.children
    os.kill(child.pid, 9)
    while child.alive:
        time.sleep(0.01)
    assert list(sandbox.run("SELECT 1", LIMITS).rows) == [(1,)]
    sandbox.close()


# Cancellation and threads


@BOTH
def test_cancelling_reaches_the_running_statement(sandbox: Sandbox) -> None:
    cancel = threading.Event()
    threading.Timer(0.2, cancel.set).start()
    started = time.monotonic()
    with pytest.raises(QueryCancelled):
        sandbox.run(ENDLESS, LIMITS, cancel)
    assert time.monotonic() - started < 2
    assert list(sandbox.run("SELECT 1", LIMITS).rows) == [(1,)]


def test_a_statement_that_still_waits_for_its_turn_can_be_cancelled(sqlite_file: Path) -> None:
    sandbox = Sandbox(SQLiteFile(sqlite_file), warm=1, most=1)
    busy, waiting = threading.Event(), threading.Event()
    blocker = threading.Thread(target=_swallow, args=(sandbox, ENDLESS, busy))
    blocker.start()
    while not sandbox.processes:
        time.sleep(0.01)
    threading.Timer(0.2, waiting.set).start()
    with pytest.raises(QueryCancelled):
        sandbox.run("SELECT 1", LIMITS, waiting)
    busy.set()
    blocker.join()
    sandbox.close()


def test_twenty_threads_share_a_few_children(on_sqlite: Sandbox) -> None:
    answers: dict[int, list[object]] = {}

    def ask(number: int) -> None:
        answers[number] = [
            on_sqlite.run(f"SELECT s FROM t WHERE i = {number * 20 + k}", LIMITS).rows[0][0]
            for k in range(10)
        ]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: [f"n{number * 20 + k}" for k in range(10)] for number in range(20)}
    assert len(on_sqlite.processes) <= 4


def test_closing_ends_the_running_statement_and_refuses_new_ones(duckdb_file: Path) -> None:
    sandbox = Sandbox(DuckDBFile(duckdb_file))
    sandbox.start(LIMITS.memory_mb)
    threading.Timer(0.3, sandbox.close).start()
    with pytest.raises(QueryError, match="closed"):
        sandbox.run(ENDLESS, LIMITS)
    with pytest.raises(QueryError, match="closed"):
        sandbox.run("SELECT 1", LIMITS)


# Processes


def test_a_child_sees_neither_the_environment_nor_the_open_files_of_its_parent(
    sqlite_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    with (tmp_path / "secret.txt").open("w") as secret:
        os.set_inheritable(secret.fileno(), True)
        sandbox = Sandbox(SQLiteFile(sqlite_file), warm=1)
        sandbox.start(LIMITS.memory_mb)
        (pid,) = sandbox.processes
        process = psutil.Process(pid)
        assert "SECRET_TOKEN" not in process.environ()
        assert {Path(file.path).name for file in process.open_files()} <= {"numbers.sqlite"}
        sandbox.close()


def test_a_dropped_sandbox_leaves_no_process(sqlite_file: Path) -> None:
    sandbox = Sandbox(SQLiteFile(sqlite_file), warm=1)
    sandbox.start(LIMITS.memory_mb)
    (pid,) = sandbox.processes
    del sandbox
    assert _gone(pid)


_SCRIPT = """
import sys
from pathlib import Path
from sqlberg.tools.engines.source_files import DuckDBFile, SQLiteFile
from sqlberg.tools.limits import Limits
from sqlberg.tools.sandbox import Sandbox
sandbox = Sandbox(SQLiteFile(Path(sys.argv[1])), warm=1)
sandbox.start(1024)
print(*sandbox.processes, flush=True)
try:
    sandbox.run(sys.argv[2], Limits(seconds=100))
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize("signal", [2, 9])
def test_children_end_in_the_middle_of_a_statement_when_the_parent_does(
    sqlite_file: Path, signal: int
) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, str(sqlite_file), ENDLESS], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    time.sleep(0.3)
    parent.send_signal(signal)
    said = parent.stdout.read()
    parent.wait(10)
    assert said.strip() == ("interrupted" if signal == 2 else "")
    assert _gone(child)


# Frames


def test_a_child_cannot_make_its_parent_call_anything() -> None:
    class Attack:
        def __reduce__(self) -> tuple[object, ...]:
            return os.system, ("true",)

    with pytest.raises(BrokenFrame, match="not allowed"):
        unpack(pickle.dumps(Attack()))


def test_a_frame_that_is_no_message_is_refused() -> None:
    with pytest.raises(BrokenFrame):
        unpack(b"\x80\x05garbage")


def test_a_packed_message_states_its_length() -> None:
    frame = bytes(pack(("end", [1])))
    assert struct.unpack("!I", frame[:4])[0] == len(frame) - 4
    assert unpack(frame[4:]) == ("end", [1])


def test_a_fork_of_the_parent_has_children_of_its_own(sqlite_file: Path) -> None:
    script = (
        _SCRIPT
        + """
import os
before = sandbox.processes
if os.fork() == 0:
    fine = sandbox.run("SELECT 1", Limits()).rows == [(1,)]
    own = before.isdisjoint(sandbox.processes)
    sandbox.close()
    os._exit(0 if fine and own else 1)
code = os.waitstatus_to_exitcode(os.wait()[1])
assert sandbox.run("SELECT 1", Limits()).rows == [(1,)]
sys.exit(code)
"""
    )
    command = [sys.executable, "-c", script, str(sqlite_file), "SELECT 1"]
    assert subprocess.run(command, stdout=subprocess.DEVNULL, check=False, timeout=60).returncode == 0


def _swallow(sandbox: Sandbox, sql: str, cancel: threading.Event) -> None:
    with pytest.raises(QueryCancelled):
        sandbox.run(sql, LIMITS, cancel)


def _gone(pid: int) -> bool:
    for _ in range(500):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.01)
    return False
