"""Looks at the schema registry: reachable, and whether it has our schemas or would take them. Registers nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from consumer.operate.checks.finding import Check, Finding, fail, ok
from consumer.settings import Settings
from consumer.stream import schemas
from consumer.stream.registry import NOT_REGISTERED
from consumer.wiring import registry_options, topic_names

PART = "schema registry"
TIMEOUT = 4.0
T = TypeVar("T")


class _OutError(Exception):
    """Raised when the registry gives no answer that helps; the message says what it gave."""


def checks(settings: Settings) -> tuple[Check, ...]:
    """The checks of this module."""
    return (Check(PART, lambda: _look(settings)),)


def _look(settings: Settings) -> Iterator[Finding]:
    if settings.registry.url is None:
        yield ok(PART, "none; records carry Avro single-object encoding")
        return
    options = registry_options(settings.registry)
    client = replace(options, timeout=min(options.timeout, TIMEOUT), retries=0).client()
    try:
        count = len(_ask(client.get_subjects) or ())
        yield ok(PART, f"{options.address}: {count} subjects")
        yield _schemas(settings, client)
    except _OutError as error:
        yield fail(PART, f"{options.address}: {error}", "check registry.url, registry.username, registry.password")
    finally:
        client.close()


def _schemas(settings: Settings, client: SchemaRegistryClient) -> Finding:
    """Whether the registry has the schema of every topic, else whether it would take it."""
    registered, missing, refused = 0, [], []
    known = schemas.load(topics=topic_names(settings))
    for topic in known.topics:
        subject, ours = f"{topic}-value", Schema(known.of(topic).text, "AVRO")
        found = _ask(lambda: client.lookup_schema(subject, ours, normalize_schemas=True))  # noqa: B023 - called at once
        if found is not None:
            registered += 1
            if settings.registry.framing == "header" and not found.guid:
                todo = "set registry.framing to prefix"
                return fail(PART, "it gives no schema GUIDs, and registry.framing is header", todo)
        elif _ask(lambda: client.test_compatibility(subject, ours)) is False:  # noqa: B023
            refused.append(subject)
        else:
            missing.append(subject)
    told = f"our schemas: {registered} registered"
    if refused:
        todo = "another schema lives under these subjects: name topics of your own in [topics], or its compatibility"
        return fail(PART, f"{told}; incompatible under {', '.join(refused)}", todo)
    if missing and not settings.registry.auto_register:
        todo = "register schemas/*.avsc there, or set registry.auto_register where that is allowed"
        return fail(PART, f"{told}; missing: {', '.join(missing)}", todo)
    later = f", {len(missing)} to be registered at the first use" if missing else ""
    return ok(PART, f"{told}{later}")


def _ask(request: Callable[[], T]) -> T | None:
    """An answer; None where the registry has no such subject, version or schema. Raises _OutError."""
    try:
        return request()
    except SchemaRegistryError as error:
        if error.error_code in NOT_REGISTERED:
            return None
        told = f"HTTP {error.http_status_code}, error {error.error_code}: {str(error.error_message)[:200]}"
        raise _OutError(told) from None
    except Exception as error:  # noqa: BLE001 - transport, TLS and JSON errors of three libraries
        raise _OutError(f"{type(error).__name__}: {str(error)[:200]}") from None
