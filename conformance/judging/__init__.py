"""What came back: every check's judgement of an observation against what the reference expects."""
