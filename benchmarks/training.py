"""Preference training side by side with TRL's DPOTrainer: pairs a second, memory, and the same losses.

    python benchmarks/training.py [--quick]

One model (Llama-shaped, 110 million random parameters, LoRA of rank 16 on all its linear layers), the same
pairs of random tokens with the lengths of text-to-SQL dialogues, the same starting adapter, order, rate and
optimiser. Each side runs in a process of its own, in turns, three times; ratios are medians of the turns.
Both compute the reference before they train, and that is part of their time.

TRL's settings are the fastest tried on this kind of machine: reference log-probabilities ahead of time, no
gradient checkpointing, all pairs of a step in one batch, batches of like length (the pairs come to both sides
in the same order). Writes results/training.json; ends with one JSON object. `ok`: at least twice the pairs a
second, at most half of the memory on top of the model, and losses equal to 1e-4 at every step.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from parts.llama import QUICK, Size, model_of

RESULTS = Path(__file__).parent / "results" / "training.json"
TURNS = 3
RATE, BETA, BATCH = 1e-4, 0.1, 4
FASTER, SMALLER, EQUAL = 2.0, 0.5, 1e-4


Pair = tuple[list[int], list[int], list[int]]


def pairs_of(size: Size) -> list[Pair]:
    """Prompt, chosen and rejected, in batches of like length."""
    rng = random.Random(0)

    def tokens(bounds: tuple[int, int]) -> list[int]:
        return rng.choices(range(10, size.vocabulary), k=rng.randint(*bounds))

    made = [(tokens(size.prompt), tokens(size.response), tokens(size.response)) for _ in range(size.pairs)]
    return sorted(made, key=lambda pair: sum(map(len, pair)))


def adapted(size: Size) -> Any:
    import torch
    from sqlberg.models.adapters.kinds import Adapter, attach

    model = model_of(size)
    torch.manual_seed(1)
    return attach(model, Adapter(rank=16))


def ours(size: Size, folder: Path) -> dict[str, Any]:
    from sqlberg.training import trainer
    from sqlberg.training.losses import Options
    from sqlberg.training.policies import CausalPolicy, EncodedTree
    from sqlberg.training.tokens import Turn
    from sqlberg.training.trees import tree_of

    class Plain:
        pad_token_id = 0

        def __call__(self, text: str, **_: Any) -> dict[str, list[int]]:
            return {"input_ids": list(text.encode())}

    policy = CausalPolicy(adapted(size), Plain())
    rows = [
        EncodedTree(tree_of([[Turn(tuple(p), tuple(c))], [Turn(tuple(p), tuple(r))]]))
        for p, c, r in pairs_of(size)
    ]
    # Both sides take the pairs as they come, at one rate.
    trainer.epoch_batches = lambda lengths, batch, *_: [
        list(range(start, min(start + batch, len(lengths)))) for start in range(0, len(lengths), batch)
    ]
    trainer.learning_rate = lambda *_: RATE
    settings = trainer.Settings(
        options=Options(beta=BETA), batch=BATCH, micro=BATCH, rate=RATE, half=False, save_every=10**6
    )
    losses: list[float] = []
    held = resident()
    began = time.perf_counter()
    trainer.train(policy, rows, settings, folder, tell=lambda step: losses.append(step.loss))
    return {"losses": losses, "seconds": time.perf_counter() - began, **memory(held)}


def theirs(size: Size, folder: Path) -> dict[str, Any]:
    import torch
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.dpo_trainer import DPOTrainer

    rows = [{"prompt_ids": p, "chosen_ids": c, "rejected_ids": r} for p, c, r in pairs_of(size)]
    losses: list[float] = []

    class Watch(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if logs and "loss" in logs:
                losses.append(float(logs["loss"]))

    class InOrder(DPOTrainer):
        def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
            return dataset

        def _get_train_sampler(self, train_dataset: Any = None) -> Any:
            return torch.utils.data.SequentialSampler(train_dataset or self.train_dataset)

    model = adapted(size)
    held = resident()
    began = time.perf_counter()
    settings = DPOConfig(
        output_dir=str(folder), beta=BETA, per_device_train_batch_size=BATCH, num_train_epochs=1,
        learning_rate=RATE, lr_scheduler_type="constant", max_grad_norm=1.0, weight_decay=0.0,
        gradient_checkpointing=False, precompute_ref_log_probs=True, precompute_ref_batch_size=BATCH,
        logging_steps=1, save_strategy="no", report_to=[], use_cpu=True, bf16=False, max_length=None,
        disable_tqdm=True, remove_unused_columns=False,
    )  # fmt: skip
    trainer = InOrder(
        model=model,
        args=settings,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer_of(folder),
        callbacks=[Watch()],
    )
    trainer.train()
    return {"losses": losses, "seconds": time.perf_counter() - began, **memory(held)}


def tokenizer_of(folder: Path) -> Any:
    """One that only has to be there: the pairs are tokens already."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    plain = Tokenizer(models.WordLevel({"<pad>": 0, "<eos>": 1}, unk_token="<pad>"))
    return PreTrainedTokenizerFast(tokenizer_object=plain, pad_token="<pad>", eos_token="<eos>")


def resident() -> float:
    """MiB in use now."""
    import psutil

    return psutil.Process().memory_info().rss / 2**20


def memory(held: float) -> dict[str, float]:
    """MiB at the highest, and how much of it came on top of the model."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"peak_mib": peak, "training_mib": peak - held}


def run(side: str, quick: bool) -> dict[str, Any]:
    """One side in a process of its own."""
    command = [sys.executable, __file__, "--side", side, *(["--quick"] if quick else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{side} failed: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(quick: bool) -> dict[str, Any]:
    size = QUICK if quick else Size()
    turns = []
    for number in range(1 if quick else TURNS):
        order = ("ours", "trl") if number % 2 == 0 else ("trl", "ours")
        turns.append({side: run(side, quick) for side in order})
        print(f"turn {number + 1} done", file=sys.stderr, flush=True)
    gaps = [
        abs(a - b)
        for turn in turns
        for a, b in zip(turn["ours"]["losses"], turn["trl"]["losses"], strict=True)
    ]
    pairs = pairs_of(size)
    shared = sum(2 * len(p) for p, _, _ in pairs) / sum(2 * len(p) + len(c) + len(r) for p, c, r in pairs)

    def median(key: str, side: str) -> float:
        return statistics.median(turn[side][key] for turn in turns)

    faster = statistics.median(t["trl"]["seconds"] / t["ours"]["seconds"] for t in turns)
    smaller = statistics.median(t["ours"]["training_mib"] / t["trl"]["training_mib"] for t in turns)
    return {
        "benchmark": "training",
        "parameters": sum(p.numel() for p in model_of(size).parameters()),
        "pairs": size.pairs,
        "shared_prompt": round(shared, 3),
        "pairs_a_second": {side: round(size.pairs / median("seconds", side), 3) for side in ("ours", "trl")},
        "peak_mib": {side: round(median("peak_mib", side)) for side in ("ours", "trl")},
        "training_mib": {side: round(median("training_mib", side)) for side in ("ours", "trl")},
        "speed_ratio": round(faster, 2),
        "memory_ratio": round(smaller, 2),
        "largest_loss_gap": max(gaps),
        "steps": len(gaps) // len(turns),
        "ok": faster >= FASTER and smaller <= SMALLER and max(gaps) <= EQUAL,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a small model, one turn, results not written")
    parser.add_argument("--side", choices=("ours", "trl"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        size = QUICK if given.quick else Size()
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps({"ours": ours, "trl": theirs}[given.side](size, Path(folder))))
        return 0
    figures = measure(given.quick)
    if not given.quick:
        RESULTS.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(figures))
    return 0 if figures["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
