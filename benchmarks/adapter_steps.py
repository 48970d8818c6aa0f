"""What a training step costs by the kind of its adapter, against LoRA's, side by side.

    python benchmarks/adapter_steps.py [--quick]

The Llama-shaped model of training.py (110 million random parameters), an adapter of rank 16 on all its linear
layers: PEFT's LoRA, PEFT's DoRA, and ours. A step is forward, backward and AdamW over 2 048 random tokens; on
a GPU over 16 384, in bfloat16. The kinds take turns within one process, nine times; ratios are medians of the
turns. Writes results/adapter_steps.json (not with --quick); ends by printing one JSON object. `ok`: BoRA's
step costs at most 1.15 of LoRA's and less than PEFT's DoRA's, in float32 and in bfloat16.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from parts.llama import QUICK, Size, model_of
from parts.run_folders import BENCHMARKS
from sqlberg.models.adapters.kinds import Adapter, attach

TURNS, RANK = 9, 16
MOST = 1.15
MASKED = 0.1


def kinds() -> dict[str, Callable[[Any], Any]]:
    """By name: the model with an adapter."""
    from peft import LoraConfig, get_peft_model

    theirs = LoraConfig(
        r=RANK, lora_alpha=2 * RANK, target_modules="all-linear", task_type="CAUSAL_LM", use_dora=True
    )
    return {
        "lora (PEFT)": lambda model: attach(model, Adapter("lora", RANK)),
        "dora (PEFT)": lambda model: get_peft_model(model, theirs),
        "dora": lambda model: attach(model, Adapter("dora", RANK)),
        "bora": lambda model: attach(model, Adapter("bora", RANK)),
        "lora, masked": lambda model: attach(model, Adapter("lora", RANK, mask=MASKED)),
        "bora, masked": lambda model: attach(model, Adapter("bora", RANK, mask=MASKED)),
    }


def measure(size: Size, batch: tuple[int, int], device: str, half: bool, turns: int) -> dict[str, Any]:
    """Seconds of a step and its ratio to LoRA's, by kind. batch: rows and tokens."""
    ids = torch.randint(10, size.vocabulary, batch, generator=torch.Generator().manual_seed(1)).to(device)
    steps = {name: _step(adapted(model_of(size)).to(device), ids, half) for name, adapted in kinds().items()}
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(-1, turns):
        for name, step in steps.items():
            began = time.perf_counter()
            step()
            if device == "cuda":
                torch.cuda.synchronize()
            if turn >= 0:  # the first warms up
                seconds[name].append(time.perf_counter() - began)
    first = seconds["lora (PEFT)"]
    return {
        name: {
            "seconds": round(median(own), 4),
            "ratio": round(median(a / b for a, b in zip(own, first, strict=True)), 3),
        }
        for name, own in seconds.items()
    }


def _step(model: Any, ids: torch.Tensor, half: bool) -> Callable[[], None]:
    trained = [parameter for parameter in model.train().parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=1e-4)

    def step() -> None:
        with torch.autocast(ids.device.type, torch.bfloat16, enabled=half):
            loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    return step


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a small model, few turns, results not written")
    given = parser.parse_args()
    size, turns = (QUICK, 2) if given.quick else (Size(), TURNS)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    batch = (2, 64) if given.quick else (16, 1024) if device == "cuda" else (4, 512)
    steps = {
        name: measure(size, batch, device, half, turns)
        for name, half in (("float32", False), ("bfloat16", True))
    }
    most = max(step["bora"]["ratio"] for step in steps.values())
    figures = {
        "benchmark": "adapter_steps",
        "device": torch.cuda.get_device_name() if device == "cuda" else f"{torch.get_num_threads()} cores",
        "tokens": batch[0] * batch[1],
        "rank": RANK,
        "turns": turns,
        "steps": steps,
        "ok": most <= MOST
        and all(step["bora"]["ratio"] < step["dora (PEFT)"]["ratio"] for step in steps.values()),
    }
    if not given.quick:
        text = json.dumps(figures, indent=2) + "\n"
        (BENCHMARKS / "results" / "adapter_steps.json").write_text(text, encoding="utf-8")
    print(json.dumps(figures))
    return 0 if figures["ok"] or given.quick else 1


if __name__ == "__main__":
    sys.exit(main())
