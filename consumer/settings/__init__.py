"""Settings: the tree, its branches, and how they are read. Everything else is given plain values."""

from consumer.settings.branches import (
    EMBEDDED,
    S3,
    SIZES,
    ClipSettings,
    Database,
    EngineSettings,
    Inspection,
    Kafka,
    Observe,
    Planner,
    Registry,
    Renderer,
    Store,
    Topics,
    WanSettings,
)
from consumer.settings.tree import CONFIG_VARIABLE, DEFAULT_FILE, PREFIX, Settings, SettingsError, load

__all__ = [
    "CONFIG_VARIABLE",
    "DEFAULT_FILE",
    "EMBEDDED",
    "PREFIX",
    "S3",
    "SIZES",
    "ClipSettings",
    "Database",
    "EngineSettings",
    "Inspection",
    "Kafka",
    "Observe",
    "Planner",
    "Registry",
    "Renderer",
    "Settings",
    "SettingsError",
    "Store",
    "Topics",
    "WanSettings",
    "load",
]
