"""The diagnosis of a discrepancy: what is computed instead, on which cases, in which outputs."""
