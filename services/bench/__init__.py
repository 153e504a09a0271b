"""Measuring, always beside a raw baseline in the same run: machines differ and are noisy."""
