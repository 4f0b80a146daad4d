"""One thin translation per framework."""
