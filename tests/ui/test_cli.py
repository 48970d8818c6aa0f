"""The command line over a small real database with a scripted model: what is printed, and the exit codes."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import psutil
import pytest
from sqlberg.ui.cli import app
from typer.testing import CliRunner, Result

from ..agents.scripted import ScriptedModel, sql, words

Scripted = Callable[..., list[ScriptedModel]]
NAMES = "SELECT name, age FROM pet ORDER BY name"
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    path = tmp_path / "pets.sqlite"
    with sqlite3.connect(path) as connection:
        connection.executescript("""
            CREATE TABLE pet (id INTEGER PRIMARY KEY, name TEXT, age INTEGER, owner TEXT);
            INSERT INTO pet VALUES (1, 'Ada', 3, 'Kim'), (2, 'Bo', NULL, 'Kim'), (3, 'Cy', 1, 'Lou');
        """)
    connection.close()
    return path


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    """Makes every model reference load a model that plays the given replies."""

    def install(*replies: Any) -> list[ScriptedModel]:
        loaded: list[ScriptedModel] = []

        def load(reference: str, **options: Any) -> ScriptedModel:
            loaded.append(ScriptedModel(script=list(replies)))
            return loaded[-1]

        monkeypatch.setattr("sqlberg.models.references.load_chat_model", load)
        return loaded

    return install


def sqlberg(*arguments: object, input: str | None = None) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=input)


def test_a_policy_that_names_nothing_is_told(shop: Path, tmp_path: Path):
    policy = tmp_path / "policy.toml"
    policy.write_text(
        'hide_tables = ["order"]\nhide_columns = ["*.country", "customers.name"]\n'
        '[row_filters]\nordrs = "price > 1"\ncustomer = "country = \'Chile\'"\n'
    )
    told = sqlberg("inspect", shop, "--policy", policy).stderr
    assert told.count("names nothing in") == 3, told
    assert all(repr(name) in told for name in ("order", "customers.name", "ordrs"))


def test_an_answer_shows_words_rows_and_sql(pets: Path, scripted: Scripted) -> None:
    scripted(sql(NAMES), words("There are three pets."))
    done = sqlberg("ask", pets, "Which pets are there?")
    assert done.exit_code == 0
    assert "There are three pets." in done.stdout
    assert "| Ada  |    3 |" in done.stdout
    assert "NULL" in done.stdout
    assert "SELECT" in done.stdout


def test_an_answer_as_json_holds_everything(pets: Path, scripted: Scripted) -> None:
    scripted(sql(NAMES), words("Three."))
    answer = json.loads(sqlberg("ask", pets, "Which pets?", "--json").stdout)
    assert answer["rows"] == [["Ada", 3], ["Bo", None], ["Cy", 1]]
    assert answer["status"] == "answered"
    assert answer["steps"][0]["tool"] == "execute_sql"


def test_steps_print_each_thought_and_observation(pets: Path, scripted: Scripted) -> None:
    scripted(sql(NAMES, "First I list the pets."), words("Three."))
    done = sqlberg("ask", pets, "Which pets?", "--steps")
    assert "1. First I list the pets." in done.stdout
    assert "3 rows, 2 columns" in done.stdout


def test_only_the_asked_number_of_rows_is_printed_and_the_cut_is_told(pets: Path, scripted: Scripted) -> None:
    scripted(sql(NAMES), words("Three."))
    done = sqlberg("ask", pets, "Which pets?", "--rows", 1)
    assert "first 1 of 3 rows shown" in done.stdout
    assert "Cy" not in done.stdout.partition("first 1 of 3")[0].partition("| Ada")[2]


def test_rows_that_were_not_read_are_told(pets: Path, scripted: Scripted) -> None:
    scripted(sql(NAMES), words("Some."))
    assert "only the first 2" in sqlberg("ask", pets, "Which pets?", "--limit-rows", 2).stdout


def test_an_unsure_answer_is_held_back_with_exit_code_3(pets: Path, scripted: Scripted) -> None:
    scripted(sql(NAMES, logprob=-3.0), words("Three."))
    done = sqlberg("ask", pets, "Which pets?", "--abstain-below", 0.9)
    assert done.exit_code == 3
    assert "No answer" in done.stdout


@pytest.mark.parametrize(("rows", "told"), [(1, "first 1 of more than 2 rows shown"), (20, "Bo")])
def test_the_best_guess_of_a_withheld_answer_tells_where_it_was_cut(
    pets: Path, scripted: Scripted, rows: int, told: str
) -> None:
    scripted(sql(NAMES, logprob=-3.0), words("Some."))
    done = sqlberg("ask", pets, "Which?", "--abstain-below", 0.9, "--limit-rows", 2, "--rows", rows)
    assert "The best guess" in done.stdout
    assert told in done.stdout
    assert "only the first 2 of more rows were read" in done.stdout


def test_the_end_of_a_budget_is_a_partial_answer_with_exit_code_4(pets: Path, scripted: Scripted) -> None:
    scripted(sql(NAMES), sql("SELECT 1"), sql("SELECT 2"))
    done = sqlberg("ask", pets, "Which pets?", "--rounds", 2)
    assert done.exit_code == 4
    assert "the budget of 2 rounds ended" in done.stdout


def test_a_model_that_fails_is_one_line_and_exit_code_1(pets: Path, scripted: Scripted) -> None:
    scripted(RuntimeError("boom"))
    done = sqlberg("ask", pets, "Which pets?")
    assert done.exit_code == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "boom" in done.stderr


def test_a_missing_database_is_one_line_and_exit_code_1() -> None:
    done = sqlberg("ask", "nowhere.duckdb", "Which pets?")
    assert done.exit_code == 1
    assert (
        done.stderr
        == "sqlberg: there is no file or folder nowhere.duckdb; check the spelling and the folder\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["ask"],
        ["ask", "x.db", "q", "--candidates", "0"],
        ["ask", "x.db", "q", "--timeout", "nan"],
        ["ask", "x.db", "q", "--nonsense"],
        ["ask", "x.db", "--save", "a.json"],
        ["evaluate", "folder", "--limit", "0"],
        ["replay", "a.json"],
        ["unknown"],
    ],
)
def test_wrong_use_is_exit_code_2(arguments: list[str]) -> None:
    assert sqlberg(*arguments).exit_code == 2


def test_data_cannot_colour_or_move_the_terminal(pets: Path, scripted: Scripted) -> None:
    with sqlite3.connect(pets) as connection:
        connection.execute("UPDATE pet SET name = '[red]Ada[/red]' || char(27) || '[2J' WHERE id = 1")
    connection.close()
    scripted(sql("SELECT name FROM pet WHERE id = 1"), words("It is \x1b[31mAda\x07."))
    done = sqlberg("ask", pets, "Who?", "--steps")
    assert "[red]Ada[/red]\\x1b[2J" in done.stdout
    assert "It is \\x1b[31mAda\\x07." in done.stdout
    assert "\x1b" not in done.stdout
    assert "\x07" not in done.stdout


def test_a_policy_file_hides_what_it_names(pets: Path, scripted: Scripted, tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text('hide_columns = ["pet.owner"]')
    scripted(sql("SELECT owner FROM pet"), words("I cannot see owners."))
    done = sqlberg("ask", pets, "Who owns them?", "--policy", tmp_path / "policy.toml", "--json")
    assert "Kim" not in done.stdout
    assert "Not permitted" in json.loads(done.stdout)["steps"][0]["observation"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.toml", "hide_table = ['x']", "the keys are allow_tables"),
        ("p.toml", "hide_tables = 3", "hide_tables: Input should be a valid tuple"),
        ("p.json", "{nonsense", "neither TOML nor JSON"),
    ],
)
def test_a_bad_policy_is_refused_in_one_line(
    pets: Path, tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text)
    done = sqlberg("ask", pets, "Which?", "--policy", tmp_path / name)
    assert done.exit_code == 1
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_questions_from_a_pipe_are_one_conversation(pets: Path, scripted: Scripted) -> None:
    models = scripted(
        sql("SELECT count(*) FROM pet"), words("Three."), sql("SELECT max(age) FROM pet"), words("3.")
    )
    done = sqlberg("ask", pets, "--json", input="How many pets?\n\nAnd the oldest?\n")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["rows"] for answer in answers] == [[[3]], [[3]]]
    assert any("How many pets?" in str(message.content) for message in models[0].sent[-1])


def test_a_bad_question_ends_itself_but_not_the_conversation(pets: Path, scripted: Scripted) -> None:
    scripted(sql("SELECT 1"), words("One."))
    done = sqlberg("ask", pets, "--json", input="x" * 9000 + "\nWhat is one?\n")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["rows"] == [[1]]
    assert "ask in at most" in done.stderr


def test_a_saved_answer_replays_until_the_data_changes(
    pets: Path, scripted: Scripted, tmp_path: Path
) -> None:
    scripted(sql(NAMES), words("Three."))
    saved = tmp_path / "pets.json"
    assert sqlberg("ask", pets, "Which pets?", "--save", saved).exit_code == 0
    assert sqlberg("replay", saved, pets).exit_code == 0
    with sqlite3.connect(pets) as connection:
        connection.execute("DELETE FROM pet WHERE id = 3")
    connection.close()
    done = sqlberg("replay", saved, pets, "--json")
    assert done.exit_code == 3
    assert not json.loads(done.stdout)["ok"]


def test_replaying_a_cut_result_does_not_show_it_as_whole(
    pets: Path, scripted: Scripted, tmp_path: Path
) -> None:
    scripted(sql(NAMES), words("Some."))
    saved = tmp_path / "pets.json"
    sqlberg("ask", pets, "Which pets?", "--limit-rows", 2, "--save", saved)
    assert "first 1 of more than 2 rows shown" in sqlberg("replay", saved, pets, "--rows", 1).stdout


def test_an_answer_without_sql_is_not_saved_and_stays_no_error(
    pets: Path, scripted: Scripted, tmp_path: Path
) -> None:
    scripted(words("I cannot answer this: there are no salaries."))
    done = sqlberg("ask", pets, "Who earns most?", "--save", tmp_path / "a.json")
    assert (done.exit_code, list(tmp_path.glob("*.json"))) == (3, [])
    assert "nothing saved" in done.stderr


def test_a_saved_answer_names_the_model_as_it_was_given(
    pets: Path, scripted: Scripted, tmp_path: Path
) -> None:
    scripted(sql(NAMES), words("Three."))
    sqlberg("ask", pets, "Which pets?", "-m", "openai:gpt", "--save", tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text())["parameters"]["model"] == "openai:gpt"


def test_where_an_answer_cannot_be_saved_nothing_is_asked(
    pets: Path, scripted: Scripted, tmp_path: Path
) -> None:
    scripted(AssertionError("asked"))
    other, nowhere = tmp_path / "other.json", tmp_path / "nowhere" / "a.json"
    other.write_text("{}")
    for place, reason in (
        (tmp_path / "a.txt", "name it a.json"),
        (nowhere, f"cannot be written to {nowhere}: No such file or directory"),
        (other, "is no saved answer"),
    ):
        done = sqlberg("ask", pets, "Which pets?", "--save", place)
        assert (done.exit_code, done.stdout) == (1, "")
        assert reason in done.stderr


def test_replaying_a_file_that_is_no_answer_is_one_line(pets: Path, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    done = sqlberg("replay", tmp_path / "x.json", pets)
    assert done.exit_code == 1
    assert "is no saved answer" in done.stderr


def test_inspect_shows_tables_and_what_the_model_sees(pets: Path) -> None:
    done = sqlberg("inspect", pets)
    assert "| pet   |    3 |       4 | id  |" in done.stdout
    assert "pet (3 rows) key id" in done.stdout


def test_inspect_shows_columns_of_a_table(pets: Path) -> None:
    assert "1 to 3" in sqlberg("inspect", pets, "--table", "pet").stdout


def test_inspect_suggests_a_table_for_a_misspelt_one(pets: Path) -> None:
    done = sqlberg("inspect", pets, "--table", "pett")
    assert done.exit_code == 1
    assert "did you mean pet?" in done.stderr


def test_inspect_tells_the_schemas_that_it_does_not_read(tmp_path: Path) -> None:
    path = tmp_path / "house.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE SCHEMA marts; CREATE TABLE marts.orders (id INTEGER)")
        connection.execute("CREATE TABLE t (i INTEGER)")
    assert f"Open it as {path}#marts." in sqlberg("inspect", path).stdout.replace("\n", "")
    assert "orders" in sqlberg("inspect", f"{path}#marts").stdout


def test_inspect_gives_the_prompt_as_json_too(pets: Path) -> None:
    shown = json.loads(sqlberg("inspect", pets, "--prompt", "--json").stdout)
    assert shown["prompt"].strip() == sqlberg("inspect", pets, "--prompt").stdout.strip()


def test_inspect_as_json_holds_the_catalog(pets: Path) -> None:
    shown = json.loads(sqlberg("inspect", pets, "--json").stdout)
    assert [column["name"] for column in shown["tables"][0]["columns"]] == ["id", "name", "age", "owner"]


def test_models_lists_the_embedded_one_first() -> None:
    assert json.loads(sqlberg("models", "--json").stdout)[0]["reference"] == "embedded"


@pytest.fixture
def questions(pets: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "questions"
    (folder / "databases").mkdir(parents=True)
    pets.rename(folder / "databases" / "pets.sqlite")
    lines = [
        {"id": f"q{i}", "db_id": "pets", "question": "How many?", "sql": "SELECT count(*) FROM pet"}
        for i in range(3)
    ]
    text = "\n".join(json.dumps(line) for line in lines)
    (folder / "questions.jsonl").write_text(text + "\nnonsense\n", encoding="utf-8")
    return folder


def test_evaluate_scores_a_folder_and_resumes(questions: Path, scripted: Scripted, tmp_path: Path) -> None:
    scripted(*[sql("SELECT count(*) FROM pet"), words("Three.")] * 3)
    arguments = ("evaluate", questions, "--output", tmp_path / "run", "--json", "-j", 1)
    first = sqlberg(*arguments)
    assert first.exit_code == 0
    assert "line 4 set aside: not JSON" in first.stderr
    summary = json.loads(first.stdout)
    assert summary["execution_accuracy"]["multiset"]["value"] == 100.0
    assert json.loads((tmp_path / "run" / "summary.json").read_text()) == summary
    scripted(AssertionError("asked again"))
    assert json.loads(sqlberg(*arguments).stdout) == summary


def test_evaluate_refuses_to_mix_settings(questions: Path, scripted: Scripted, tmp_path: Path) -> None:
    scripted(sql("SELECT 1"), words("One."))
    sqlberg("evaluate", questions, "--output", tmp_path / "run")
    done = sqlberg("evaluate", questions, "--output", tmp_path / "run", "--seed", 7)
    assert done.exit_code == 1
    assert "seed is 7, was 0" in done.stderr


def test_evaluate_without_json_prints_tables(questions: Path, scripted: Scripted, tmp_path: Path) -> None:
    scripted(sql("SELECT 1"), words("One."))
    done = sqlberg("evaluate", questions, "--output", tmp_path / "run")
    assert "Execution accuracy on 3 questions" in done.stdout


def test_evaluate_tells_gold_that_does_not_run(questions: Path, scripted: Scripted, tmp_path: Path) -> None:
    line = {"id": "q9", "db_id": "pets", "question": "How old?", "sql": "SELECT agge FROM pet"}
    (questions / "questions.jsonl").write_text(json.dumps(line) + "\n")
    scripted(sql("SELECT age FROM pet"), words("So old."))
    done = sqlberg("evaluate", questions, "--output", tmp_path / "run")
    assert done.exit_code == 0
    assert "gold queries that do not run: 1 of 1, counted as wrong; the first is q9 of pets" in done.stderr


def test_an_evaluation_in_which_every_question_failed_is_an_error(
    questions: Path, scripted: Scripted, tmp_path: Path
) -> None:
    (questions / "databases" / "pets.sqlite").write_text("no database")
    scripted(words("One."))
    done = sqlberg("evaluate", questions, "--output", tmp_path / "run")
    assert done.exit_code == 1
    assert "every question failed" in done.stderr
    assert not (tmp_path / "run" / "summary.json").exists()


def start(statement: str, *arguments: object) -> subprocess.Popen[str]:
    """The command in a process of its own, as a shell starts it."""
    return subprocess.Popen(
        [sys.executable, Path(__file__).with_name("scripted_cli.py"), *map(str, arguments)],
        env={**os.environ, "SCRIPTED_SQL": statement},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    "command", [("ask", "sample", "Who?", "-m"), ("evaluate",), ("candidates", "sample", "-o")]
)
def test_a_name_that_no_file_can_have_is_one_line(command: tuple[str, ...]) -> None:
    long = "x" * 5_000
    done = sqlberg(*command, f"embedded+{long}" if command[-1] == "-m" else long)
    assert done.exit_code == 1
    assert done.stderr.endswith(": File name too long; name another\n")
    assert len(done.stderr) < 300


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk without room")
@pytest.mark.parametrize("command", [("ask", "Which pets?"), ("inspect", "--json")])
def test_output_that_cannot_be_written_is_one_line(pets: Path, command: tuple[str, str]) -> None:
    script = Path(__file__).with_name("scripted_cli.py")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, script, command[0], pets, command[1]],
            env={**os.environ, "SCRIPTED_SQL": NAMES},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("sqlberg: cannot write: No space left on device")
    assert done.stderr.count("\n") == 1


def test_into_a_pipe_the_output_is_plain(pets: Path) -> None:
    output, errors = start(NAMES, "ask", pets, "Which pets?").communicate(timeout=60)
    assert "| Ada  |    3 |" in output
    assert "\x1b" not in output
    assert errors == ""


def test_a_pipe_that_closes_early_is_no_error(pets: Path) -> None:
    process = start(NAMES, "inspect", pets, "--json")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()
    process.wait(60)


def test_a_model_left_behind_at_the_deadline_does_not_spoil_the_exit(pets: Path) -> None:
    process = start("sleep", "ask", pets, "How many?", "--timeout", 0.5)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 4
    assert "the time budget of 0.5 seconds ended" in output
    assert errors == ""


def busy(process: psutil.Process) -> bool:
    try:
        return process.cpu_times().user > 0.8
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("command", ["ask", "evaluate"])
def test_ctrl_c_stops_the_query_and_leaves_no_process(questions: Path, command: str, tmp_path: Path) -> None:
    database = questions / "databases" / "pets.sqlite"
    arguments: dict[str, list[object]] = {
        "ask": [database, "How many?", "--query-timeout", 600, "--timeout", 600],
        "evaluate": [questions, "--output", tmp_path / "run"],
    }
    process = start(ENDLESS, command, *arguments[command])
    children: list[psutil.Process] = []
    try:
        parent = psutil.Process(process.pid)
        while not any(busy(child) for child in children):  # until the endless query is running
            assert process.poll() is None, process.communicate()
            children = parent.children(recursive=True)
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=60)[1]
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert not psutil.wait_procs(children, timeout=20)[1]


SWALLOWING = """
import sys, time

class Swallowing:
    def find_spec(self, name, path=None, target=None):
        if name == "sqlberg.agents.opening":
            try:
                print("importing", flush=True)
                time.sleep(30)
            except BaseException:
                pass

sys.meta_path.insert(0, Swallowing())
sys.argv = ["sqlberg", "ask", "sample", "How many orders?"]
from sqlberg.ui.cli import main
main()
"""


def test_ctrl_c_ends_an_import_that_would_swallow_it() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SWALLOWING], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "importing\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20) == ("", "")
    assert process.returncode == 130
