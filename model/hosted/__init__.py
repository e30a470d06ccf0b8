"""An engine in a process of its own, which can be killed when it hangs and started again. Knows no engine by name."""

from model.hosted.errors import LateError, LostError
from model.hosted.host import Hosted

__all__ = ["Hosted", "LateError", "LostError"]
