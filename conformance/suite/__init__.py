"""The conformance suite: ordinary pytest items, one for each target and check."""
