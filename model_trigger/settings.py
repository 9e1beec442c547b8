"""Read the app settings: the only module that looks at the environment.

The host hands app settings over as environment variables, named without regard to case:
https://learn.microsoft.com/azure/azure-functions/functions-app-settings
"""

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated, cast

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from model_trigger.events import Workspace
from model_trigger.grammar import Mode, OrganizationUrl
from model_trigger.rule_sources import RulesUnreadableError, gather
from model_trigger.rulebook import RuleSource

APP_ROOT = Path(__file__).resolve().parent.parent


class SettingsError(Exception):
    """An app setting is missing or wrong; whoever operates the app must change it."""


def _workspaces(value: str) -> tuple[Workspace, ...]:
    read: object = json.loads(value)
    if not isinstance(read, list):
        msg = "expected a JSON list of workspace resource ids"
        raise ValueError(msg)  # noqa: TRY004 - pydantic reports ValueError
    return tuple(Workspace.parse(str(one)) for one in cast("list[object]", read))


class Settings(BaseSettings):
    """All settings but the rules. Durations are ISO 8601."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, arbitrary_types_allowed=True
    )

    azure_devops_org_url: OrganizationUrl | None = None
    azure_devops_project: str | None = None
    azure_devops_pat: str | None = Field(default=None, repr=False)
    azure_client_id: str | None = None
    # Set by Azure where the app has a managed identity.
    identity_endpoint: str | None = None
    workspaces: Annotated[tuple[Workspace, ...], NoDecode, BeforeValidator(_workspaces)] = Field(
        default=(), validate_default=False
    )
    mode: Mode = Mode.LIVE
    storage: str | None = Field(default=None, repr=False, validation_alias="AzureWebJobsStorage")
    storage_account: str | None = Field(
        default=None, validation_alias="AzureWebJobsStorage__accountName"
    )
    storage_table_uri: str | None = Field(
        default=None, validation_alias="AzureWebJobsStorage__tableServiceUri"
    )
    storage_credential: str | None = Field(
        default=None, validation_alias="AzureWebJobsStorage__credential"
    )
    storage_client_id: str | None = Field(
        default=None, validation_alias="AzureWebJobsStorage__clientId"
    )
    ledger_prefix: Annotated[str, Field(pattern="^[A-Za-z][A-Za-z0-9]{0,53}$")] = "modeltrigger"
    reconcile_lookback: timedelta = timedelta(days=1)
    decision_retention: timedelta = timedelta(days=90)
    claim_lease: Annotated[timedelta, Field(gt=timedelta(0))] = timedelta(minutes=2)
    list_lag: Annotated[timedelta, Field(ge=timedelta(0))] = timedelta(minutes=2)
    retry_pause: Annotated[timedelta, Field(gt=timedelta(0))] = timedelta(minutes=5)
    retry_for: Annotated[timedelta, Field(ge=timedelta(0))] = timedelta(days=1)
    outcome_topic_endpoint: str | None = None


def read_settings() -> Settings:
    """Read the settings from the environment.

    Raises SettingsError that names every setting which is wrong, and what is expected.
    """
    try:
        return Settings()
    except ValidationError as error:
        told = (
            f"{str(one['loc'][0]).upper()} is {one['input']!r}: {one['msg']}"
            for one in error.errors(include_url=False)
        )
        msg = f"wrong app settings: {'; '.join(told)}"
        raise SettingsError(msg) from error


def reconcile_schedule() -> str:
    """Give the timer's NCRONTAB, in UTC; a %NAME% that is not set would stop the host."""
    return os.environ.get("RECONCILE_SCHEDULE") or "0 */5 * * * *"


def read_rules(root: Path = APP_ROOT) -> dict[str, RuleSource]:
    """Gather the rules from the environment and from RULES_FILE, a path below the app's folder.

    Raises RulesUnreadableError when RULES or the file cannot be read as a whole.
    """
    settings = {
        name: value for name, value in os.environ.items() if name.upper().startswith("RULES")
    }
    file = next((value for name, value in settings.items() if name.upper() == "RULES_FILE"), "")
    return gather(settings, _text(root, file) if file else "", f"RULES_FILE {file}")


def _text(root: Path, file: str) -> str:
    try:
        return (root / file).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        msg = f"RULES_FILE {file!r} cannot be read below {root}: {error}"
        raise RulesUnreadableError(msg) from error
