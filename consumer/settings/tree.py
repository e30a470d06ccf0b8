"""One typed tree of settings: environment (``SKUREEL_…``) over a TOML file over defaults. The only reader of either.

Nothing else in the project reads the environment. Unknown keys are refused by name, secrets never print.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any, Self

from pydantic import PrivateAttr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource
from pydantic_settings.exceptions import SettingsError as SourceError

from consumer.settings.branches import (
    ClipSettings,
    Database,
    EngineSettings,
    Inspection,
    Kafka,
    Observe,
    Planner,
    Registry,
    ReviewSettings,
    Store,
    Topics,
)
from consumer.settings.rendering import Renderer

PREFIX = "SKUREEL_"
CONFIG_VARIABLE = "SKUREEL_CONFIG"
DEFAULT_FILE = "skureel.toml"


class SettingsError(Exception):
    """Raised when a setting is unknown or out of its range; the message names every one."""


class Settings(BaseSettings):
    """The whole tree. Build it with ``load``."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", frozen=True, extra="forbid", hide_input_in_errors=True
    )

    kafka: Kafka = Kafka()
    topics: Topics = Topics()
    registry: Registry = Registry()
    store: Store = Store()
    database: Database = Database()
    clip: ClipSettings = ClipSettings()
    engine: EngineSettings = EngineSettings()
    planner: Planner = Planner()
    renderer: Renderer = Renderer()
    inspection: Inspection = Inspection()
    review: ReviewSettings = ReviewSettings()
    observe: Observe = Observe()

    _file: Path | None = PrivateAttr(default=None)
    _variables: tuple[str, ...] = PrivateAttr(default=())

    @property
    def file(self) -> Path | None:
        """The TOML file they came from, if any did."""
        return self._file

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the environment variables they came from, sorted."""
        return self._variables

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the framework's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the framework's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments over environment over file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=_file)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.kafka.embedded and self.kafka.delivery == "exactly_once":
            raise ValueError("kafka.delivery: the embedded broker has no transactions; give kafka.bootstrap or drop it")
        return self


_file: Path | None = None
"""The TOML file of the load in progress; module state because the framework builds sources from the class alone."""


def _known_variables() -> tuple[str, ...]:
    """The SKUREEL_ variables that are set. Raises SettingsError for a misspelt one, which would pass unseen."""
    names = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    found = []
    for variable in sorted(os.environ):
        upper = variable.upper()
        if not upper.startswith(PREFIX) or upper.startswith(f"{PREFIX}TEST_") or upper == CONFIG_VARIABLE:
            continue
        if upper.split("__", 1)[0] not in names:
            known = ", ".join(sorted({*names, CONFIG_VARIABLE}))
            raise SettingsError(f"{variable}: no such setting; the variables begin with {known}")
        found.append(variable)
    return tuple(found)


def _told(error: ValidationError) -> str:
    """Every fault with the name of its setting, and no value: it may be a secret."""
    faults = []
    for fault in error.errors():
        name = ".".join(map(str, fault["loc"]))
        text = "no such setting" if fault["type"] == "extra_forbidden" else fault["msg"].removeprefix("Value error, ")
        faults.append(f"{name}: {text}" if name else text)
    return "; ".join(faults)


def _not_json(message: str, variables: tuple[str, ...]) -> str:
    """What to say when a variable that holds a list, a map or a whole branch cannot be read."""
    branch = re.search(r'field "(\w+)"', message)
    start = f"{PREFIX}{branch[1].upper() if branch else ''}"
    blamed = [variable for variable in variables if variable.upper().split("__", 1)[0] == start]
    return (
        f"{' or '.join(blamed) or message}: lists and maps are given as JSON, single settings as SKUREEL_BRANCH__NAME"
    )


def load(file: Path | None = None, **overrides: Any) -> Settings:
    """Settings from the environment, a TOML file and ``overrides`` (highest). Raises SettingsError naming each fault.

    The file is ``file``, else $SKUREEL_CONFIG, else ./skureel.toml where it exists.
    """
    global _file  # noqa: PLW0603 - see its docstring
    chosen = file or (Path(os.environ[CONFIG_VARIABLE]) if os.environ.get(CONFIG_VARIABLE) else None)
    if chosen is not None and not chosen.is_file():
        raise SettingsError(f"{chosen}: no such configuration file")
    variables = _known_variables()
    _file = chosen or (Path(DEFAULT_FILE) if Path(DEFAULT_FILE).is_file() else None)
    try:
        loaded = Settings(**overrides)
        loaded._file, loaded._variables = _file, variables  # noqa: SLF001 - how it was loaded is ours to say
    except ValidationError as error:
        raise SettingsError(_told(error)) from None
    except SourceError as error:
        raise SettingsError(_not_json(str(error), variables)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{_file}: not valid TOML: {error}") from None
    except OSError as error:
        raise SettingsError(f"{_file}: {error.strerror or error}") from None
    finally:
        _file = None
    return loaded
