"""The engines, one file each: how to open a database locked, read its schema, and run one statement."""
