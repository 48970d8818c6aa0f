"""How the models learn, and how answers are measured."""
