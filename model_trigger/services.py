"""Build the adapters from the settings, each once, on first use."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from threading import Semaphore

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
from model_trigger.targets.request import TargetClient, TargetDefaults

_MAX_WAITING = 8


@dataclass(frozen=True, slots=True)
class Services:
    """The adapters and settings that triggers and commands use.

    `rules` reads the rules on the first successful call, and raises RulesUnreadableError until
    then; `targets` and `models` build their client on first use. Only events from `workspaces` are
    accepted, and only these are reconciled; if empty, all events are accepted and nothing is
    reconciled.
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
    waiting_room: Semaphore = field(default_factory=lambda: Semaphore(_MAX_WAITING))

    @property
    def starter(self) -> Starter:
        """The starter of targets."""
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

    Raises SettingsError, which names what is missing or invalid; the next call tries again.
    """
    settings = read_settings()
    # The SDKs log every request at INFO, which would drown the decisions.
    logging.getLogger("azure").setLevel(logging.WARNING)
    return Services(
        ledger=Ledger.open(open_tables(settings), settings.ledger_prefix),
        targets=cache(partial(target_client, settings)),
        models=cache(partial(model_lister, settings)),
        publisher=outcome_publisher(settings),
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


def open_tables(settings: Settings) -> TableServiceClient:
    """Return a client for the storage account of the Functions host. Raises SettingsError."""
    endpoint = settings.storage_table_uri
    if not endpoint and settings.storage_account:
        endpoint = f"https://{settings.storage_account}.table.core.windows.net"
    if settings.storage:
        by_string = partial(
            TableServiceClient.from_connection_string, settings.storage, retry_total=0
        )
        try:
            # Opened twice: only the client can resolve the connection string to a URL.
            with by_string() as named:
                return by_string(**client_options(named.url))
        except ValueError as error:
            msg = f"AzureWebJobsStorage is not a connection string: {error}"
            raise SettingsError(msg) from None
    if not endpoint:
        msg = (
            "no storage for the ledger: set AzureWebJobsStorage to a connection string, or "
            "AzureWebJobsStorage__accountName (or __tableServiceUri) to use an identity"
        )
        raise SettingsError(msg)
    identity = identity_of(settings, settings.storage_client_id)
    options = client_options(endpoint)
    return TableServiceClient(endpoint, credential=identity, retry_total=0, **options)


# The functions below import their SDK lazily: an event that no rule matches needs none.


def target_client(settings: Settings) -> TargetClient:
    """Return the client that starts releases and runs in Azure DevOps."""
    from model_trigger.targets.azure_devops.client import AzureDevOps  # noqa: PLC0415

    return AzureDevOps(authorization=authorization(settings), clock=time.monotonic)


def authorization(settings: Settings) -> Callable[[str], str]:
    """Return a function from a URL to its Authorization header, which may raise TargetError."""
    from model_trigger.targets.azure_devops import credentials  # noqa: PLC0415

    pat = settings.azure_devops_pat
    if pat:
        return credentials.PersonalAccessToken(pat, settings.recipients).header
    identity = identity_of(settings, settings.azure_client_id)
    return credentials.EntraToken(identity, time.time).header


def model_lister(settings: Settings) -> ModelLister:
    """Return the client that lists the models of Azure ML workspaces."""
    from model_trigger.registrations.azure_ml import AzureMachineLearning  # noqa: PLC0415

    return AzureMachineLearning(partial(identity_of, settings, settings.azure_client_id))


def outcome_publisher(settings: Settings) -> OutcomePublisher | None:
    """Return the publisher of decisions; None if no topic is set."""
    if not settings.outcome_topic_endpoint:
        return None
    from model_trigger.decisions.topic import OutcomeTopic  # noqa: PLC0415

    identity = partial(identity_of, settings, settings.azure_client_id)
    return OutcomeTopic(settings.outcome_topic_endpoint, identity)


def identity_of(settings: Settings, client_id: str | None) -> Identity:
    """Return the app's managed identity in Azure, or the login of the Azure CLI elsewhere."""
    return managed_identity(client_id) if settings.identity_endpoint else azure_cli()
