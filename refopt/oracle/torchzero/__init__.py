"""Beside the original: the parity table of runs of both, and the declared deviations."""
