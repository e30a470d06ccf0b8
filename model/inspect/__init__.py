"""The inspection ladder, levels 1 and 2: sanity, pixels and files. Cheap checks that run on every clip, on the CPU.

Knows what is wrong, not what to do about it: the renderer reads the report.
"""

from model.inspect.files import inspect_file
from model.inspect.frames import inspect_frames
from model.inspect.policy import POLICY, Policy, Rule
from model.inspect.report import Fault, Report

__all__ = ["POLICY", "Fault", "Policy", "Report", "Rule", "inspect_file", "inspect_frames"]
