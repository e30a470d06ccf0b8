"""The commands people run, one module each."""
