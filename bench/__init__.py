"""Measurements: both sides in one run, results as dated JSON."""
