"""What the figures were measured on: processor, cores, memory, versions. Knows no bench."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import confluent_kafka

import consumer

PACKAGES = ("confluent-kafka", "fastavro", "sqlalchemy", "psycopg", "numpy", "av")


def describe() -> dict[str, Any]:
    """Hardware and versions, as the JSON lines carry them."""
    return {
        "hardware": {
            "cpu": _processor(),
            "cores": os.cpu_count(),
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
            "load": round(os.getloadavg()[0], 2),
        },
        "versions": {
            "skureel": consumer.__version__,
            "python": platform.python_version(),
            "librdkafka": confluent_kafka.libversion()[0],
            **{name: version(name) for name in PACKAGES},
        },
    }


def _processor() -> str:
    """The processor's name as Linux tells it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def resident_mib() -> float:
    """Memory this process holds now, MiB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def peak_mib() -> float:
    """The most memory this process ever held, MiB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
