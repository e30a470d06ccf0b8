"""Free ports on the loopback interface that stay free while a server is down."""

import random
import socket
from collections.abc import Collection
from contextlib import closing

from tests.services.errors import ServiceError

LOOPBACK = "127.0.0.1"
# Below the range that systems hand out to outgoing connections (Linux from 32768, others from 49152). In that
# range a client that keeps trying to reach a stopped server in the end connects to itself, and the server cannot
# have its port back.
FIRST, LAST = 15_000, 32_000
_ATTEMPTS = 200


def free_port(avoid: Collection[int] = ()) -> int:
    """A port that nobody listens on now, drawn at random so that parallel runs seldom want the same one.

    Raises:
        ServiceError: none was found.
    """
    draw = random.SystemRandom()
    for _ in range(_ATTEMPTS):
        port = draw.randint(FIRST, LAST)
        if port not in avoid and is_free(port):
            return port
    raise ServiceError(f"no free port between {FIRST} and {LAST} after {_ATTEMPTS} draws")


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` of the loopback interface now."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        # As servers do: a port that only has connections fading out is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
