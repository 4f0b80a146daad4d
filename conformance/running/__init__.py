"""One run: targets, the engine, the run folder, the command line and the pytest plugin."""
