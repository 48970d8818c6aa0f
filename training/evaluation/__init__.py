"""Execution accuracy and everything reported with it."""
