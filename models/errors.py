"""The errors of the chat models: one class per cause, each message one line that says what to do.

`explain` turns whatever a provider's client raised into such a line. Covered: API keys and passwords inside
addresses never appear in a message. Not covered: what a server itself chooses to write into its answer beyond
the shapes of keys that `redact` knows.
"""

from __future__ import annotations

import re

from ..errors import SqlbergError

_ADDRESS_PASSWORD = re.compile(r"(?<=://)[^/\s]+@")  # a password may hold an @ itself
_KEY_SHAPES = re.compile(
    r"\b(?:sk|pk|hf|gsk|xai|AIza|Bearer)[-_ ][A-Za-z0-9*._-]{6,}|\bAIza[A-Za-z0-9_-]{20,}"
)
_LONGEST_MESSAGE = 300
DAMAGED = (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError)
"""What libraries raise over damaged files of models, safetensors' own error aside."""


class ModelError(SqlbergError):
    """A chat model cannot be loaded or could not answer."""


class UnknownModel(ModelError):
    """The reference names no chat model, or none that the server serves."""


class MissingExtra(ModelError):
    """A package that this kind of model needs is not installed; the message holds the pip command."""


class ServerUnreachable(ModelError):
    """No model server answers at the address."""


class UnsupportedOption(ModelError):
    """The model cannot follow an option; nothing is ignored silently."""


def redact(text: str, *secrets: str | None) -> str:
    """`text` without the given secrets, passwords in addresses and anything shaped like an API key."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return _KEY_SHAPES.sub("***", _ADDRESS_PASSWORD.sub("***@", text))


def one_line(error: BaseException, *secrets: str | None) -> str:
    """The error's message, redacted, on one line of at most 300 characters; without one its class name."""
    text = " ".join(redact(str(error), *secrets).split()) or type(error).__name__
    return text if len(text) <= _LONGEST_MESSAGE else text[: _LONGEST_MESSAGE - 1] + "…"


def explain(error: BaseException, reference: str = "the model") -> ModelError:
    """What a call to a chat model raised, as a ModelError whose one line says what to do.

    Providers' clients share no classes, but they share HTTP status codes and the names of their errors, so
    both are read by name: no client library is imported for it.
    """
    if isinstance(error, ModelError):
        return error
    names = {cls.__name__ for cls in type(error).__mro__}
    status = getattr(error, "status_code", None)
    said = one_line(error)
    if names & {"APITimeoutError", "ReadTimeout", "TimeoutException", "TimeoutError"}:
        return ModelError(f"{reference} did not answer in time: allow more seconds or try a smaller model")
    if names & {"APIConnectionError", "ConnectError", "ConnectionError", "NetworkError"}:
        return ServerUnreachable(f"{reference}: no server answers: check that it runs and its --base-url")
    if status in (401, 403):
        return ModelError(
            f"{reference}: the server refused the API key: set the right one in the environment"
        )
    if status == 404:
        return UnknownModel(f"{reference}: the server does not know this model or address: {said}")
    if status == 429:
        return ModelError(f"{reference}: the server's rate or quota is used up: wait or ask less at a time")
    return ModelError(f"{reference} failed: {said}")
