"""Gradients at the pixels, and what is made of them; attention rollout."""
