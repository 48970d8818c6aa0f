"""`sqlberg models`: which models a reference can name, and what each still needs."""

from __future__ import annotations

import dataclasses
import os

from .console import data_table, out, print_json
from .options import BaseUrlOption, JsonOption


def models(base_url: BaseUrlOption = None, as_json: JsonOption = False) -> None:
    """List the models that can answer, and what each still needs here.

    Examples:

      sqlberg models

      sqlberg models --base-url http://127.0.0.1:8000/v1
    """
    from ..models.references import list_models

    listings = list_models(base_url=base_url, api_key=os.environ.get("VLLM_API_KEY"))
    if as_json:
        print_json([dataclasses.asdict(listing) for listing in listings])
        return
    rows = [(listing.reference, listing.runs, listing.needs or "ready") for listing in listings]
    out().print(data_table(("reference", "runs", "needs"), rows))
