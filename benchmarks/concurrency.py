"""Whether one SqlAgent, asked by 20 threads at once, answers as it does one question at a time; memory and
speed.

    python benchmarks/concurrency.py [--quick] [--model embedded]

200 questions about a small shop are asked one by one, then the same by 20 threads of the same agent. Every
answer must have the same status, SQL, result and words. With the scripted model (default) the right SQL of
each question is known, so an answer that got mixed up with another's is seen; every fifth question is part of
a conversation of two. Memory is the resident size of this process and of its sandbox children, after the
one-by-one round and after each of three (a real model: two) concurrent rounds: flat means that those after
the first add less than 5 MB together. Writes results/concurrency.json (one file for each model); ends by
printing one JSON object.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from parts.plan_model import PlanModel
from sqlberg.agents.answer import Answer
from sqlberg.agents.results import result_digest
from sqlberg.agents.sql_agent import SqlAgent
from sqlberg.tools.database import open_database

RESULTS = Path(__file__).parent / "results"
QUESTIONS = 200
THREADS = 20
MOST_GROWTH_MB = 5.0


def questions(count: int) -> list[str]:
    """Different questions on the bundled shop, each with a number of its own."""
    forms = (
        "How many products cost more than {n} euros?",
        "Which customers registered in the first {n} days of 2023?",
        "How many orders have more than {n} items?",
        "What are the names of the {n} most expensive products?",
        "What is the average price of products that cost less than {n} euros?",
    )
    return [forms[number % len(forms)].format(n=number + 3) for number in range(count)]


def plan(question: str) -> list[tuple[str, dict[str, Any]]]:
    """A search, and the statement that answers the question."""
    number = next(int(word) for word in question.split() if word.isdigit())
    statements = {
        "How many products": f"SELECT count(*) FROM products WHERE price > {number}",
        "Which customers": "SELECT first_name, last_name FROM customers "
        "WHERE registered_on >= DATE '2023-01-01' "
        f"AND registered_on < DATE '2023-01-01' + INTERVAL {number} DAY",
        "How many orders": "SELECT count(*) FROM (SELECT order_id FROM order_items GROUP BY order_id "
        f"HAVING sum(quantity) > {number})",
        "What are": f"SELECT name FROM products ORDER BY price DESC, name LIMIT {number}",
        "What is": f"SELECT avg(price) FROM products WHERE price < {number}",
    }
    sql = next(sql for start, sql in statements.items() if question.startswith(start))
    return [("search_column", {"queries": [question]}), ("execute_sql", {"sql": sql})]


@dataclass(frozen=True)
class Gist:
    """What must be equal of two answers to one question."""

    status: str
    sql: str
    result: str
    text: str


def gist(answer: Answer) -> Gist:
    digest = result_digest(answer.columns, answer.rows, ordered=answer.ordered)
    return Gist(answer.status, answer.sql, digest, answer.text)


def ask_all(agent: SqlAgent, asked: list[str], *, threads: int, talk: str) -> tuple[list[Gist], float]:
    """Every question in `threads` threads; every fifth in a conversation of its own. Gists and seconds."""

    def ask(item: tuple[int, str]) -> Gist:
        number, question = item
        if number % 5:
            return gist(agent.ask(question))
        agent.ask(question, thread_id=f"{talk}-{number}")
        answer = agent.ask(question, thread_id=f"{talk}-{number}")
        agent.forget(f"{talk}-{number}")
        return gist(answer)

    started = time.perf_counter()
    if threads == 1:
        return [ask(item) for item in enumerate(asked)], time.perf_counter() - started
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(ask, enumerate(asked))), time.perf_counter() - started


def megabytes() -> dict[str, float]:
    """Resident size of this process and of all its children."""
    gc.collect()
    process = psutil.Process()
    children = [child.memory_info().rss for child in process.children(recursive=True)]
    return {
        "parent_mb": round(process.memory_info().rss / 2**20, 1),
        "children_mb": round(sum(children) / 2**20, 1),
        "children": len(children),
    }


def measure(model: str, count: int) -> dict[str, Any]:
    asked = questions(count)
    speaker = PlanModel(plan=plan) if model == "scripted" else model
    # A model that thinks takes its time: fewer rounds show the same.
    rounds_asked = 3 if model == "scripted" else 2
    with tempfile.TemporaryDirectory() as folder, open_database("sample", cache_dir=Path(folder)) as database:
        agent = SqlAgent(database, speaker)
        agent.ask(asked[0])  # builds catalog and indexes
        one_by_one, alone_seconds = ask_all(agent, asked, threads=1, talk="alone")
        rounds, memory = [], [megabytes()]
        for number in range(rounds_asked):
            rounds.append(ask_all(agent, asked, threads=THREADS, talk=f"round{number}"))
            memory.append(megabytes())
        agent.close()
    different = [
        question
        for answers, _ in rounds
        for question, answer, wanted in zip(asked, answers, one_by_one, strict=True)
        if answer != wanted
    ]
    right = model != "scripted" or all(
        answer.sql == plan(question)[-1][1]["sql"] for question, answer in zip(asked, one_by_one, strict=True)
    )
    growth = round(memory[-1]["parent_mb"] - memory[1]["parent_mb"], 1)
    return {
        "benchmark": "concurrency",
        "model": model,
        "questions": count,
        "threads": THREADS,
        "answered": sum(answer.status == "answered" for answer in one_by_one),
        "different": len(different),
        "different_questions": different[:5],
        "right_sql": right,
        "memory": memory,
        "growth_mb_after_first_round": growth,
        "questions_a_second_one_by_one": round(count / alone_seconds, 1),
        "questions_a_second_concurrent": round(count / rounds[1][1], 1),
        "ok": not different and right and growth <= MOST_GROWTH_MB,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="40 questions (10 of a real model), results not written"
    )
    parser.add_argument("--model", default="scripted", help='"scripted" (default) or a model reference')
    options = parser.parse_args()
    quick = 40 if options.model == "scripted" else 10
    figures = measure(options.model, quick if options.quick else QUESTIONS)
    if not options.quick:
        RESULTS.mkdir(exist_ok=True)
        name = "concurrency" if options.model == "scripted" else f"concurrency_{options.model.split(':')[0]}"
        (RESULTS / f"{name}.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures))
    return 0 if figures["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
