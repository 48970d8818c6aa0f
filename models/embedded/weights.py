"""The weights' folder: `model.safetensors` (bfloat16), `tokenizer.json`, `config.json`. Loaded once per
process.
"""

from __future__ import annotations

import copy
import json
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ModelError
from .adapter import merged, stored_for
from .items import KEYWORDS
from .prompt import PromptWriter

if TYPE_CHECKING:
    from torch import Tensor

    from .network import SketchNetwork

SHIPPED = Path(__file__).parent / "weights"


@lru_cache(maxsize=4)
def load_weights(folder: Path = SHIPPED, adapter: Path | None = None) -> tuple[SketchNetwork, PromptWriter]:
    """The network, ready to write, with an adapter merged in, and its prompt writer. Raises `ModelError` for
    a damaged or foreign folder.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from ..adapters.probes import ASKED, check_probes
    from .network import Shape, SketchNetwork
    from .probes import probe

    try:
        config = json.loads((folder / "config.json").read_text())
        # Every tensor is read from the file below: making them on "meta" first costs no time and no memory.
        with torch.device("meta"):
            network = SketchNetwork(Shape(**config["shape"]), dropout=0.0)
        state = {name: tensor.float() for name, tensor in load_file(folder / "model.safetensors").items()}
        state = merged(state, adapter, folder) if adapter else state
        network.load_state_dict(_completed(state), assign=True)
        writer = load_writer(folder)
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise ModelError(
            f"the embedded model's weights cannot be loaded ({type(error).__name__}): install sqlberg again"
        ) from error
    network = network.eval().requires_grad_(False)
    if adapter and (told := stored_for(folder, adapter).probes) is not None:
        check_probes(told, probe(network, writer, ASKED), adapter)
    return network, writer


@lru_cache(maxsize=2)
def load_members(folder: Path, adapter: Path | None, draws: int) -> tuple[SketchNetwork, PromptWriter]:
    """The network as so many members of a masked adapter's ensemble, each of which reads and writes rows of
    its own (`adapters/masks.py`). Raises `ModelError` for an adapter without a mask, or of other weights.
    """
    from ..adapters.folders import put_tensors
    from ..adapters.kinds import config_of
    from ..adapters.masks import check_masked, draw
    from ..adapters.probes import ASKED, check_probes
    from .probes import probe

    stored = stored_for(folder, adapter) if adapter else None
    check_masked(stored.adapter.mask if stored else 0.0)
    assert stored is not None
    assert adapter is not None
    config = config_of(stored.adapter, stored.targets)  # says so where peft is not installed
    from peft import inject_adapter_in_model

    network, writer = load_weights(folder)
    network = copy.deepcopy(network)
    inject_adapter_in_model(config, network)
    put_tensors(network, stored.tensors)
    network.eval().requires_grad_(False)
    if stored.probes is not None:  # told of the mean over all members
        check_probes(stored.probes, probe(network, writer, ASKED), adapter)
    draw(network, draws, seed=0)
    return network, writer


def _completed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights made before a keyword was added never write it; those made before judging judge by the
    probability of what they wrote alone.
    """
    import torch

    missing = len(KEYWORDS) - len(state["keywords.weight"])
    if missing > 0:
        for name in ("keywords.weight", "target_keyword.weight", "target_keyword.bias"):
            rows = state[name].new_zeros(missing, *state[name].shape[1:])
            state[name] = torch.cat([state[name], rows - 1e4 if name.endswith("bias") else rows])
    hidden = state["keywords.weight"].shape[1]
    return {"verdict.weight": torch.zeros(1, hidden + 3), "verdict.bias": torch.zeros(1)} | state


def load_writer(folder: Path) -> PromptWriter:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return PromptWriter(tokenizer)


def save_weights(network: SketchNetwork, tokenizer_file: Path, folder: Path, **about: object) -> None:
    """Write a weights folder; `about` (steps, data, …) is kept in its config."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    state = {
        name: tensor.detach().to(torch.bfloat16).contiguous() for name, tensor in network.state_dict().items()
    }
    partial = folder / "model.safetensors.partial"
    save_file(state, partial)
    partial.chmod(0o644)  # safetensors writes for the owner alone; a package is read by everyone
    partial.rename(folder / "model.safetensors")
    (folder / "config.json").write_text(
        json.dumps({"shape": asdict(network.shape), **about}, indent=1) + "\n"
    )
    if tokenizer_file.resolve() != (folder / "tokenizer.json").resolve():
        (folder / "tokenizer.json").write_bytes(tokenizer_file.read_bytes())
