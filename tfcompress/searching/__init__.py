"""Finds recipes under a budget: what is proposed, what is refused unseen, what is trained, and where."""
