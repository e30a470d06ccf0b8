"""What host and guest say to each other, and the line between them. Frames go as files in memory, never as a message.

A file in memory (``memfd``) has no name: it is gone with the last process that has it open, however that process
ended, and it does not count against the size of ``/dev/shm``, which containers keep at 64 MB.
"""

from __future__ import annotations

import logging
import mmap
import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait

import numpy as np

from model.engine import Engine, Frames, Shot

FRAMES_NAME = "skureel-frames"
"""How such a file is called in the list of a process' mappings."""
FRAMES_SECONDS = 10.0
"""How long announced frames may take to come; they are written before they are announced."""


class GoneError(Exception):
    """Raised when the other side hung up."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The host's first word: what makes the engine, and from which level on log lines are wanted."""

    factory: Callable[[], Engine]
    level: int


@dataclass(frozen=True, slots=True)
class Start:
    """Load the engine."""


@dataclass(frozen=True, slots=True)
class Render:
    """Render a batch. ``number`` tells batches apart."""

    number: int
    shots: Sequence[Shot]


@dataclass(frozen=True, slots=True)
class Cancel:
    """End this batch at its next step, if it is still under way."""

    number: int


@dataclass(frozen=True, slots=True)
class Close:
    """Free the device and end."""


@dataclass(frozen=True, slots=True)
class Beat:
    """A sign of life."""

    stage: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Logged:
    """A log line of the guest's."""

    record: logging.LogRecord


@dataclass(frozen=True, slots=True)
class Ready:
    """The engine has started."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An EngineError, of one shot or of the start."""

    message: str
    retryable: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """A Rendered without its frames, which follow as a file of this shape (frames, height, width, 3)."""

    shape: tuple[int, ...]
    seconds: float
    stages: Mapping[str, float]
    figures: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Done:
    """A batch is rendered: one answer a shot, in order. The pictures' frames follow, in order."""

    answers: Sequence[Picture | Refusal]


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The batch was cancelled; the engine is whole."""


@dataclass(frozen=True, slots=True)
class Broken:
    """An exception escaped from the engine: its process ends."""

    reason: str


Command = Start | Render | Cancel | Close
Answer = Ready | Refusal | Done | Cancelled | Broken
Message = Hello | Command | Beat | Logged | Answer


class Line:
    """One end of a socket pair. Any thread may send; one receives. Both raise GoneError when the other side is gone."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._connection = Connection(os.dup(end.fileno()))
        self._lock = threading.Lock()

    def send(self, message: Message, frames: Sequence[Frames] = ()) -> None:
        """Say something; frames follow in files of their own."""
        with self._lock, ExitStack() as files:
            # Written before anything is said: nothing may keep the other side waiting in the middle.
            written = [_written(each, files) for each in frames]
            try:
                self._connection.send(message)
                for descriptor in written:
                    socket.send_fds(self._socket, [b"f"], [descriptor])
            except OSError as error:
                raise GoneError(str(error)) from error

    def receive(self, seconds: float | None = None) -> Message | None:
        """What the other side said next, or None when it said nothing for ``seconds`` (None: wait for ever)."""
        try:
            if not self._connection.poll(seconds):
                return None
            message: Message = self._connection.recv()
        except (EOFError, OSError) as error:
            raise GoneError(str(error) or "hung up") from error
        return message

    def receive_frames(self, shape: tuple[int, ...]) -> Frames:
        """The next frames, in the memory that the other side wrote them to."""
        if not wait([self._socket], FRAMES_SECONDS):
            raise GoneError("it said that frames follow, and sent none")
        try:
            _, descriptors, _, _ = socket.recv_fds(self._socket, 1, 1)
        except OSError as error:
            raise GoneError(str(error)) from error
        if not descriptors:
            raise GoneError("hung up before the frames came")
        (descriptor,) = descriptors
        try:
            return _mapped(descriptor, shape)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Hang up. Idempotent."""
        if not self._connection.closed:
            self._connection.close()
        self._socket.close()


def _written(frames: Frames, files: ExitStack) -> int:
    """A file in memory with the frames; closed with ``files``."""
    descriptor = os.memfd_create(FRAMES_NAME)
    files.callback(os.close, descriptor)
    os.ftruncate(descriptor, frames.nbytes)
    _mapped(descriptor, frames.shape)[...] = frames
    return descriptor


def _mapped(descriptor: int, shape: tuple[int, ...]) -> Frames:
    """The file as an array, which keeps it open."""
    flat: Frames = np.frombuffer(mmap.mmap(descriptor, 0), dtype=np.uint8)
    return flat.reshape(shape)
