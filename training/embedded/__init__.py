"""How the embedded model's weights are made."""
