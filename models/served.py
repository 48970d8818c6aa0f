"""Chat models behind a server: vLLM and every other OpenAI-compatible one, and providers by LangChain's name.

Covered: before a model is handed out, an OpenAI-compatible server at a given address is asked once which
models it serves, so that a wrong address or name is one clear line now and not a traceback in the middle of a
question. Not covered: hosted providers without `base_url` are not contacted until the first question. API
keys are passed on and never shown.
"""

from __future__ import annotations

import importlib.util
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel

from .errors import MissingExtra, ModelError, UnknownModel, UnsupportedOption, one_line, redact
from .serving import in_service
from .serving.client import Served, Server
from .serving.engine import rank_told
from .serving.following import following

VLLM_ADDRESS = "http://127.0.0.1:8000/v1"
"""Where `vllm serve` listens unless told otherwise."""

PACKAGES: Mapping[str, str] = {
    "openai": "sqlberg[openai]",
    "anthropic": "langchain-anthropic",
    "google_genai": "langchain-google-genai",
    "mistralai": "langchain-mistralai",
    "ollama": "langchain-ollama",
    "huggingface": "langchain-huggingface",
}
"""What to install for the best-known providers."""

KEYS: Mapping[str, tuple[str, ...]] = {
    "openai": ("OPENAI_API_KEY",),
    "anthropic": ("ANTHROPIC_API_KEY",),
    "google_genai": ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    "mistralai": ("MISTRAL_API_KEY",),
    "huggingface": ("HUGGINGFACEHUB_API_TOKEN", "HF_TOKEN"),
}
"""The environment variables, any of which holds the key, of those providers that want one."""


def connect_vllm(
    name: str, *, base_url: str | None, api_key: str | None, seconds: float, **options: Any
) -> BaseChatModel:
    """A model that a vLLM server serves as `name`, with log-probabilities: a base model, a LoRA adapter, or
    whatever is in service under that name as each request is sent (`serving/in_service.py`).

    Raises ServerUnreachable when nothing answers within `seconds`, UnknownModel when the name is not served.
    """
    address = (base_url or VLLM_ADDRESS).rstrip("/")
    api_key = api_key or os.environ.get("VLLM_API_KEY")
    server = Server(address, api_key, seconds)
    models = server.models()
    served = [model.name for model in models if rank_told(model.name) is None]
    # Always with a key: the client would else send OPENAI_API_KEY from the environment to this server.
    options |= {
        "api_key": api_key or "none",
        "logprobs": True,
        "stream_usage": True,
        "use_responses_api": False,
    }
    if name not in served and name in in_service.named(models) and not missing_package("openai"):
        return following(server, name, **options)
    _check_served(name, _askable(models), address)
    return connect_provider(f"openai:{name}", base_url=address, **options)


def connect_compatible(
    name: str, *, base_url: str, api_key: str | None, seconds: float, **options: Any
) -> BaseChatModel:
    """`name` on any other OpenAI-compatible server; the key may come from OPENAI_API_KEY. Errors as above."""
    api_key = api_key or os.environ.get("OPENAI_API_KEY") or "none"
    _check_served(name, served_models(base_url, api_key=api_key, seconds=seconds), base_url)
    return connect_provider(f"openai:{name}", base_url=base_url, api_key=api_key, **options)


def connect_provider(reference: str, **options: Any) -> BaseChatModel:
    """`provider:model` through LangChain's init_chat_model; options that are None are left out.

    Raises MissingExtra, UnknownModel, or UnsupportedOption for an option that the provider's class does not
    know.
    """
    try:
        from langchain.chat_models import init_chat_model
    except ImportError:
        raise MissingExtra(f"{reference} needs LangChain: pip install 'sqlberg[openai]'") from None
    given = {name: value for name, value in options.items() if value is not None}
    provider = reference.partition(":")[0]
    secret = given.get("api_key")
    if missing := missing_package(provider):
        raise MissingExtra(f"{reference} needs a package: pip install '{missing}'")
    try:
        with warnings.catch_warnings():
            # An option that a class does not know becomes a warning and then a failed request: refuse it
            # here.
            warnings.filterwarnings("error", message=r".*is not default parameter.*")
            return init_chat_model(reference, **given)
    except ImportError:
        package = f"langchain-{provider.replace('_', '-')}"
        raise MissingExtra(f"{reference} needs a package, usually: pip install '{package}'") from None
    except UserWarning as warning:
        raise UnsupportedOption(f"{reference} cannot follow an option: {one_line(warning, secret)}") from None
    except ValueError as error:
        if "Unsupported provider" in str(error) or "infer model provider" in str(error):
            raise UnknownModel(f"unknown provider {provider!r} in {reference!r}") from None
        raise ModelError(f"{reference} cannot be set up: {one_line(error, secret)}") from None
    except Exception as error:
        # Clients raise classes of their own, most often for a missing key, and their text may hold settings.
        if "api_key" in str(error) or "API key" in str(error) or "credentials" in str(error):
            key = KEYS.get(provider, (f"{provider.upper()}_API_KEY",))[0]
            raise ModelError(f"{reference} needs an API key: set it in the environment ({key})") from None
        raise ModelError(f"{reference} cannot be set up: {one_line(error, secret)}") from None


def missing_package(provider: str) -> str | None:
    """What to give pip before one of the best-known providers can be used; None when nothing is missing."""
    installed = importlib.util.find_spec(f"langchain_{provider}") is not None
    return None if installed else PACKAGES.get(provider)


def missing_key(provider: str) -> str | None:
    """The environment variable in which one of the best-known providers finds its key; None when it does, or
    wants none.
    """
    names = KEYS.get(provider, ())
    return None if any(os.environ.get(name) for name in names) or not names else names[0]


def served_models(base_url: str, *, api_key: str | None = None, seconds: float = 5.0) -> tuple[str, ...]:
    """The names that the OpenAI-compatible server at `base_url` serves, in its order.

    Raises ServerUnreachable or ModelError (key refused, no such server) with the address, without its
    password.
    """
    models = Server(base_url, api_key, seconds).models()
    return tuple(model.name for model in models if rank_told(model.name) is None)


def served_by_vllm(base_url: str, *, api_key: str | None = None, seconds: float = 5.0) -> tuple[str, ...]:
    """The same, and the names that have a version in service. Raises as above."""
    return _askable(Server(base_url, api_key, seconds).models())


def _askable(models: Sequence[Served]) -> tuple[str, ...]:
    own = tuple(model.name for model in models if rank_told(model.name) is None)
    return own + tuple(name for name in in_service.named(models) if name not in own)


def _check_served(name: str, served: Sequence[str], address: str) -> None:
    if name not in served:
        offered = ", ".join(served) or "nothing"
        raise UnknownModel(f"the server at {redact(address)} serves {offered}; not {name!r}")
