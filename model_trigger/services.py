"""Build the adapters from the settings: once, each when a function first needs it."""

import base64
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from threading import Semaphore

from azure.core.credentials import AccessToken, TokenCredential
from azure.core.exceptions import AzureError
from azure.data.tables import TableServiceClient

from model_trigger.claims.policy import Policy
from model_trigger.claims.starter import Starter
from model_trigger.decisions.decision import OutcomePublisher
from model_trigger.identity import Identity, azure_cli, managed_identity
from model_trigger.ledger.ledger import Ledger
from model_trigger.outbound import client_options
from model_trigger.registrations.listing import ModelLister
from model_trigger.registrations.registration import Workspace
from model_trigger.rules.book import RuleBook
from model_trigger.rules.fields import Mode
from model_trigger.settings import Settings, SettingsError, read_rules, read_settings
from model_trigger.targets.hosts import Origin, Recipients
from model_trigger.targets.request import TargetClient, TargetDefaults, TargetError
from model_trigger.text import quoted

# Azure DevOps by its application id:
# https://learn.microsoft.com/azure/devops/integrate/get-started/authentication/service-principal-managed-identity
_AZURE_DEVOPS_SCOPE = "499b84ac-1321-427f-aa17-267ca6975798/.default"
_RENEW_BEFORE = 300.0
_WAITING_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Services:
    """What the triggers and the commands work with.

    `rules` reads the rules once, and raises RulesUnreadableError as long as they cannot be read;
    `targets` and `models` are built when they are first called. Only events of the `workspaces` are
    accepted, and these are reconciled; empty accepts any and reconciles none.
    """

    ledger: Ledger
    targets: Callable[[], TargetClient]
    models: Callable[[], ModelLister]
    publisher: OutcomePublisher | None
    rules: Callable[[], RuleBook]
    workspaces: Sequence[Workspace]
    defaults: TargetDefaults
    mode: Mode
    policy: Policy
    waiting_room: Semaphore = field(default_factory=lambda: Semaphore(_WAITING_AT_ONCE))

    @property
    def starter(self) -> Starter:
        """What starts the targets of rules."""
        return Starter(
            self.ledger.claims,
            self.targets,
            self.models,
            self.defaults,
            self.policy,
            self.waiting_room,
        )


@cache
def services() -> Services:
    """Return the services of this process.

    Raises SettingsError that names what is missing or wrong; the next call tries again.
    """
    settings = read_settings()
    # The SDKs log every request at INFO, which would drown the decisions.
    logging.getLogger("azure").setLevel(logging.WARNING)
    return Services(
        ledger=Ledger.open(_tables(settings), settings.ledger_prefix),
        targets=cache(partial(_azure_devops, settings)),
        models=cache(partial(_azure_ml, settings)),
        publisher=_publisher(settings),
        rules=cache(lambda: RuleBook.read(read_rules(), settings.mode)),
        workspaces=settings.workspaces,
        defaults=TargetDefaults(settings.azure_devops_org_url, settings.azure_devops_project),
        mode=settings.mode,
        policy=Policy(
            claim_lease=settings.claim_lease,
            list_lag=settings.list_lag,
            retry_pause=settings.retry_pause,
            retry_for=settings.retry_for,
            reconcile_lookback=settings.reconcile_lookback,
            decision_retention=settings.decision_retention,
        ),
    )


def _tables(settings: Settings) -> TableServiceClient:
    """Open the storage account that the Functions host uses anyway."""
    if settings.storage:
        return _tables_of_string(settings.storage)
    endpoint = settings.storage_table_uri
    if not endpoint and settings.storage_account:
        endpoint = f"https://{settings.storage_account}.table.core.windows.net"
    if not endpoint:
        msg = (
            "no storage for the ledger: set AzureWebJobsStorage to a connection string, or "
            "AzureWebJobsStorage__accountName (or __tableServiceUri) to use an identity"
        )
        raise SettingsError(msg)
    credential = _credential(settings, settings.storage_client_id)
    options = client_options(endpoint)
    return TableServiceClient(endpoint, credential=credential, retry_total=0, **options)


def _tables_of_string(text: str) -> TableServiceClient:
    open_tables = partial(TableServiceClient.from_connection_string, text, retry_total=0)
    try:
        # Opened twice: only the client itself knows the address that the text stands for.
        with open_tables() as named:
            return open_tables(**client_options(named.url))
    except ValueError as error:
        msg = f"AzureWebJobsStorage is not a connection string: {error}"
        raise SettingsError(msg) from None


def _azure_devops(settings: Settings) -> TargetClient:
    # Imported when something is to be started: an event that no rule wants does without.
    from model_trigger.targets.azure_devops.client import AzureDevOps as Adapter  # noqa: PLC0415

    return Adapter(authorization=_authorization(settings), clock=time.monotonic)


def _azure_ml(settings: Settings) -> ModelLister:
    from model_trigger.registrations.azure_ml import AzureMachineLearning  # noqa: PLC0415 - as above

    return AzureMachineLearning(partial(_credential, settings, settings.azure_client_id))


def _publisher(settings: Settings) -> OutcomePublisher | None:
    if not settings.outcome_topic_endpoint:
        return None
    from model_trigger.decisions.topic import OutcomeTopic  # noqa: PLC0415 - as above

    credential = partial(_credential, settings, settings.azure_client_id)
    return OutcomeTopic(settings.outcome_topic_endpoint, credential)


def _authorization(settings: Settings) -> Callable[[str], str]:
    """Return what gives the Authorization header for an address, or raises TargetError."""
    if not settings.azure_devops_pat:
        return _Bearer(_credential(settings, settings.azure_client_id)).header
    basic = base64.b64encode(f":{settings.azure_devops_pat.strip()}".encode()).decode()
    return partial(_basic, settings.recipients, basic)


def _basic(recipients: Recipients, basic: str, url: str) -> str:
    _check_recipient(recipients, url)
    return f"Basic {basic}"


def _check_recipient(recipients: Recipients, url: str) -> None:
    refusal = recipients.refusal(url)
    if refusal:
        msg = f"{Origin.of(url) or quoted(url)} {refusal}"
        raise TargetError(msg)


def _credential(settings: Settings, client_id: str | None) -> Identity:
    """Return the app's managed identity in Azure, and the Azure CLI's login elsewhere."""
    return managed_identity(client_id) if settings.identity_endpoint else azure_cli()


class _Bearer:
    """The header with an Entra token, renewed five minutes before it expires."""

    def __init__(self, credential: TokenCredential) -> None:
        self._credential = credential
        self._token: AccessToken | None = None
        self._recipients = Recipients(None, has_pat=False)

    def header(self, url: str) -> str:
        """Return the header. Raises TargetError for a stranger, AzureError without a token."""
        _check_recipient(self._recipients, url)
        if self._lasts(_RENEW_BEFORE):
            return self._value
        try:
            self._token = self._credential.get_token(_AZURE_DEVOPS_SCOPE)
        except AzureError:
            if not self._lasts(0):
                raise
        return self._value

    @property
    def _value(self) -> str:
        return f"Bearer {self._token.token if self._token else ''}"

    def _lasts(self, seconds: float) -> bool:
        return self._token is not None and self._token.expires_on - time.time() > seconds
