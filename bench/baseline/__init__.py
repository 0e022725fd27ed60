"""Simulated people whose truth is known, judged by the personal baseline and by the methods it competes with: `python -m bench.baseline`."""
