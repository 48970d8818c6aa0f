"""Adapters by name: LoRA, rank-stabilised LoRA, DoRA, BoRA, each with LoRA Dropout's masks where asked."""
