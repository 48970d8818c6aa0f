"""Synthetic questions: what they ask is what their SQL answers, on real contents."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlberg.tools.database import Database, open_database
from sqlberg.tools.schema import Column
from sqlberg.training.embedded.sketching import Unsketchable
from sqlberg.training.embedded.trajectories import Teacher
from sqlberg.training.synthesis import bank
from sqlberg.training.synthesis.conditions import adjectives_of
from sqlberg.training.synthesis.follow_ups import follow_ups
from sqlberg.training.synthesis.generator import draft_of, synthesize
from sqlberg.training.synthesis.templates import draw, say
from sqlberg.training.synthesis.unanswerable import unanswerable
from sqlberg.training.synthesis.wording import Wording, plural, singular
from sqlberg.training.synthesis.world import World


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    file = tmp_path_factory.mktemp("zoo") / "zoo.sqlite"
    rng = random.Random(5)
    with sqlite3.connect(file) as connection:
        connection.executescript(
            """CREATE TABLE zoo (zoo_id INTEGER PRIMARY KEY, zoo_name TEXT, city TEXT, num_visitors INTEGER);
            CREATE TABLE animals (
                id INTEGER PRIMARY KEY, name TEXT, species TEXT, gender TEXT, age INTEGER, weight_kg REAL,
                arrived_on TEXT, zoo_id INTEGER REFERENCES zoo (zoo_id)
            );
            CREATE TABLE empty_table (id INTEGER PRIMARY KEY, note TEXT);"""
        )
        for number, city in enumerate(["Berlin", "Paris", "Berlin", "Rome"], start=1):
            row = (number, f"Zoo {city} {number}", city, 1000 * number)
            connection.execute("INSERT INTO zoo VALUES (?, ?, ?, ?)", row)
        for number in range(40):
            row = (
                number,
                f"Animal{number}",
                rng.choice(["lion", "bear", "seal"]),
                rng.choice("FM"),
                rng.randint(1, 30),
                round(rng.uniform(2, 300), 1),
                f"20{rng.randint(10, 22)}-0{rng.randint(1, 9)}-1{rng.randint(0, 9)}",
                rng.randint(1, 3),
            )
            connection.execute("INSERT INTO animals VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    connection.close()
    with open_database(file) as database:
        yield database


def test_alternatives_are_drawn_from_the_inside_and_fields_filled_last():
    drawn = {draw("[a|b[ c|]] {x}", random.Random(n)) for n in range(40)}
    assert drawn == {"a {x}", "b {x}", "b c {x}"}
    assert say("[Is|Is] a {x} here ?", random.Random(0), x="old [odd] thing") == "Is an old [odd] thing here?"


def test_every_template_of_the_bank_can_be_drawn():
    for name, templates in vars(bank).items():
        for template in templates if name.isupper() else ():
            assert "[" not in draw(template, random.Random(1)), template


def test_nouns_are_made_plural_before_a_preposition():
    assert plural("date of birth") == "dates of birth"
    assert plural("city") == "cities"
    assert plural("show times per day") == "show times per day"
    assert singular("staff members") == "staff member"


def test_a_question_calls_one_column_by_one_name(zoo: Database):
    column = next(c for c in zoo.catalog.columns() if c.name == "species")
    wording = Wording(random.Random(0), "sqlite", own_words=0.0)
    assert wording.attribute(column) == wording.attribute(column)
    name = next(c for c in zoo.catalog.columns() if c.name == "zoo_name")
    assert Wording(random.Random(0), "sqlite", own_words=1.0).attribute(name) == "name"


def test_columns_are_told_apart_by_what_they_are_good_for(zoo: Database):
    animals = World(zoo).entities["animals"]
    assert [c.name for c in animals.measures] == ["age", "weight_kg"]
    assert [c.name for c in animals.groups] == ["species", "gender"]
    assert [c.name for c in animals.dates] == ["arrived_on"]
    assert animals.labels[0].name == "name"
    assert "empty_table" not in World(zoo).entities


def test_two_tables_are_linked_through_another_only_where_no_other_way_joins_them(tmp_path: Path):
    file = tmp_path / "shop.sqlite"
    with sqlite3.connect(file) as connection:
        connection.executescript(
            """CREATE TABLE store (id INTEGER PRIMARY KEY, name TEXT);
            CREATE TABLE clerk (id INTEGER PRIMARY KEY, name TEXT, store_id INTEGER REFERENCES store (id));
            CREATE TABLE client (id INTEGER PRIMARY KEY, name TEXT);
            CREATE TABLE sale (
                id INTEGER PRIMARY KEY, store_id INTEGER REFERENCES store (id),
                clerk_id INTEGER REFERENCES clerk (id), client_id INTEGER REFERENCES client (id)
            );
            INSERT INTO store VALUES (1, 'A'), (2, 'B');
            INSERT INTO clerk VALUES (1, 'Ann', 1), (2, 'Bob', 2);
            INSERT INTO client VALUES (1, 'Cid'), (2, 'Dan');
            INSERT INTO sale VALUES (1, 1, 1, 1), (2, 2, 2, 2);"""
        )
    connection.close()
    with open_database(file) as database:
        through = {(x.child.name, x.parent.name) for x in World(database).links if x.join is None}
    assert through == {("client", "store"), ("store", "client"), ("client", "clerk"), ("clerk", "client")}


def test_all_sql_runs_gives_rows_and_no_question_comes_twice(zoo: Database):
    made = list(synthesize(zoo, 250, seed=1))
    assert len(made) == 250
    assert len({one.question.casefold() for one in made}) == 250
    assert len({one.shape for one in made}) >= 15
    for one in made:
        rows = zoo.execute(one.sql).rows
        assert len(rows) == one.rows > 0
        assert any(value is not None for row in rows for value in row)


def test_values_and_numbers_of_the_sql_stand_in_the_question(zoo: Database):
    for one in synthesize(zoo, 120, seed=2):
        for word in ("lion", "bear", "seal", "Berlin", "Paris", "Rome"):
            if f"'{word}'" in one.sql:
                assert word.lower() in one.question.lower(), one


def test_questions_with_several_figures_name_each_of_them(zoo: Database):
    kinds = {"figures": 0, "group figures": 0}
    for one in synthesize(zoo, 300, seed=6):
        if one.shape not in kinds:
            continue
        kinds[one.shape] += 1
        assert one.sql.count("(") >= 2
        for column, words in (("age", ("age", "old")), ("weight_kg", ("weight", "mass", "kilo"))):
            if f"({column})" in one.sql:
                assert any(word in one.question.lower() for word in words), one
    assert min(kinds.values()) >= 2


def test_one_list_of_two_tables_is_a_union(zoo: Database):
    made = [one for one in synthesize(zoo, 400, seed=9) if one.shape == "one list"]
    assert made
    names = {row[0] for row in zoo.execute("SELECT name FROM animals UNION SELECT zoo_name FROM zoo").rows}
    assert {row[0] for row in zoo.execute(made[0].sql).rows} == names


def test_the_same_seed_asks_the_same_and_a_stopped_run_goes_on(zoo: Database):
    whole = list(synthesize(zoo, 40, seed=3))
    assert list(synthesize(zoo, 40, seed=3)) == whole
    assert list(synthesize(zoo, 40, seed=3, made=whole[:25])) == whole[25:]
    assert list(synthesize(zoo, 40, seed=4)) != whole


def test_nearly_all_questions_can_be_taught_to_the_embedded_model(zoo: Database):
    teacher, passed = Teacher(zoo), 0
    for one in synthesize(zoo, 60, seed=5):
        try:
            _, targets = teacher.teach(one.question, one.sql)
        except Unsketchable:
            passed += 1
        else:
            assert any(tokens[0] == "execute" for tokens in targets.values())
    assert passed <= 3


def test_unanswerable_questions_ask_for_what_the_schema_does_not_name(zoo: Database):
    names = " ".join([t.name for t in zoo.catalog.tables] + [c.name for c in zoo.catalog.columns()]).lower()
    made = list(unanswerable(zoo, 30, seed=1))
    assert len(made) == 30
    for one in made:
        assert one.missing in one.question
        assert one.missing.split()[-1].rstrip("s") not in names


def test_a_follow_up_changes_what_the_first_question_asked(zoo: Database):
    made = list(follow_ups(zoo, 60, seed=1))
    assert len(made) == 60
    assert len({(one.first.casefold(), one.question.casefold()) for one in made}) == 60
    for one in made:
        assert one.sql != one.first_sql
        assert zoo.execute(one.sql).rows
    others = [
        one
        for one in made
        if one.first_sql.count("= '") == 1 and one.question.startswith(("What about", "And for"))
    ]
    assert others


def test_older_is_said_of_ages_and_more_recent_of_years(zoo: Database):
    age = Column("t", "min_age_years", kind="number")
    assert adjectives_of(age) == ("older", "oldest", "younger", "youngest")
    assert adjectives_of(Column("t", "year_built"))[1] == "most recent"  # type: ignore[index]
    assert adjectives_of(Column("t", "birth_date"))[0] == "younger"  # type: ignore[index]
    assert adjectives_of(Column("t", "shade")) is None


def test_a_refusal_is_taught_after_a_second_search(zoo: Database):
    record = {"question": "What is the blood type of each animal?", "sql": None, "missing": "blood type"}
    messages, targets = Teacher(zoo).taught(record)
    assert [tokens[0] for tokens in targets.values()] == ["search", "refuse"]
    calls = [call["function"] for message in messages for call in message.get("tool_calls", [])]
    assert [call["name"] for call in calls] == ["search_column", "search_column"]
    assert "blood type" in calls[1]["arguments"]
    assert messages[-1]["content"].startswith("I cannot answer this")


def test_a_search_that_found_too_little_is_made_again(zoo: Database):
    question, sql = (
        "What is the weight kg of the animal called Animal3?",
        "SELECT weight_kg FROM animals WHERE name = 'Animal3'",
    )
    _, targets = Teacher(zoo).teach(question, sql, top_k=1)
    turns = [tokens[0] for tokens in targets.values()]
    assert turns[-1] == "execute"
    assert turns[0] in ("search", "lookup")


def test_it_asks_in_the_dialect_of_the_database():
    with open_database("sample") as database:
        world = World(database)
    texts = []
    for number in range(600):
        rng = random.Random(number)
        draft = draft_of(world, rng, Wording(rng, world.catalog.dialect))
        texts.append(draft.sql if draft else "")
    assert any("year(" in text for text in texts)
    assert not any("CAST(strftime('%Y'" in text for text in texts)


def test_a_follow_up_is_taught_with_the_question_before_it(zoo: Database):
    record = {
        "question": "And the bears?",
        "sql": "SELECT count(*) FROM animals WHERE species = 'bear'",
        "earlier": ["How many animals have the species lion?"],
    }
    messages, targets = Teacher(zoo).taught(record)
    assert [message["role"] for message in messages[:4]] == ["system", "user", "assistant", "user"]
    [search] = [
        call["function"]["arguments"]
        for message in messages
        for call in message.get("tool_calls", [])
        if call["function"]["name"] == "search_column"
    ]
    assert "lion? And the bears?" in search
    assert any(tokens[0] == "execute" for tokens in targets.values())
