"""A real S3 server, MinIO, from the binary that the Go toolchain built."""

import secrets
from pathlib import Path
from typing import Any

from tests.services import fetch
from tests.services.addresses import S3Address
from tests.services.cache import Say, say
from tests.services.ports import LOOPBACK
from tests.services.service import Service


class Minio(Service):
    """A MinIO server of our own, with keys drawn at random. Arguments: see `Service`."""

    name = "minio"

    def __init__(
        self, folder: Path | None = None, *, port: int | None = None, outlive: bool = False, tell: Say = say
    ) -> None:
        super().__init__(folder, port=port, outlive=outlive, tell=tell)
        self.access_key = f"test{secrets.token_hex(6)}"
        self.secret_key = secrets.token_hex(16)

    @property
    def address(self) -> S3Address:
        """Where it is, and the keys."""
        return S3Address(self.endpoint, self.access_key, self.secret_key)

    @property
    def endpoint(self) -> str:
        """`host:port`, without scheme."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def address_text(self) -> str:
        """`http://key:secret@host:port`."""
        return self.address.url

    def bucket(self, prefix: str = "test") -> str:
        """See `S3Address.bucket`."""
        return self.address.bucket(prefix)

    def check(self) -> None:
        """See `S3Address.check`."""
        self.address.check(timeout_s=2.0)

    def _prepare(self) -> None:
        fetch.minio_binary(self.tell)
        (self.folder / "data").mkdir()

    def _command(self) -> list[str]:
        binary = str(fetch.minio_binary(self.tell))
        return [binary, "server", "--address", self.endpoint, str(self.folder / "data")]

    def _settings(self) -> dict[str, str | None]:
        return {
            "MINIO_ROOT_USER": self.access_key,
            "MINIO_ROOT_PASSWORD": self.secret_key,
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
            # It keeps settings in the home folder of whoever starts it.
            "HOME": str(self.folder),
        }

    def _secrets(self) -> dict[str, Any]:
        return {"access_key": self.access_key, "secret_key": self.secret_key}

    def _recall(self, state: dict[str, Any]) -> None:
        self.access_key, self.secret_key = state["access_key"], state["secret_key"]
