"""How the embedded model is taught: sketches of gold SQL, targets, augmentation, and the training loop."""

from __future__ import annotations

import json
import random
import sqlite3
from pathlib import Path

import pytest
from sqlberg.models.embedded.grammar import Query, parse
from sqlberg.models.embedded.items import AGGREGATES, KEYWORDS, LIKES, Item, Token
from sqlberg.models.embedded.network import Shape, SketchNetwork
from sqlberg.models.embedded.prompt import PromptWriter
from sqlberg.models.embedded.reading import SeenColumn, SeenTable, Situation
from sqlberg.models.embedded.sql_writer import JoinKey, SqlWriter
from sqlberg.models.embedded.tensors import prompt_tensors
from sqlberg.models.embedded.weights import SHIPPED, load_writer
from sqlberg.models.embedded.writing import Writing
from sqlberg.tools.database import open_database
from sqlberg.tools.policy import AccessPolicy
from sqlberg.training.embedded.augmentation import Pools, Rates, augment
from sqlberg.training.embedded.batches import BatchStream, Example, collate
from sqlberg.training.embedded.sketching import Sketcher, Unsketchable
from sqlberg.training.embedded.targets import Unreadable, resolve, spans_of
from sqlberg.training.embedded.trainer import Settings, learning_rate
from sqlberg.training.embedded.trajectories import Teacher, read_examples, write_trajectories

SCHEMA = {"singer": ["id", "name", "age"], "concert": ["id", "year", "singer_id"]}
JOINS = [JoinKey("concert", ("singer_id",), "singer", ("id",))]


@pytest.fixture(scope="module")
def writer() -> PromptWriter:
    return load_writer(SHIPPED)


@pytest.fixture
def concerts(tmp_path: Path) -> Path:
    file = tmp_path / "concerts.sqlite"
    with sqlite3.connect(file) as connection:
        connection.executescript(
            """CREATE TABLE singer (id INTEGER PRIMARY KEY, name TEXT, age INTEGER);
            CREATE TABLE concert (
                id INTEGER PRIMARY KEY, year INTEGER, singer_id INTEGER REFERENCES singer (id)
            );
            INSERT INTO singer VALUES (1, 'Joe Sharp', 52), (2, 'Rose White', 41), (3, 'Tribal King', 25);
            INSERT INTO concert VALUES (1, 2014, 1), (2, 2014, 2), (3, 2015, 1);"""
        )
    connection.close()
    return file


@pytest.mark.parametrize(
    ("gold", "again"),
    [
        ("SELECT count(*) FROM singer", "SELECT count(*) FROM singer"),
        (
            "SELECT T1.name FROM singer AS T1 JOIN concert AS T2 ON T1.id = T2.singer_id"
            " WHERE T2.year > 2014",
            "SELECT singer.name FROM singer JOIN concert ON concert.singer_id = singer.id"
            " WHERE concert.year > 2014",
        ),
        ("SELECT * FROM singer ORDER BY age", "SELECT * FROM singer ORDER BY age"),
        (
            "SELECT strftime('%Y', name), count(id) FROM singer GROUP BY strftime('%Y', name)",
            "SELECT CAST(strftime('%Y', name) AS INTEGER), count(id) FROM singer"
            " GROUP BY CAST(strftime('%Y', name) AS INTEGER)",
        ),
        (
            "SELECT name FROM singer WHERE age = (SELECT max(age) FROM singer) OR name LIKE '%a%'",
            "SELECT name FROM singer WHERE age = (SELECT max(age) FROM singer) OR name LIKE '%a%'",
        ),
        (
            'SELECT name FROM singer WHERE name NOT IN ("Ann", "Bob") ORDER BY age DESC LIMIT 3',
            "SELECT name FROM singer WHERE name NOT IN ('Ann', 'Bob') ORDER BY age DESC LIMIT 3",
        ),
        (
            "SELECT year FROM concert GROUP BY year HAVING count(*) >= 2 INTERSECT SELECT year FROM concert",
            "SELECT year FROM concert GROUP BY year HAVING count(*) >= 2 INTERSECT SELECT year FROM concert",
        ),
    ],
)
def test_gold_sql_comes_back_from_its_sketch(gold: str, again: str):
    query = parse(["execute", *Sketcher(SCHEMA, JOINS).sketch(gold)])
    assert isinstance(query, Query)
    assert SqlWriter(dialect="sqlite", joins=JOINS).write(query) == again


@pytest.mark.parametrize(
    ("gold", "sketch"),
    [
        ("SELECT name FROM singer", "select name end"),
        ("SELECT count(*) FROM singer JOIN concert ON singer.id = singer_id WHERE age > 4 AND year > 3",
         "select count * where age > 4 and year > 3 end"),
        ("SELECT name FROM singer JOIN concert ON singer.id = singer_id", "select name from concert end"),
        ("SELECT count(id) FROM singer", "select count * from singer end"),
        ("SELECT strftime('%Y-%m', name) FROM singer", "select month name end"),
    ],
)  # fmt: skip
def test_a_sketch_lists_only_the_tables_that_no_column_names(gold: str, sketch: str):
    tokens = Sketcher(SCHEMA, JOINS, filled={("singer", "id")}).sketch(gold)
    assert " ".join(token if isinstance(token, str) else token.text for token in tokens) == sketch


@pytest.mark.parametrize("dialect", ["sqlite", "duckdb"])
def test_all_that_the_writer_writes_is_read_back(dialect: str):
    id_, name, age = (Item("column", text=n, table="singer", column=n) for n in ("id", "name", "age"))
    part = Item("value", text="20", value="20")
    sketches: list[list[Token]] = [[id_, "where", name, like, part] for like in LIKES]
    for aggregate in AGGREGATES:
        sketches += [
            [name, ",", aggregate, age],
            [aggregate, age, "order", name],
            [id_, ",", aggregate, age, "group", name, "having", aggregate, age, ">", "5", "order", id_],
        ]
    sketches += [[id_, ",", "count", "*", "group", part_of, name] for part_of in ("year", "month")]
    writer = SqlWriter(dialect=dialect, joins=JOINS, types={("singer", "name"): "DATE"})
    for tokens in sketches:
        query = parse(["execute", "select", *tokens, "end"])
        assert isinstance(query, Query)
        sql = writer.write(query)
        again = parse(["execute", *Sketcher(SCHEMA, JOINS, dialect).sketch(sql)])
        assert isinstance(again, Query)
        assert writer.write(again) == sql


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT any_value(name) FROM singer",
        "SELECT any_value(name), max(age) FROM singer",
        "SELECT arg_min(name, age), max(age) FROM singer",
        "SELECT arg_max(name, id), max(age) FROM singer",
        "SELECT arg_max(name, age, 2), max(age) FROM singer",
        "SELECT any_value(age) + 1 FROM singer GROUP BY name",
    ],
)
def test_a_row_that_no_bare_column_takes_is_passed_over(sql: str):
    with pytest.raises(Unsketchable):
        Sketcher(SCHEMA, JOINS, "duckdb").sketch(sql)


@pytest.mark.parametrize(
    "gold",
    [
        "SELECT a.name FROM singer a JOIN singer b ON a.id = b.id",
        "SELECT rank() OVER (ORDER BY age) FROM singer",
        "SELECT missing FROM singer",
        "SELECT name FROM singer, concert",
        "not sql at all (",
    ],
)
def test_what_a_sketch_cannot_say_is_passed_over(gold: str):
    with pytest.raises(Unsketchable):
        Sketcher(SCHEMA, JOINS).sketch(gold)


def test_a_teaching_dialogue_uses_the_real_tools(concerts: Path):
    with open_database(concerts) as database:
        messages, targets = Teacher(database).teach(
            "How many concerts did Joe Sharp give?",
            "SELECT count(*) FROM concert JOIN singer ON concert.singer_id = singer.id"
            " WHERE name = 'Joe Sharp'",
        )
    called = [call["function"]["name"] for m in messages for call in m.get("tool_calls", [])]
    assert called == ["search_column", "search_value", "execute_sql"]
    assert messages[-2]["content"].splitlines()[-1] == "2"
    assert [tokens[0] for tokens in targets.values()] == ["lookup", "execute"]


def test_a_dialogue_teaches_nothing_that_the_policy_hides(concerts: Path):
    policy = AccessPolicy(row_filters={"singer": "age < 50"}, hide_columns=("singer.id",))
    with open_database(concerts, policy=policy) as database:
        messages, _ = Teacher(database).teach("List the names of all singers.", "SELECT name FROM singer")
        with pytest.raises(Unsketchable):
            Teacher(database).teach("List the ids of all singers.", "SELECT id FROM singer")
    assert "Rose White" in messages[-2]["content"]
    assert "Joe Sharp" not in str(messages)


def test_trajectories_are_read_back_as_examples(concerts: Path, tmp_path: Path, writer: PromptWriter):
    questions = [
        {"id": "1", "db_id": "concerts", "question": "How old is Joe Sharp?",
         "sql": "SELECT age FROM singer WHERE name = 'Joe Sharp'"},
        {"id": "2", "db_id": "concerts", "question": "Whose rank?",
         "sql": "SELECT rank() OVER () FROM singer"},
    ]  # fmt: skip
    file = tmp_path / "out" / "concerts.jsonl"
    with open_database(concerts) as database:
        assert write_trajectories(database, questions, file) == (1, 1)
    examples = [example for _, example in read_examples([file])]
    assert [example.target[0] for example in examples] == ["lookup", "execute"]
    for example in examples:
        prompt = writer.write(example.situation)
        ids = resolve(example.target, prompt)
        assert len(ids) == len(example.target)
    assert json.loads(file.read_text())["db_id"] == "concerts"


def examples_of(concerts: Path, tmp_path: Path) -> list[Example]:
    questions = [
        ("How old is Joe Sharp?", "SELECT age FROM singer WHERE name = 'Joe Sharp'"),
        ("How many singers are there?", "SELECT count(*) FROM singer"),
        ("Show the name of the oldest singer.", "SELECT name FROM singer ORDER BY age DESC LIMIT 1"),
        ("How many concerts were there in 2014?", "SELECT count(*) FROM concert WHERE year = 2014"),
    ]
    rows = [{"id": str(i), "db_id": "c", "question": q, "sql": s} for i, (q, s) in enumerate(questions)]
    with open_database(concerts) as database:
        write_trajectories(database, rows, tmp_path / "c.jsonl")
    return [example for _, example in read_examples([tmp_path / "c.jsonl"])]


def test_augmented_examples_can_still_be_written(concerts: Path, tmp_path: Path, writer: PromptWriter):
    examples = examples_of(concerts, tmp_path)
    pools = Pools(["branch", "river", "engine"], ["Alpha", "Beta Gamma"])
    rng = random.Random(1)
    changed = 0
    for example in examples * 10:
        situation, target = augment(
            example.situation, example.target, pools, Rates(rename=1.0, word=1.0), rng
        )
        resolve(target, writer.write(situation))
        changed += situation.question != example.situation.question
    assert changed > 10


def test_renaming_changes_question_schema_and_target_alike(concerts: Path, tmp_path: Path):
    example = next(e for e in examples_of(concerts, tmp_path) if "How many singers" in e.situation.question)
    pools = Pools(["branch", "river", "engine", "cloud", "lamp", "stone"], ["x"])
    rates = Rates(rename=1.0, word=1.0, revalue=0.0, typo=0.0, take=0.0)
    # Names are left as they are where two would become one.
    draws = (augment(example.situation, example.target, pools, rates, random.Random(n)) for n in range(20))
    situation, target = next(draw for draw in draws if Item("table", "singer", "singer") not in draw[1])
    [table] = [token for token in target if isinstance(token, Item)]
    assert table.table in [seen.name for seen in situation.tables]
    assert table.table[:4] in situation.question
    assert "singer" not in situation.question


def test_rewording_changes_the_question_alone(concerts: Path, tmp_path: Path, writer: PromptWriter):
    example = next(e for e in examples_of(concerts, tmp_path) if "How many singers" in e.situation.question)
    rates = Rates(rename=0.0, revalue=0.0, typo=0.0, take=0.0, drop=0.0, widen=0.0, reword=1.0, word=1.0)
    pools = Pools(["branch"], ["x"])
    situation, target = augment(example.situation, example.target, pools, rates, random.Random(3))
    assert "How many vocalists" in situation.question
    assert target == list(example.target)
    assert {table.name for table in situation.tables} == {table.name for table in example.situation.tables}


def test_a_widened_schema_holds_tables_that_share_no_word_with_what_is_asked(
    concerts: Path, tmp_path: Path, writer: PromptWriter
):
    example = next(e for e in examples_of(concerts, tmp_path) if "How many singers" in e.situation.question)
    fleet = Situation(
        tables=[SeenTable("ship", ("ship_id",)), SeenTable("voyage"), SeenTable("famous_singer")],
        columns=[
            SeenColumn("ship", "ship_id", "INT", is_key=True),
            SeenColumn("voyage", "ship_id", "INT", refers_to="ship"),
            SeenColumn("famous_singer", "age", "INT"),
        ],
        joins=[JoinKey("voyage", ("ship_id",), "ship", ("ship_id",))],
    )
    pools = Pools(["branch"], ["x"], schemas=[fleet])
    rates = Rates(rename=0.0, revalue=0.0, typo=0.0, take=0.0, drop=0.0, widen=1.0)
    situation, target = augment(example.situation, example.target, pools, rates, random.Random(3))
    resolve(target, writer.write(situation))
    own = {table.name for table in example.situation.tables}
    assert {table.name for table in situation.tables} == own | {"ship", "voyage"}
    assert {c.table for c in situation.columns} <= own | {"ship", "voyage"}
    assert fleet.joins[0] in situation.joins


def test_a_target_that_the_prompt_does_not_hold_is_unreadable(
    writer: PromptWriter, concerts: Path, tmp_path: Path
):
    prompt = writer.write(examples_of(concerts, tmp_path)[0].situation)
    with pytest.raises(Unreadable):
        resolve([Item("table", table="elsewhere")], prompt)


def test_the_words_of_a_literal_are_found_despite_a_small_difference():
    words = "Which singers are called joe sharps today".split()
    assert spans_of(["Joe Sharp"], words) == [(4, 5)]
    assert spans_of(["Berlin"], words) == []


def test_a_batch_depends_on_its_number_alone(concerts: Path, tmp_path: Path, writer: PromptWriter):
    examples, pools = examples_of(concerts, tmp_path) * 4, Pools(["branch"], ["Alpha"])
    streams = [BatchStream(examples, writer, pools, rates=Rates(), rows=4, seed=5) for _ in range(2)]
    _ = streams[0][0], streams[0][1]
    assert streams[0][2].inputs.equal(streams[1][2].inputs)
    assert streams[0][2].prompts.pieces.equal(streams[1][2].prompts.pieces)


def test_writing_step_by_step_scores_as_writing_at_once(concerts: Path, tmp_path: Path, writer: PromptWriter):
    import torch

    example = examples_of(concerts, tmp_path)[-1]
    prompt = writer.write(example.situation)
    batch = collate([prompt], [resolve(example.target, prompt)])
    network = SketchNetwork(Shape(hidden=48, layers=2, heads=4, inner=64), dropout=0.0).eval()
    with torch.no_grad():
        memory = batch.prompts.read(network)
        whole = network.write(memory, batch.inputs)[0]
        outputs = batch.inputs[0].tolist()
        writing = Writing(network, memory, rows=3, steps=len(outputs))
        for step, output in enumerate(outputs):
            scores = writing.step([output])
            assert torch.allclose(scores[0], whole[step], atol=1e-4)


def test_candidates_that_part_score_as_each_does_alone(concerts: Path, tmp_path: Path, writer: PromptWriter):
    import torch

    prompt = writer.write(examples_of(concerts, tmp_path)[-1].situation)
    network = SketchNetwork(Shape(hidden=48, layers=2, heads=4, inner=64), dropout=0.0).eval()
    paths = [[1, 2, 4, 6], [1, 3, 5, 7], [1, 3, 5, 8]]
    with torch.no_grad():
        memory = prompt_tensors([prompt]).read(network)
        alone = [network.write(memory, torch.tensor([path]))[0, -1] for path in paths]
        writing = Writing(network, memory, rows=3, steps=4)
        writing.step([1])
        writing.keep([0, 0])
        writing.step([2, 3])
        writing.step([4, 5])
        writing.keep([0, 1, 1])
        together = writing.step([6, 7, 8])
    assert torch.allclose(together, torch.stack(alone), atol=1e-4)


def test_padding_changes_no_score(concerts: Path, tmp_path: Path, writer: PromptWriter):
    import torch

    prompts = [writer.write(example.situation) for example in examples_of(concerts, tmp_path)]
    network = SketchNetwork(Shape(hidden=48, layers=2, heads=4, inner=64), dropout=0.0).eval()
    start = torch.ones(1, 1, dtype=torch.long)
    with torch.no_grad():
        alone = network.write(prompt_tensors(prompts[:1]).read(network), start)
        together = network.write(prompt_tensors(prompts).read(network), start.expand(len(prompts), 1))
    count = len(KEYWORDS) + len(prompts[0].items)
    assert torch.allclose(alone[0, 0, :count], together[0, 0, :count], atol=1e-4)


def test_the_rate_warms_up_and_falls():
    settings = Settings(steps=1000, warmup=100)
    assert learning_rate(0, 0.0, settings) < learning_rate(99, 0.099, settings)
    assert learning_rate(999, 0.999, settings) < 0.1 * settings.rate
