"""Pure rules: no clock, no ids, no randomness, no input or output."""
