"""Synthetic questions with SQL over any database: data that forces a model to read the schema."""
