"""The second agent: which of several answers to a question is better, by what the data says."""
