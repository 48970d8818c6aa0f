"""From a model reference to a chat model: the one place that knows which references there are.

    embedded[+ADAPTER]                    ships with sqlberg, runs on the CPU
    transformers:NAME_OR_PATH[+ADAPTER]   in this process
    MODEL+ADAPTER*N                       the same, as the ensemble of N masks of LoRA Dropout
    vllm:NAME[,NAME...]                   on a vLLM server (base_url, default http://127.0.0.1:8000/v1);
                                          several names vote on each question
    PROVIDER:MODEL                        what LangChain's init_chat_model takes; with base_url any
                                          OpenAI-compatible server (openai:NAME)

Nothing heavy is imported before a reference needs it. Every failure is a ModelError of one line.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel

from .errors import UnknownModel, UnsupportedOption
from .in_use import expanded, resolved
from .served import (
    KEYS,
    PACKAGES,
    VLLM_ADDRESS,
    connect_compatible,
    connect_provider,
    connect_vllm,
    missing_key,
    missing_package,
    served_by_vllm,
)

MOST_MEMBERS = 64


@dataclass(frozen=True)
class ModelListing:
    """One line of `sqlberg models`: `needs` is empty when it can be used here now, else what to do first."""

    reference: str
    runs: str
    needs: str = ""


@dataclass(frozen=True)
class ToLoad:
    """A model that is loaded where it is used: another process is sent this instead of the model."""

    reference: str
    base_url: str | None = None


def loaded(model: BaseChatModel | ToLoad | str) -> BaseChatModel:
    """The model itself, loaded if it is not. Raises as `load_chat_model`."""
    if isinstance(model, str):
        return load_chat_model(model)
    return load_chat_model(model.reference, base_url=model.base_url) if isinstance(model, ToLoad) else model


def load_chat_model(
    reference: str,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    adapter: str | Path | None = None,
    temperature: float | None = None,
    seed: int | None = None,
    max_tokens: int | None = None,
    timeout: float | None = None,
    dtype: str = "auto",
    device: str = "auto",
    connect_seconds: float = 5.0,
) -> BaseChatModel:
    """The chat model that `reference` names, ready to answer; None leaves an option to the model.

    `adapter` is a PEFT folder (for models in process; made by `sqlberg fit` for the embedded one) and the
    same as `+ADAPTER`; `timeout` and `connect_seconds` are seconds; `dtype` and `device` are for transformers
    models. Raises UnknownModel, MissingExtra, ServerUnreachable, ModelError for an adapter that does not fit,
    or UnsupportedOption for an option that this kind of model cannot follow.
    """
    reference, members = members_of(reference)
    kind, name = _split(reference)
    if kind in ("embedded", "transformers"):
        kind, name, named = in_process(reference)
        if named is not None and adapter is not None:
            raise UnsupportedOption(f"two adapters for {reference} and {adapter}; give one")
        adapter = named or (resolved(expanded(adapter)) if adapter is not None else None)
    options = {"temperature": temperature, "seed": seed, "max_tokens": max_tokens, "timeout": timeout}
    given = {option: value for option, value in options.items() if value is not None}
    if members:
        given["members"] = members
    here: dict[str, Any] = {"dtype": dtype, "device": device}
    if kind != "embedded":
        here["adapter"] = adapter
    if kind in ("embedded", "transformers"):
        _refuse(reference, "only a served model has it", base_url=base_url, api_key=api_key)
    if kind != "transformers":
        set_here = {option: None if value == "auto" else value for option, value in here.items()}
        _refuse(reference, "only a transformers: model has it", **set_here)
    if kind == "embedded":
        from .embedded.adapter import looks_like_one
        from .embedded.chat_model import EmbeddedChatModel

        known = EmbeddedChatModel.model_fields
        if adapter is not None:
            given["adapter"] = looks_like_one(Path(adapter))
        unknown = {option: value for option, value in given.items() if option not in known}
        _refuse(reference, "the embedded model does not have it", **unknown)
        return _made(EmbeddedChatModel, given)
    if kind == "transformers":
        from .transformers_chat import TransformersChatModel

        told = {"adapter": adapter, "dtype": dtype, "device": device}
        return _made(partial(TransformersChatModel.load, name, **told), given)
    if kind == "vllm":
        told = {"base_url": base_url, "api_key": api_key, "seconds": connect_seconds, **given}
        names = [one.strip() for one in name.split(",")]
        if len(names) == 1:
            return connect_vllm(name, **told)
        from .ensemble import EnsembleChatModel

        return EnsembleChatModel(members=[connect_vllm(one, **told) for one in names], model_name=name)
    if base_url is not None and kind == "openai":
        return connect_compatible(name, base_url=base_url, api_key=api_key, seconds=connect_seconds, **given)
    return connect_provider(reference, base_url=base_url, api_key=api_key, **given)


def in_process(reference: str) -> tuple[str, str, Path | None]:
    """Kind, name and adapter of a model whose weights are at hand: `embedded[+ADAPTER]` (named "") or
    `transformers:NAME_OR_PATH[+ADAPTER]`. A run folder of `sqlberg improve` stands for the adapter in use
    there. Raises UnknownModel for others: their weights are elsewhere.
    """
    kind, name = _split(reference)
    if kind not in ("embedded", "transformers"):
        raise UnknownModel(f"{reference!r} does not run here: give embedded or transformers:NAME_OR_PATH")
    # A folder's own name may hold a plus sign; only what is no folder is split.
    named = name
    if kind == "embedded":
        name = ""
    elif "+" in name and not expanded(name).is_dir():
        name, _, named = name.rpartition("+")
    else:
        return kind, name, None
    if not named and reference.rstrip().endswith("+"):
        raise UnknownModel(f"{reference!r} names no adapter behind its +: give one, or leave the + out")
    return kind, name, resolved(expanded(named)) if named else None


def list_models(*, base_url: str | None = None, api_key: str | None = None) -> list[ModelListing]:
    """The references there are, with what each still needs; with `base_url` also what that server serves."""
    peft = "" if _installed("peft") else "pip install 'sqlberg[train]'"
    openai = _pip(missing_package("openai"))
    server = "" if base_url else f"a server at {VLLM_ADDRESS}, or another --base-url"
    compatible = "" if base_url else _key("openai", ", or --base-url")
    listings = [
        ModelListing("embedded", "in this process, on the CPU; ships with sqlberg"),
        ModelListing("embedded+ADAPTER", "the same, fitted to a database by `sqlberg fit`"),
        ModelListing("transformers:NAME_OR_PATH", "in this process; a Hugging Face model or folder"),
        ModelListing("transformers:NAME_OR_PATH+ADAPTER", "in this process, with a trained adapter", peft),
        ModelListing("MODEL+ADAPTER*N", "the same; N masks of LoRA Dropout answer as one", peft),
        ModelListing("vllm:NAME", "on a vLLM server, see --base-url", openai or server),
        ModelListing(
            "vllm:NAME,NAME,...", "the same; several adapters vote on each question", openai or server
        ),
        ModelListing(
            "openai:NAME", "at OpenAI, or on any compatible server with --base-url", openai or compatible
        ),
    ]
    for provider in PACKAGES:
        if provider != "openai":
            asked = provider in KEYS
            runs = "at the provider, with its API key" if asked else f"on a server of {provider}"
            needs = _pip(missing_package(provider)) or (
                _key(provider) if asked else f"a running server of {provider}"
            )
            listings.append(ModelListing(f"{provider}:NAME", runs, needs))
    if base_url is not None:
        served = served_by_vllm(base_url, api_key=api_key)
        listings += [ModelListing(f"vllm:{name}", "served at the given address", openai) for name in served]
    return listings


def members_of(reference: str) -> tuple[str, int]:
    """A reference without its number of members, and that number (0: none is told). Raises UnknownModel."""
    found = re.fullmatch(r"(.+\+.+)\*(\d+)", reference.strip())
    if found is None:
        return reference, 0
    if len(found[2]) > 9 or not 1 <= int(found[2]) <= MOST_MEMBERS:
        raise UnknownModel(f"{reference!r}: an ensemble has 1 to {MOST_MEMBERS} members")
    return found[1], int(found[2])


def _split(reference: str) -> tuple[str, str]:
    reference = reference.strip()
    if reference == "embedded" or reference.startswith("embedded+"):
        return "embedded", reference.removeprefix("embedded").removeprefix("+")
    kind, colon, name = reference.partition(":")
    if not colon or not kind or not name:
        raise UnknownModel(
            f"unknown model {reference!r}: use embedded, transformers:NAME_OR_PATH, vllm:NAME"
            " or PROVIDER:MODEL"
        )
    if kind == "embedded":
        raise UnknownModel(f"unknown model {reference!r}: the embedded model is called just embedded")
    return kind, name


def _made(make: Callable[..., BaseChatModel], options: dict[str, Any]) -> BaseChatModel:
    """Raises `UnsupportedOption` for what an option cannot be."""
    from pydantic import ValidationError

    try:
        return make(**options)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        told = f"the option {first['loc'][0]} cannot be {first['input']!r}: {first['msg']}"
        raise UnsupportedOption(told) from None


def _refuse(reference: str, why: str, **options: Any) -> None:
    for option, value in options.items():
        if value is not None:
            raise UnsupportedOption(f"{reference} cannot follow {option.replace('_', '-')}: {why}")


def _pip(package: str | None) -> str:
    return f"pip install '{package}'" if package else ""


def _key(provider: str, instead: str = "") -> str:
    missing = missing_key(provider)
    return f"a key in {missing}{instead}" if missing else ""


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
