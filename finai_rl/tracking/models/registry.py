"""The versions of a registered model, and the alias that one of them has by evidence."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from finai_rl.errors import ConfigError
from finai_rl.tracking.models.model import register_policy

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

REPLACED_TAG = "promotion.replaced"
"""On a version that was promoted: the version that had the alias before, or ``none``."""


class Registry:
    """A registered model, and who has its alias.

    Args:
        client: Of the store.
        name: Of the registered model, which need not be there yet.
        alias: Such as ``champion``.

    Example:
        >>> registry = Registry(MlflowClient("sqlite:////tmp/mlflow.db"), "trader", "champion")
        >>> registry.uri
        'models:/trader@champion'
    """

    def __init__(self, client: MlflowClient, name: str, alias: str) -> None:
        self._client, self.name, self.alias = client, name, alias

    @property
    def uri(self) -> str:
        """What commands and MLflow call the version with the alias."""
        return f"models:/{self.name}@{self.alias}"

    def holder(self) -> ModelVersion | None:
        """Return the version that has the alias; None for none."""
        try:
            aliases = self._client.get_registered_model(self.name).aliases
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise
        if self.alias not in aliases:
            return None
        return self._client.get_model_version(self.name, str(aliases[self.alias]))

    def version_of(self, run_id: str) -> str | None:
        """Return the newest version that a run is registered as; None for none."""
        found = self._client.search_model_versions(f"name = '{self.name}' AND run_id = '{run_id}'")
        return max((str(one.version) for one in found), key=int, default=None)

    def promote(self, run_id: str) -> str:
        """Give the alias to the version of a run, registered where it is not, and return it."""
        before = self.holder()
        version = self.version_of(run_id)
        if version is None:
            version = register_policy(self._client, run_id, self.name, uuid.uuid4().hex)
        self.tag(version, {REPLACED_TAG: "none" if before is None else str(before.version)})
        self._client.set_registered_model_alias(self.name, self.alias, version)
        return version

    def roll_back(self) -> tuple[str, str]:
        """Give the alias back to the version that had it before.

        Returns:
            The version that has it no more, and the one that has it again.

        Raises:
            ConfigError: If no version has it, or none had it before.
        """
        now = self.holder()
        if now is None:
            raise ConfigError([f"name: no version of {self.name!r} has the alias {self.alias}"])
        before = (now.tags or {}).get(REPLACED_TAG, "none")
        if before == "none":
            raise ConfigError(
                [
                    f"rollback: version {now.version} of {self.name!r} is the first that was "
                    f"promoted to {self.alias}: there is none to go back to"
                ]
            )
        self._client.set_registered_model_alias(self.name, self.alias, before)
        return str(now.version), str(before)

    def tag(self, version: str, tags: Mapping[str, str]) -> None:
        """Set tags of a version."""
        for name, value in tags.items():
            self._client.set_model_version_tag(self.name, version, name, value)


def names_of(client: MlflowClient, run_id: str) -> list[str]:
    """Return the names that a run is registered under."""
    return sorted({one.name for one in client.search_model_versions(f"run_id = '{run_id}'")})
