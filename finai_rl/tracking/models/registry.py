"""The versions of a registered model, and the alias that one of them has by evidence."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from finai_rl.errors import ConfigError
from finai_rl.tracking.models.model import register_policy

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

REPLACED_TAG = "promotion.replaced"
"""On a version that was promoted: the version that had the alias before, or ``none``."""
BEFORE_TAG = "promotion.before"
"""With ``.`` and an alias, on a model: the versions that had it before, the last one last."""
HELD_TAG = "promotion.held"
"""The same: the version that was given it last."""
ANY = "any"
"""Of a promotion, whichever version has the alias."""


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
        # A name may hold a quote, which a filter does not take.
        found = self._client.search_model_versions(f"run_id = '{run_id}'")
        own = (str(one.version) for one in found if one.name == self.name)
        return max(own, key=int, default=None)

    def promote(
        self, run_id: str, tags: Mapping[str, str] | None = None, judged: str | None = ANY
    ) -> str:
        """Give the alias to the version of a run, registered where it is not, and return it.

        The alias moves last, so that whatever breaks this off, it is done whole by a second call.

        Args:
            run_id: The run.
            tags: What is to be said of the version.
            judged: The version that had the alias when the run was held against it; None where none
                had it, `ANY` where it was held against none.

        Raises:
            ConfigError: If another one has it meanwhile.
        """
        self._held_still(judged)
        version = self.version_of(run_id)
        if version is None:
            version = register_policy(self._client, run_id, self.name, uuid.uuid4().hex)
        # To register takes long enough for another promotion.
        before = self._held_still(judged)
        replaced = "none" if before is None else str(before.version)
        self.tag(version, {**(tags or {}), REPLACED_TAG: replaced})
        known = self._before()
        if before is not None and known[-1:] != [replaced]:
            self._remember([*known, replaced])
        self._note(HELD_TAG, version)
        self._client.set_registered_model_alias(self.name, self.alias, version)
        return version

    def _held_still(self, judged: str | None) -> ModelVersion | None:
        """Return the version that has the alias; refuse where it is not the one that was judged."""
        before = self.holder()
        now = None if before is None else str(before.version)
        if judged in (now, ANY):
            return before
        found, other = (f"version {one}" if one else "no version" for one in (judged, now))
        raise ConfigError(
            [
                f"name: {self.uri} was {found} when the run was held against it, and now is "
                f"{other}: another promotion was quicker; promote it again"
            ]
        )

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
        self._check_holder(now)
        known = [one for one in self._before() if self._is_there(one)]
        # A promotion that was broken off has noted the holder, and not moved the alias.
        before = known[:-1] if known[-1:] == [str(now.version)] else known
        if not before:
            raise ConfigError(
                [
                    f"rollback: no version had the alias {self.alias} of {self.name!r} before "
                    f"version {now.version}, which is the first that was promoted to it, or those "
                    "that had it are deleted: there is none to go back to"
                ]
            )
        self._client.set_registered_model_alias(self.name, self.alias, before[-1])
        self._note(HELD_TAG, before[-1])
        self._remember(before[:-1])
        return str(now.version), before[-1]

    def _check_holder(self, now: ModelVersion) -> None:
        """Refuse to go back from a version that no promotion has given the alias to.

        Raises:
            ConfigError: Names it.
        """
        version = str(now.version)
        given = self._tag(HELD_TAG)
        # A promotion that was broken off has noted its version, and not moved the alias.
        if given and given != version and self._before()[-1:] != [version]:
            raise ConfigError(
                [
                    f"rollback: version {version} has the alias {self.alias} of {self.name!r}, and "
                    f"version {given} was the last that was promoted to it: somebody has moved the "
                    "alias by hand; move it back so, too"
                ]
            )

    def _before(self) -> list[str]:
        return self._tag(BEFORE_TAG).split()

    def _remember(self, versions: Sequence[str]) -> None:
        self._note(BEFORE_TAG, " ".join(versions))

    def _tag(self, name: str) -> str:
        tags = self._client.get_registered_model(self.name).tags or {}
        return str(tags.get(f"{name}.{self.alias}", ""))

    def _note(self, name: str, said: str) -> None:
        self._client.set_registered_model_tag(self.name, f"{name}.{self.alias}", said)

    def _is_there(self, version: str) -> bool:
        try:
            self._client.get_model_version(self.name, version)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return False
            raise
        return True

    def tag(self, version: str, tags: Mapping[str, str]) -> None:
        """Set tags of a version."""
        for name, value in tags.items():
            self._client.set_model_version_tag(self.name, version, name, value)


def names_of(client: MlflowClient, run_id: str) -> list[str]:
    """Return the names that a run is registered under."""
    return sorted({one.name for one in client.search_model_versions(f"run_id = '{run_id}'")})
