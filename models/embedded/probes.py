"""What the embedded model would write first for a few fixed questions: the fingerprint of an adapter's
outputs, as `adapters/probes.py` takes it of causal models.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..adapters.probes import COMPARED, Probed
from .items import KEYWORD_IDS, START
from .reading import SeenColumn, SeenTable, SeenValue, Situation
from .sql_writer import JoinKey

if TYPE_CHECKING:
    from .network import SketchNetwork
    from .prompt import PromptWriter

PROBES = (
    Situation(
        question="What is the average salary of the workers from Chile?",
        tables=[SeenTable("worker", ("id",))],
        columns=[
            SeenColumn("worker", "salary", "INTEGER", is_number=True),
            SeenColumn("worker", "name", "TEXT", holds_words=True),
            SeenColumn("worker", "country", "TEXT", values=("Chile", "Norway"), holds_words=True),
        ],
        values=[SeenValue("worker", "country", "Chile", "exact")],
    ),
    Situation(
        question="Show the names of the three customers with the most orders.",
        tables=[SeenTable("customer", ("id",)), SeenTable("orders", ("id",))],
        columns=[
            SeenColumn("customer", "name", "TEXT", holds_words=True),
            SeenColumn("orders", "customer_id", "INTEGER", is_key=True, is_number=True),
        ],
        joins=[JoinKey("orders", ("customer_id",), "customer", ("id",))],
    ),
)
BEGUN = ([START], [START, KEYWORD_IDS["execute"]], [START, KEYWORD_IDS["execute"], KEYWORD_IDS["select"]])
"""After each of these the next output is looked at."""


def probe(network: SketchNetwork, writer: PromptWriter, count: int = COMPARED) -> Probed:
    """The log-probabilities of the likeliest next outputs, by their numbers; of the network in evaluation."""
    import torch

    from .tensors import prompt_tensors

    training = network.training
    network.eval()
    found = []
    try:
        for situation in PROBES:
            with torch.inference_mode():
                memory = prompt_tensors([writer.write(situation)]).read(network)
                for begun in BEGUN:
                    scores = network.write(memory, torch.tensor([begun]))[0, -1].float().log_softmax(-1)
                    best = scores.topk(min(count, len(scores)))
                    pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
                    found.append({str(output): round(value, 4) for output, value in pairs})
    finally:
        network.train(training)
    return found
