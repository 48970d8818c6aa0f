"""Candidates vote by result: grouping, weights, confidence, abstention, and the question back."""

from __future__ import annotations

import dataclasses
import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlberg.agents.answer import Answer, Logprob
from sqlberg.agents.clarify import ask_back, differences, rivals
from sqlberg.agents.conclusion import in_words
from sqlberg.agents.results import result_key
from sqlberg.agents.voting import elect, group_by_result
from sqlberg.tools.limits import Cut

Rows = list[tuple[object, ...]]


def candidate(sql: str, rows: Rows, *, logprob: float | None = None, ordered: bool = False) -> Answer:
    columns = tuple(f"c{i}" for i in range(len(rows[0]))) if rows else ("c0",)
    known = Logprob(logprob, 10) if logprob is not None else None
    return Answer("q", sql=sql, columns=columns, rows=rows, ordered=ordered, logprob=known, status="answered")


def test_what_the_data_says_against_it_lowers_the_confidence_of_a_vote() -> None:
    doubted = [dataclasses.replace(candidate(sql, [(0,)]), support=0.3) for sql in "abc"]
    assert elect(doubted).confidence == pytest.approx(0.3)


def test_candidates_that_were_cut_off_do_not_agree() -> None:
    cut_off = [dataclasses.replace(candidate(sql, [(0,)]), status="partial") for sql in "ab"]
    assert elect(cut_off).confidence == 0.0
    assert elect([*cut_off, candidate("c", [(0,)])]).confidence == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("candidates", "reason"),
    [
        (("a", "a"), "the confidence is 50%, less than the 80% asked for"),
        (
            ("a", ""),
            "the confidence is 25%, less than the 80% asked for (1 of 2 candidates came to an answer)",
        ),
        (
            ("a", "b"),
            "the candidates disagree (2 different results): of the best one the confidence is 25%, less than "
            "the 80% asked for",
        ),
    ],
)
def test_why_an_answer_is_withheld_is_told_as_it_is(candidates: tuple[str, ...], reason: str) -> None:
    half = [dataclasses.replace(candidate(sql, [(sql,)]), support=0.5) for sql in candidates]
    withheld = elect(half, abstain_below=0.8)
    assert (withheld.status, withheld.reason) == ("abstained", reason)


def test_row_order_does_not_count_without_order_by() -> None:
    groups = group_by_result([candidate("a", [(1,), (2,)]), candidate("b", [(2,), (1,)])])
    assert len(groups) == 1


def test_row_order_counts_when_every_candidate_orders_its_rows() -> None:
    rows: Rows = [(1,), (2,)]
    groups = group_by_result([candidate("a", rows, ordered=True), candidate("b", rows[::-1], ordered=True)])
    assert len(groups) == 2


def test_column_order_and_number_types_do_not_count() -> None:
    groups = group_by_result([candidate("a", [("x", 1)]), candidate("b", [(1.0, "x")])])
    assert len(groups) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1234567891.0, 1234567890.9999998),
        (1234567891, 1234567890.9999998),
        (-1234567891.0, -1234567890.9999998),
        (Decimal("1234567891.00"), 1234567891.0),
        (1000000000, 999999999.9999999),
        (9876543210123.0, 9876543210122.998),
        (100.0, 99.99999999999999),
        (12345678901.25, 12345678901.250002),
        (0.3, 0.1 + 0.2),
        (0, -0.0),
    ],
)
def test_numbers_that_differ_by_noise_are_one_result(one: object, other: object) -> None:
    assert result_key([(one,)], ordered=False) == result_key([(other,)], ordered=False)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1234567891, 1234567892),
        (1234567891.0, 1234567892.0),
        (1234567891.5, 1234567891),
        (1700000000000001, 1700000000000002),
        (1.00000001, 1.0),
        (math.inf, -math.inf),
        (math.nan, None),
    ],
)
def test_numbers_that_say_something_else_are_another_result(one: object, other: object) -> None:
    assert result_key([(one,)], ordered=False) != result_key([(other,)], ordered=False)


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("ab")), min_size=1, max_size=6), st.randoms())
def test_any_shuffle_of_rows_is_the_same_result(rows: list[tuple[int, str]], random) -> None:  # type: ignore[no-untyped-def]
    shuffled = rows[:]
    random.shuffle(shuffled)
    assert len(group_by_result([candidate("a", [*rows]), candidate("b", [*shuffled])])) == 1


def test_one_row_more_is_another_result() -> None:
    assert len(group_by_result([candidate("a", [(1,)]), candidate("b", [(1,), (1,)])])) == 2


def test_without_log_probabilities_the_most_votes_win() -> None:
    answer = elect([candidate("a", [(1,)]), candidate("b", [(2,)]), candidate("c", [(2,)])])
    assert (answer.sql, answer.confidence) == ("b", pytest.approx(2 / 3))


def test_with_log_probabilities_the_likeliest_wins_against_more_votes() -> None:
    unlikely = [candidate("b", [(2,)], logprob=-9.0), candidate("c", [(2,)], logprob=-9.0)]
    assert elect([*unlikely, candidate("a", [(1,)], logprob=-1.0)]).sql == "a"


def test_one_statement_found_twice_does_not_count_twice() -> None:
    twice = [candidate("b", [(2,)], logprob=-1.0)] * 2
    share = elect([*twice, candidate("a", [(1,)], logprob=-1.0)]).readings[0].share
    assert share == pytest.approx(0.5)


def sure(sql: str, rows: Rows, sureness: float, confidence: float | None = None) -> Answer:
    """A candidate of a model that says how sure it is; `confidence` is what the data leaves of it."""
    answer = candidate(sql, rows)
    told = sureness if confidence is None else confidence
    return dataclasses.replace(answer, logprob=Logprob(-1.0, 10, sureness), confidence=told)


def test_a_model_that_says_how_sure_it_is_is_taken_at_its_word() -> None:
    answer = elect([sure("a", [(1,)], 0.4), sure("b", [(2,)], 0.3), sure("c", [(2,)], 0.2)])
    assert (answer.sql, answer.confidence) == ("b", pytest.approx(0.5))
    answer = elect([sure("a", [(1,)], 0.9), sure("b", [(2,)], 0.6)])
    assert answer.confidence == pytest.approx(0.6)


def test_what_the_data_says_against_a_candidate_counts_in_the_vote() -> None:
    answer = elect([sure("a", [(1,)], 0.5, confidence=0.2), sure("b", [(2,)], 0.3)])
    assert answer.sql == "b"


def test_what_leaves_words_of_the_question_unsaid_counts_less_than_what_says_them() -> None:
    asked = "Which candidates have more support than opposition?"
    blind = sure("SELECT name FROM candidates WHERE support > age", [("a",)], 0.5)
    heard = sure("SELECT name FROM candidates WHERE support > opposition", [("b",)], 0.4)
    answer = elect([dataclasses.replace(one, question=asked) for one in (blind, heard)])
    assert (answer.sql, answer.confidence) == (heard.sql, pytest.approx(0.4))
    assert answer.readings[1].share == pytest.approx(0.3 / 0.7)
    assert (
        elect([dataclasses.replace(one, question="Which ones?") for one in (blind, heard)]).sql == blind.sql
    )


def test_candidates_that_did_not_run_lower_the_confidence() -> None:
    failed = Answer("q", status="failed", reason="no model")
    assert elect([candidate("a", [(1,)]), failed]).confidence == pytest.approx(0.5)


def test_when_nothing_ran_the_first_reason_stands() -> None:
    answer = elect([Answer("q", status="failed", reason="no model"), Answer("q", status="abstained")])
    assert (answer.status, answer.reason) == ("failed", "no model")


def test_below_the_threshold_the_answer_is_withheld_and_the_readings_stay() -> None:
    answer = elect([candidate("a", [(1,)]), candidate("b", [(2,)])], abstain_below=0.6)
    assert (answer.status, answer.rows, len(answer.readings)) == ("abstained", (), 2)


def test_readings_that_are_close_are_rivals() -> None:
    answer = elect([candidate("SELECT a FROM t", [(1,)]), candidate("SELECT b FROM t", [(2,)])])
    assert ask_back(answer).status == "clarify"


def test_a_reading_far_behind_is_no_rival() -> None:
    answer = elect([candidate("a", [(1,)])] * 3 + [candidate("b", [(2,)])])
    assert rivals(answer.readings) is None


def test_a_reading_that_found_nothing_is_no_rival() -> None:
    assert rivals(elect([candidate("a", [(1,)]), candidate("b", [])]).readings) is None


def test_the_question_back_says_what_sets_the_readings_apart() -> None:
    only_first, only_second = differences(
        "SELECT sum(o.net) FROM orders AS o", "SELECT sum(orders.gross) FROM orders", dialect="duckdb"
    )
    assert (only_first, only_second) == (["orders.net"], ["orders.gross"])


def test_readings_of_the_same_parts_are_told_by_their_statements() -> None:
    fewer, more = "SELECT a FROM t ORDER BY b, c", "SELECT a FROM t ORDER BY c, b"
    answer = ask_back(elect([candidate(fewer, [(1,)]), candidate(more, [(2,)])]))
    assert answer.text.endswith(f"(1) {fewer}: 1. (2) {more}: 2.")


def test_readings_that_were_cut_are_not_told_with_a_count() -> None:
    cut = (Cut("rows", 2),)
    rows: Rows = [(1,), (2,)]
    pair = [dataclasses.replace(candidate(sql, rows[:n]), cuts=cut) for sql, n in (("a", 1), ("b", 2))]
    readings = elect(pair).readings
    assert "and many more rows" in ask_back(elect(pair)).text
    assert in_words(("c0",), rows, readings[0].cuts) == "more than 2 rows: 1; 2; …"
    assert in_words(("c0",), rows, ()) == "2 rows: 1; 2"
