"""Judges: checks that need a model of their own. Optional, each by itself; what is not there says so in the report."""

from model.inspect.judges.opening import JudgeError, Judges, open_judges

__all__ = ["JudgeError", "Judges", "open_judges"]
