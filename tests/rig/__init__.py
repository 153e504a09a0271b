"""A deployment of real processes for tests: a bus, workers, and load from other processes."""
