"""One synthetic person's story, told by real processes over real HTTP: `make demo`."""
