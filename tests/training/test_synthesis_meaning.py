"""What a made question means is what its SQL says, and nothing in it is hidden by the policy."""

from __future__ import annotations

import random
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from sqlberg.tools.database import Database, open_database
from sqlberg.tools.policy import AccessPolicy
from sqlberg.training.synthesis import bank
from sqlberg.training.synthesis.asking import Asking, Draft
from sqlberg.training.synthesis.conditions import Condition
from sqlberg.training.synthesis.follow_ups import follow_ups
from sqlberg.training.synthesis.generator import _OF_ITSELF, as_typed, synthesize
from sqlberg.training.synthesis.joined import JoinedShape, Pair, both_children, of_extreme_parent
from sqlberg.training.synthesis.predicates import a_condition
from sqlberg.training.synthesis.several import SEVERAL_JOINED
from sqlberg.training.synthesis.single import grouped, listing, over_time, superlative
from sqlberg.training.synthesis.templates import say
from sqlberg.training.synthesis.unanswerable import unanswerable
from sqlberg.training.synthesis.wording import Wording
from sqlberg.training.synthesis.world import World

SCHOOL = """
CREATE TABLE pupil (id INTEGER PRIMARY KEY, name TEXT, size_label TEXT, age INTEGER);
CREATE TABLE course (id INTEGER PRIMARY KEY, title TEXT, price REAL, cost REAL, started TEXT, room TEXT);
CREATE TABLE visit (
    id INTEGER PRIMARY KEY, pupil_id INTEGER REFERENCES pupil (id), course_id INTEGER REFERENCES course (id)
);
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A school: pupils visit each course several times; some courses have no price or no room."""
    path = tmp_path_factory.mktemp("school") / "school.sqlite"
    with sqlite3.connect(path) as connection:
        connection.executescript(SCHOOL)
        for number in range(30):
            open_row, other = number % 3, 900 + number
            name = f"Hidden{number}" if open_row == 0 else f"Pupil{number}"
            age = other if open_row == 0 else 6 + number % 12
            connection.execute("INSERT INTO pupil VALUES (?, ?, ?, ?)", (number, name, "SML"[open_row], age))
            price = None if number % 5 == 0 else 10.5 + number
            room = None if number % 2 else f"Room {number % 3}"
            started = f"2024-05-{1 + number % 9:02} 1{number % 10}:30:00"
            course = (number, f"Course {number}", price, 5.5 + number, started, room)
            connection.execute("INSERT INTO course VALUES (?, ?, ?, ?, ?, ?)", course)
        visits = [(n, n % 10, n % 7) for n in range(200)]
        connection.executemany("INSERT INTO visit VALUES (?, ?, ?)", visits)
    connection.close()
    return path


@pytest.fixture(scope="module")
def school(file: Path) -> Iterator[Database]:
    with open_database(file) as database:
        yield database


def asking_of(database: Database, table: str, seed: int) -> Asking:
    rng = random.Random(seed)
    return Asking(World(database).entities[table], Wording(rng, database.dialect), rng)


def drafts_of(database: Database, shape: JoinedShape, child: str, parent: str, count: int) -> list[Draft]:
    """What the shape makes of the link in that many draws."""
    [link] = [x for x in World(database).links if (x.child.name, x.parent.name) == (child, parent)]
    drafts = []
    for seed in range(count):
        rng = random.Random(seed)
        wording = Wording(rng, database.dialect)
        drafts.append(shape(Pair(link, Asking(link.child, wording, rng), Asking(link.parent, wording, rng))))
    return [draft for draft in drafts if draft]


def test_what_the_policy_hides_stands_in_no_question_and_no_sql(file: Path):
    policy = AccessPolicy(row_filters={"pupil": "name LIKE 'Pupil%'"}, hide_columns=("course.room",))
    with open_database(file, policy=policy) as database:
        made = list(synthesize(database, 200, seed=1))
        texts = [text for one in made for text in (one.question, one.sql)]
        for one in follow_ups(database, 40, seed=1):
            texts += [one.first, one.first_sql, one.question, one.sql]
        texts += [one.question for one in unanswerable(database, 40, seed=1)]
    assert len(made) == 200
    assert any("Pupil" in text for text in texts)
    assert not [text for text in texts if re.search(r"hidden|\broom|\b9\d\d\b", text, re.IGNORECASE)]


def test_a_table_whose_name_is_a_word_of_sql_is_read(tmp_path: Path):
    with sqlite3.connect(tmp_path / "shop.sqlite") as connection:
        connection.executescript(
            """CREATE TABLE "order" (id INTEGER PRIMARY KEY, status TEXT);
            INSERT INTO "order" VALUES (1, 'open'), (2, 'closed');"""
        )
    connection.close()
    with open_database(tmp_path / "shop.sqlite") as database:
        assert World(database).entities["order"].cells["status"]


def test_things_behind_a_table_between_are_counted_once(school: Database):
    [link] = [x for x in World(school).links if (x.child.name, x.parent.name) == ("pupil", "course")]
    assert school.execute(f"SELECT {link.counted} FROM {link.source}").rows == [(10,)]
    through = [one.sql for one in synthesize(school, 300, seed=2) if one.sql.count(" JOIN ") == 2]
    assert any("count(DISTINCT" in sql for sql in through)
    assert not [sql for sql in through if re.search(r"count\(\*\)|sum\(|avg\(", sql)]


def test_no_total_or_average_is_asked_for_of_things_behind_a_table_between(school: Database):
    for _, shape in SEVERAL_JOINED:
        for draft in drafts_of(school, shape, "pupil", "course", 30):
            assert not re.search(r"sum\(|avg\(", draft.sql)


def test_a_list_behind_a_table_between_has_no_row_twice(school: Database):
    for one in synthesize(school, 300, seed=3):
        if one.sql.count(" JOIN ") == 2 and "GROUP BY" not in one.sql and " IN (" not in one.sql:
            rows = school.execute(one.sql).rows
            assert len(set(rows)) == len(rows), one


def test_both_sorts_of_children_are_of_one_parent_not_of_two_of_one_name(tmp_path: Path):
    with sqlite3.connect(tmp_path / "zoos.sqlite") as connection:
        connection.executescript(
            """CREATE TABLE zoo (id INTEGER PRIMARY KEY, name TEXT);
            CREATE TABLE animal (id INTEGER PRIMARY KEY, kind TEXT, zoo_id INTEGER REFERENCES zoo (id));
            INSERT INTO zoo VALUES (1, 'Twin'), (2, 'Twin'), (3, 'Whole');
            INSERT INTO animal VALUES (1, 'lion', 1), (2, 'bear', 2), (3, 'lion', 3), (4, 'bear', 3);"""
        )
    connection.close()
    with open_database(tmp_path / "zoos.sqlite") as database:
        both = [
            draft.sql
            for draft in drafts_of(database, both_children, "animal", "zoo", 60)
            if "kind = 'lion')" in draft.sql and "kind = 'bear')" in draft.sql
        ]
        assert both
        for sql in both:
            assert database.execute(sql).rows in ([("Whole",)], [(3,)])


def test_all_children_of_the_extreme_parent_are_listed(school: Database):
    most = "SELECT id FROM course WHERE price = (SELECT max(price) FROM course)"
    [draft, *_] = [d for d in drafts_of(school, of_extreme_parent, "visit", "course", 60) if "max(" in d.sql]
    counted = school.execute(f"SELECT count(*) FROM visit WHERE course_id IN ({most})").rows[0][0]
    assert len(school.execute(draft.sql).rows) == counted


def test_the_cheapest_has_a_price(school: Database):
    seen = 0
    for seed in range(80):
        draft = superlative(asking_of(school, "course", seed))
        if draft and "ORDER BY price" in draft.sql:
            prices = school.execute(f"SELECT price {draft.sql[draft.sql.index('FROM') :]}").rows
            assert (None,) not in prices
            seen += 1
    assert seen
    after = [one.sql for one in follow_ups(school, 60, seed=2) if "ORDER BY price" in one.sql]
    assert after
    assert all("price IS NOT NULL" in sql for sql in after)


def test_the_most_frequent_category_is_one(school: Database):
    tops = [one for one in synthesize(school, 300, seed=4) if one.shape == "group extreme"]
    assert tops
    for one in tops:
        assert (None,) not in school.execute(one.sql).rows


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_days_of_times_are_compared_as_days(kind: str, file: Path, tmp_path: Path):
    days = [f"2024-05-{1 + n % 9:02}" for n in range(30)]
    if kind == "duckdb":
        file = tmp_path / "school.duckdb"
        with duckdb.connect(file) as connection:
            connection.execute(
                "CREATE TABLE course (id INTEGER PRIMARY KEY, title VARCHAR, started TIMESTAMP)"
            )
            for number, day in enumerate(days):
                row = (number, f"Course {number}", f"{day} 1{number % 10}:30:00")
                connection.execute("INSERT INTO course VALUES (?, ?, ?)", row)
    meant = {
        "after": lambda one, day: one > day, "until": lambda one, day: one <= day,
        "before": lambda one, day: one < day, "since": lambda one, day: one >= day,
    }  # fmt: skip
    seen = set()
    with open_database(file) as database:
        entity = World(database).entities["course"]
        for seed in range(400):
            rng = random.Random(seed)
            condition = a_condition(entity, Wording(rng, database.dialect), rng, False)
            said = condition and re.search(r"(\w+) (2024-05-\d\d)$", condition.verb)
            if condition and said and "started" in condition.sql:
                counted = database.execute(f"SELECT count(*) FROM course WHERE {condition.sql}").rows[0][0]
                assert counted == sum(meant[said[1]](one, said[2]) for one in days), condition
                seen.add(said[1])
    assert seen == set(meant)


def test_dates_without_times_are_compared_as_they_stand():
    with open_database("sample") as database:
        entity = World(database).entities["employees"]
        for seed in range(200):
            rng = random.Random(seed)
            condition = a_condition(entity, Wording(rng, database.dialect), rng, False)
            assert condition is None or "CAST(" not in condition.sql


def test_an_order_is_added_before_the_end_mark_and_no_letter_is_doubled(school: Database):
    asked = [grouped(asking_of(school, "pupil", seed)) for seed in range(300)]
    ordered = [d.question for d in asked if d and "est to " in d.question]
    assert ordered
    assert all(re.search(r"(highest|lowest)[?.]?$", question) for question in ordered)


def test_an_article_is_fitted_to_its_noun_and_never_within_a_value():
    rng = random.Random(0)
    assert say("Is it a {x} of {y}?", rng, x="owl", y="class A or 'C'") == "Is it an owl of class A or 'C'?"


def test_what_people_leave_out_is_the_end_mark_alone():
    typed = {as_typed("Which say Ring twice.?", random.Random(seed)) for seed in range(200)}
    assert "Which say Ring twice." in typed
    assert not [text for text in typed if text.lower().endswith("twice")]


def test_a_question_that_names_no_columns_asks_for_what_names_the_rows(school: Database):
    pupil = asking_of(school, "pupil", 0)
    columns = {column.name: column for column in pupil.entity.table.columns}
    assert pupil.fitting(bank.WHICH, [columns["name"]]) == bank.WHICH
    assert pupil.fitting(bank.WHICH, [columns["id"]]) == bank.WHICH
    assert all("attr" in template for template in pupil.fitting(bank.WHICH, [columns["age"]]))


def test_no_column_goes_by_the_name_of_another(school: Database):
    world = World(school)
    cost = next(c for c in world.entities["course"].table.columns if c.name == "cost")
    said = {world.wording(random.Random(seed)).attribute(cost) for seed in range(60)}
    assert said == {"cost", "expense"}


def test_only_the_beginning_of_a_condition_is_said_of_a_person(school: Database):
    condition = Condition("", " which have a name that starts with P and that are 6", "", "")
    asking = asking_of(school, "pupil", 0)
    asking.wording.call_table("pupil", "student")
    that = asking.things(condition)["that"]
    assert that == " who have a name that starts with P and who are 6"


def test_what_is_like_its_owner_is_said_once_but_never_in_a_value():
    assert _OF_ITSELF.sub(r"\1\2", "the rating of the ratings") == "the rating"
    assert _OF_ITSELF.sub(r"\1\2", "titled King of Kings") == "titled King of Kings"


def test_of_several_dates_the_meant_one_is_named():
    with open_database("sample") as database:
        orders = World(database).entities["orders"]
        for seed in range(150):
            rng = random.Random(seed)
            asking = Asking(orders, Wording(rng, database.dialect, own_words=1.0), rng)
            for draft in (over_time(asking), listing(asking)):
                for named in re.findall("(shipped|delivered)_date", draft.sql if draft else ""):
                    assert named in str(draft).lower().partition(" sql=")[0]


def test_nothing_is_from_a_status():
    with open_database("sample") as database:
        orders = World(database).entities["orders"]
        for seed in range(300):
            rng = random.Random(seed)
            condition = a_condition(orders, Wording(rng, database.dialect, own_words=0.0), rng, False)
            assert condition is None or not re.search(r"^ (from|in|located in) [a-z'\"]", condition.that)


def test_what_many_rows_share_names_none_of_them(school: Database):
    pupil = World(school).entities["pupil"]
    assert "size_label" not in [column.name for column in pupil.labels]
    assert "size_label" in [column.name for column in pupil.groups]


def test_an_adjective_that_two_columns_could_mean_is_not_said(school: Database):
    course, pupil = World(school).entities["course"], World(school).entities["pupil"]
    price, cost = (c for c in course.table.columns if c.name in ("price", "cost"))
    assert course.adjectives(price) is None
    assert course.adjectives(cost) is None
    assert pupil.adjectives(pupil.measures[0]) == ("older", "oldest", "younger", "youngest")
