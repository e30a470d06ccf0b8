"""The inspection ladder: sanity, pixels, files, and models where there are any; one policy says what is too much.

Knows what is wrong, not what to do about it: the renderer reads the report.
"""

from model.inspect.expected import NOTHING, Expected
from model.inspect.files import inspect_file
from model.inspect.frames import inspect_frames
from model.inspect.inspector import Inspector
from model.inspect.policy import POLICY, Policy, PolicyError, Rule, load_policy
from model.inspect.report import Fault, Report

__all__ = [
    "NOTHING",
    "POLICY",
    "Expected",
    "Fault",
    "Inspector",
    "Policy",
    "PolicyError",
    "Report",
    "Rule",
    "inspect_file",
    "inspect_frames",
    "load_policy",
]
