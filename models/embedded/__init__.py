"""The embedded chat model: a small network that ships in the package and drives the same tools as any
other.
"""
