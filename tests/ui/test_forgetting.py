"""Sessions of the page that were closed are dropped, and no others."""

from __future__ import annotations

from datetime import datetime, timedelta

import gradio as gr
import pandas
import pyarrow
from gradio.state_holder import StateHolder
from sqlberg.ui.web.forgetting import gone, keep_nothing_freed


def test_only_sessions_that_were_closed_and_left_alone_are_forgotten():
    with gr.Blocks() as blocks:
        gr.State([])
    holder = StateHolder()
    holder.set_blocks(blocks)
    for name in ("open", "closed just now", "closed long ago"):
        holder[name].is_closed = name != "open"
        holder.time_last_used[name] -= timedelta(seconds=0 if name == "closed just now" else 900)
    assert gone(holder, grace=600) == ["closed long ago"]
    assert sorted(holder.session_data) == sorted(holder.time_last_used) == ["closed just now", "open"]
    assert gone(holder, grace=0) == ["closed just now"]
    assert datetime.now() - holder.time_last_used["open"] > timedelta(seconds=600)


def test_tables_take_their_memory_from_the_system():
    keep_nothing_freed()
    before = pyarrow.total_allocated_bytes()
    held = pandas.DataFrame({"name": ["Chile"] * 1000})
    assert pyarrow.default_memory_pool().backend_name == "system"
    assert pyarrow.total_allocated_bytes() > before
    del held
    assert pyarrow.total_allocated_bytes() == before
