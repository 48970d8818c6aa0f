"""From questions without answers to a better adapter: candidates, annotations, pairs, training, the gate."""
