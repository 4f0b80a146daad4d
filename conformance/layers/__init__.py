"""The whole layer: what is asked of it, what has to come back, and what it has to refuse."""
