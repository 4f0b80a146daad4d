"""Cases, judging, worker processes, the suite, the pytest plugin and the command line."""
