"""Read the app settings from the environment.

The host passes app settings as environment variables with case-insensitive names:
https://learn.microsoft.com/azure/azure-functions/functions-app-settings
"""

import json
import os
import re
from base64 import b64decode
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, TypeVar, cast

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    ValidationError,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from model_trigger.registrations.registration import Workspace
from model_trigger.rules.book import RuleSource
from model_trigger.rules.fields import Mode
from model_trigger.rules.problems import Problem, problem, unresolved, wording
from model_trigger.rules.sources import RulesUnreadableError, find_setting, gather
from model_trigger.targets.fields import OrganizationUrl
from model_trigger.targets.hosts import Origin, Recipients
from model_trigger.text import quoted, shown

_AnySettings = TypeVar("_AnySettings", bound="TargetSettings")

APP_ROOT = Path(__file__).resolve().parent.parent

_DURATION = re.compile(
    r"P(?=[0-9T])((?P<weeks>[0-9]+)W)?((?P<days>[0-9]+)D)?"
    r"(T(?=[0-9])((?P<hours>[0-9]+)H)?((?P<minutes>[0-9]+)M)?((?P<seconds>[0-9]+(\.[0-9]+)?)S)?)?"
)
_LONGEST_DURATION = timedelta(days=10_000)
_SCHEDULE = "0 */5 * * * *"
_SHORTEST_LEASE = timedelta(seconds=4)
_SECRETS = {"AZURE_DEVOPS_PAT", "AzureWebJobsStorage"}
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9]{0,53}")


class SettingsError(Exception):
    """An app setting is missing or invalid; the operator must correct it."""

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


# The error messages below continue a sentence that begins with the value.


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
        msg = f"is invalid: {error}"
        raise ValueError(msg) from error


def _duration(value: str | timedelta) -> timedelta:
    """Parse an ISO 8601 duration; months and years are invalid, since their lengths vary."""
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
        msg = f"must be at most P{_LONGEST_DURATION.days}D"
        raise ValueError(msg)
    return duration


def _positive(value: timedelta) -> timedelta:
    if not value:
        msg = "must be longer than zero"
        raise ValueError(msg)
    return value


def _lease(value: timedelta) -> timedelta:
    """Check a lease: the POST must fit into its first half, by a clock of whole seconds."""
    if value < _SHORTEST_LEASE:
        msg = "must be at least PT4S"
        raise ValueError(msg)
    return value


def _address(value: str) -> str:
    """Check a URL that receives a token."""
    origin = Origin.of(value)
    if origin is None:
        msg = "is not a URL that begins with https://"
        raise ValueError(msg)
    if not origin.is_private:
        msg = f"must use https, because a token is sent to it; did you mean 'https{value[4:]}'?"
        raise ValueError(msg)
    return value


def _account(value: str) -> str:
    if not _ACCOUNT.fullmatch(value):
        msg = "is not a valid storage account name; expected 3 to 24 lowercase letters and digits"
        raise ValueError(msg)
    return value


def _connection_string(value: str) -> str:
    """Check for mistakes on which the SDK would fail, some of them only at the first call."""
    text = value.strip().rstrip(";")
    if text.lower() == "usedevelopmentstorage=true":
        return text
    written = [part.strip() for part in text.split(";")]
    parts = [part.partition("=") for part in written]
    named = {name.lower(): value for name, _, value in parts}
    if not all(name and value for name, _, value in parts):
        why = "one of its parts is not <name>=<value>"
    elif len(named) < len(parts):
        why = "a name appears twice"
    elif not (named.get("accountname") or named.get("tableendpoint")):
        why = "AccountName is missing"
    elif not (named.get("accountkey") or named.get("sharedaccesssignature")):
        why = "AccountKey is missing"
    elif not _is_base64(named.get("accountkey", "")):
        why = "AccountKey is not valid base64; it may have been cut off"
    else:
        return ";".join(written)
    msg = f"is not a valid storage connection string: {why}"
    raise ValueError(msg)


def _is_base64(text: str) -> bool:
    try:
        b64decode(text, validate=True)
    except ValueError:
        return False
    return True


def _resolved(value: object) -> object:
    """Reject a reference that Azure could not resolve, and therefore passes unchanged."""
    problem = unresolved(value) if isinstance(value, str) else ""
    if problem:
        raise ValueError(problem)
    return value


def _prefix(value: str) -> str:
    if not _PREFIX.fullmatch(value):
        msg = (
            "is not a valid table name prefix; expected a letter, then at most 53 letters or digits"
        )
        raise ValueError(msg)
    return value


_Duration = Annotated[timedelta, PlainValidator(_duration)]
_PositiveDuration = Annotated[_Duration, AfterValidator(_positive)]
_Lease = Annotated[_Duration, AfterValidator(_lease)]
_Address = Annotated[str, AfterValidator(_address)]
_AccountName = Annotated[str, AfterValidator(_account)]
_ConnectionString = Annotated[str, AfterValidator(_connection_string)]


class TargetSettings(BaseSettings):
    """The settings that determine who may receive the credential for Azure DevOps."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    azure_devops_org_url: OrganizationUrl | None = None
    azure_devops_pat: str | None = Field(default=None, repr=False)

    _resolved = field_validator("*", mode="before")(_resolved)

    @property
    def recipients(self) -> Recipients:
        """Who may receive the credential for Azure DevOps."""
        return Recipients(self.azure_devops_org_url, bool(self.azure_devops_pat))


class Settings(TargetSettings):
    """All settings except the rules. Durations are ISO 8601."""

    azure_devops_project: str | None = None
    azure_client_id: str | None = None
    # Set by Azure if the app has a managed identity.
    identity_endpoint: str | None = None
    workspaces: Annotated[tuple[Workspace, ...], NoDecode, BeforeValidator(_workspaces)] = Field(
        default=(), validate_default=False
    )
    mode: Mode = Mode.LIVE
    storage: _ConnectionString | None = Field(
        default=None, repr=False, validation_alias="AzureWebJobsStorage"
    )
    storage_account: _AccountName | None = Field(
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
    claim_lease: _Lease = timedelta(minutes=2)
    list_lag: _Duration = timedelta(minutes=2)
    retry_pause: _PositiveDuration = timedelta(minutes=5)
    retry_for: _Duration = timedelta(days=1)
    outcome_topic_endpoint: _Address | None = None
    reconcile_schedule: str = _SCHEDULE


def read_settings() -> Settings:
    """Read the settings from the environment.

    Raises SettingsError, which names each invalid setting and what is expected.
    """
    return _read(Settings)


def read_target_settings() -> TargetSettings:
    """Read the settings needed to check the targets of rules. Raises SettingsError."""
    return _read(TargetSettings)


def reconcile_schedule() -> str:
    """Return the NCRONTAB of the timer, in UTC; an unset %NAME% would stop the host."""
    return os.environ.get("RECONCILE_SCHEDULE") or _SCHEDULE


def read_rules(root: Path = APP_ROOT) -> dict[str, RuleSource]:
    """Read the rules from the environment and from RULES_FILE, a path relative to the app's folder.

    Raises RulesUnreadableError if RULES or the file as a whole cannot be read.
    """
    settings = {
        name: value for name, value in os.environ.items() if name.upper().startswith("RULES")
    }
    file = find_setting(settings, "RULES_FILE")
    return gather(settings, _text(root, file) if file else "", f"RULES_FILE {file}")


def _read(kind: type[_AnySettings]) -> _AnySettings:
    try:
        return kind()
    except ValidationError as error:
        problems = tuple(_problems(error))
        msg = f"invalid app settings: {'; '.join(map(str, problems))}"
        # Without the cause, whose text would reveal values.
        raise SettingsError(msg, problems) from None


def _problems(error: ValidationError) -> Iterator[Problem]:
    for complaint in error.errors(include_url=False):
        setting, value = str(complaint["loc"][0]), complaint["input"]
        name = setting if setting[0].isupper() else setting.upper()
        if name in _SECRETS or (name.startswith("AzureWebJobsStorage") and "=" in str(value)):
            # A connection string or a signature may also be in the wrong setting.
            yield problem(name, wording(complaint))
        else:
            yield problem(name, wording(complaint), value)


def _text(root: Path, file: str) -> str:
    try:
        return (root / file).read_text(encoding="utf-8-sig")
    except UnicodeError:
        why = "it is not UTF-8"
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
    msg = f"RULES_FILE {quoted(file)} cannot be read in {root}: {why}"
    raise RulesUnreadableError(msg)
