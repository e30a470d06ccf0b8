"""Whether an MP4, whoever made it, is fit for a shop page: plays from its first bytes, decodes to its end, is labelled.

Everything is read from the bytes themselves. Knows no recipe and no policy: ``inspect`` holds a clip against those.
"""

from model.verify.labels import Origin
from model.verify.sighting import COMMON
from model.verify.signed import Demand
from model.verify.verdict import CHECKS, Finding, Verdict
from model.verify.whole import verify

__all__ = ["CHECKS", "COMMON", "Demand", "Finding", "Origin", "Verdict", "verify"]
