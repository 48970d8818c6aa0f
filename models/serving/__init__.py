"""Serving a model to many: vLLM started and watched, and its adapters changed while it answers."""
