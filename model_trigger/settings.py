"""Read the app settings: the only module that looks at the environment.

The host hands app settings over as environment variables, named without regard to case:
https://learn.microsoft.com/azure/azure-functions/functions-app-settings
"""

import json
import os
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, cast

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from model_trigger.events import Workspace
from model_trigger.grammar import Mode, OrganizationUrl
from model_trigger.problems import Problem, problem, wording
from model_trigger.rule_sources import RulesUnreadableError, find_setting, gather
from model_trigger.rulebook import RuleSource
from model_trigger.wording import quoted, shown

APP_ROOT = Path(__file__).resolve().parent.parent

_DURATION = re.compile(
    r"P(?=[0-9T])((?P<weeks>[0-9]+)W)?((?P<days>[0-9]+)D)?"
    r"(T(?=[0-9])((?P<hours>[0-9]+)H)?((?P<minutes>[0-9]+)M)?((?P<seconds>[0-9]+(\.[0-9]+)?)S)?)?"
)
_LONGEST_DURATION = timedelta(days=10_000)
_ADDRESS = re.compile(r"https?://[^/@\s?#]+(/\S*)?")
_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9]{0,53}")


class SettingsError(Exception):
    """An app setting is missing or wrong; whoever operates the app must change it."""


# The messages of the errors below continue a sentence that begins with the value.


def _workspaces(value: str) -> tuple[Workspace, ...]:
    try:
        read: object = json.loads(value)
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, list):
        msg = 'is not a JSON list of workspace resource ids, such as ["/subscriptions/..."]'
        raise ValueError(msg)  # noqa: TRY004 - pydantic reports ValueError
    return tuple(map(_workspace, cast("list[object]", read)))


def _workspace(resource_id: object) -> Workspace:
    try:
        return Workspace.parse(resource_id if isinstance(resource_id, str) else shown(resource_id))
    except ValueError as error:
        msg = f"is not right: {error}"
        raise ValueError(msg) from error


def _duration(value: str | timedelta) -> timedelta:
    """Read an ISO 8601 duration; a month or a year has no certain length."""
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value)
    if match is None:
        msg = (
            "is not an ISO 8601 duration of weeks, days, hours, minutes or seconds, "
            "such as PT2M or P90D"
        )
        raise ValueError(msg)
    try:
        duration = timedelta(
            **{unit: float(number or 0) for unit, number in match.groupdict().items()}
        )
    except OverflowError:
        duration = timedelta.max
    if duration > _LONGEST_DURATION:
        msg = f"is too long; at most P{_LONGEST_DURATION.days}D"
        raise ValueError(msg)
    return duration


def _positive(value: timedelta) -> timedelta:
    if not value:
        msg = "is no time at all; expected a longer duration"
        raise ValueError(msg)
    return value


def _address(value: str) -> str:
    if not _ADDRESS.fullmatch(value):
        msg = "is not an address, which begins with https://"
        raise ValueError(msg)
    return value


def _prefix(value: str) -> str:
    if not _PREFIX.fullmatch(value):
        msg = (
            "is not how a table's name begins; expected a letter, then at most 53 letters or digits"
        )
        raise ValueError(msg)
    return value


_Duration = Annotated[timedelta, PlainValidator(_duration)]
_PositiveDuration = Annotated[_Duration, AfterValidator(_positive)]
_Address = Annotated[str, AfterValidator(_address)]


class Settings(BaseSettings):
    """All settings but the rules. Durations are ISO 8601."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

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
    storage_table_uri: _Address | None = Field(
        default=None, validation_alias="AzureWebJobsStorage__tableServiceUri"
    )
    storage_credential: str | None = Field(
        default=None, validation_alias="AzureWebJobsStorage__credential"
    )
    storage_client_id: str | None = Field(
        default=None, validation_alias="AzureWebJobsStorage__clientId"
    )
    ledger_prefix: Annotated[str, AfterValidator(_prefix)] = "modeltrigger"
    reconcile_lookback: _Duration = timedelta(days=1)
    decision_retention: _PositiveDuration = timedelta(days=90)
    claim_lease: _PositiveDuration = timedelta(minutes=2)
    list_lag: _Duration = timedelta(minutes=2)
    retry_pause: _PositiveDuration = timedelta(minutes=5)
    retry_for: _Duration = timedelta(days=1)
    outcome_topic_endpoint: _Address | None = None


def read_settings() -> Settings:
    """Read the settings from the environment.

    Raises SettingsError that names every setting which is wrong, and what is expected.
    """
    try:
        return Settings()
    except ValidationError as error:
        # Not from it: its text shows values of its own accord.
        msg = f"wrong app settings: {'; '.join(map(str, _problems(error)))}"
        raise SettingsError(msg) from None


def reconcile_schedule() -> str:
    """Give the timer's NCRONTAB, in UTC; a %NAME% that is not set would stop the host."""
    return os.environ.get("RECONCILE_SCHEDULE") or "0 */5 * * * *"


def read_rules(root: Path = APP_ROOT) -> dict[str, RuleSource]:
    """Gather the rules from the environment and from RULES_FILE, a path below the app's folder.

    Raises RulesUnreadableError when RULES or the file cannot be read as a whole.
    """
    settings = dict(os.environ)
    file = find_setting(settings, "RULES_FILE")
    return gather(settings, _text(root, file) if file else "", f"RULES_FILE {file}")


def _problems(error: ValidationError) -> Iterator[Problem]:
    for complaint in error.errors():
        setting = str(complaint["loc"][0])
        name = setting if setting[0].isupper() else setting.upper()
        yield problem(name, wording(complaint), complaint["input"])


def _text(root: Path, file: str) -> str:
    try:
        return (root / file).read_text(encoding="utf-8-sig")
    except UnicodeError:
        why = "it is not UTF-8"
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
    msg = f"RULES_FILE {quoted(file)} cannot be read in {root}: {why}"
    raise RulesUnreadableError(msg)
