"""Exit statuses: 0 nothing unexpected, 1 discrepancies, 2 what was asked for could not be done."""

FAILED, UNDONE = 1, 2
