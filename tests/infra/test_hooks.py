"""The hooks of azd: what they ask of Azure, with an `az` that notes it."""

import os
import re
from dataclasses import dataclass

import pytest

from tests.sandbox.processes import ROOT
from tests.support.bicep import INFRA, run


def test_every_hook_of_azd_exists_and_publishes_what_was_packaged():
    project = (ROOT / "azure.yaml").read_text()
    hooks = re.findall(r"run: sh (\S+)", project)
    assert 3 == len(hooks)
    assert [] == [hook for hook in hooks if not os.access(ROOT / hook, os.X_OK)]
    dist = re.search(r"dist: (\S+)", project)
    assert dist
    assert f"dist/model-trigger.zip {dist[1]}\n" in (INFRA / "hooks/package.sh").read_text()


ML = "/subscriptions/s1/resourceGroups/g1/providers/Microsoft.MachineLearningServices/workspaces"
AZ = """#!/bin/sh
case "$*" in
*"system-topic list"*) cat "$TOPICS" ;;
*"deployment group create"*)
  echo "$WORKSPACE_NAME topic=$SYSTEM_TOPIC_ID $*" >> "$CALLS"
  [ "$(wc -l < "$CALLS")" -gt "$FAILURES" ] ;;
esac
"""


@dataclass(frozen=True)
class Subscribed:
    """What the hook called in Azure, and how it ended."""

    deployments: list[str]
    exit_code: int
    reported: str


@pytest.fixture
def subscribe(tmp_path):
    """Return a function that runs the hook with an `az` that records, and first fails."""
    commands, calls, topics = (tmp_path / name for name in ("bin", "calls", "topics"))
    commands.mkdir()
    calls.touch()
    for name, script in {"az": AZ, "sleep": "#!/bin/sh\n"}.items():
        (commands / name).write_text(script)
        (commands / name).chmod(0o755)

    def hook(workspaces: str, *, topic_list: str = "", failures: int = 0) -> Subscribed:
        topics.write_text(topic_list)
        environment = {
            "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
            "CALLS": str(calls),
            "TOPICS": str(topics),
            "FAILURES": str(failures),
            "WORKSPACE_IDS": workspaces,
            "functionAppId": "/subscriptions/s0/app",
        }
        result = run(INFRA / "hooks/subscribe.sh", environment=environment)
        return Subscribed(
            calls.read_text().splitlines(), result.returncode, result.stdout + result.stderr
        )

    return hook


def test_each_workspace_is_subscribed_where_it_lives(subscribe):
    other = ML.replace("s1", "s2").replace("g1", "g2")
    done = subscribe(f"{ML}/ml,{other}/lab")
    assert 0 == done.exit_code, done.reported
    first, second = done.deployments
    assert "ml topic= " in first
    assert "--subscription s1 --resource-group g1 --name model-trigger-ml" in first
    assert "lab topic= " in second
    assert "--subscription s2 --resource-group g2 --name model-trigger-lab" in second


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        pytest.param(f"{ML}/ml\t/topics/a\n", "/topics/a", id="its own"),
        pytest.param(f"{ML.upper()}/ML\t/topics/a\n", "/topics/a", id="spelled in another case"),
        pytest.param(f"{ML}/ml2\t/topics/b\n", "", id="not the one of a longer name"),
        pytest.param(f"{ML}/m\t/c\n{ML}/ml\t/topics/a\n", "/topics/a", id="among others"),
        pytest.param("", "", id="none exists"),
    ],
)
def test_the_topic_that_a_workspace_already_has_is_used(subscribe, listed, expected):
    done = subscribe(f"{ML}/ml", topic_list=listed)
    assert f"ml topic={expected} deployment" in done.deployments[0]


def test_a_subscription_that_is_too_early_is_retried(subscribe):
    done = subscribe(f"{ML}/ml", failures=3)
    assert (4, 0) == (len(done.deployments), done.exit_code)


def test_the_hook_gives_up_after_five_attempts_and_prints_how_to_continue(subscribe):
    done = subscribe(f"{ML}/ml", failures=5)
    assert (5, 1) == (len(done.deployments), done.exit_code)
    assert "sh infra/hooks/subscribe.sh" in done.reported


def test_the_hook_refuses_an_invalid_workspace(subscribe):
    done = subscribe("/subscriptions/s1/resourceGroups/g1")
    assert done.exit_code
    assert [] == done.deployments
    assert (
        "/subscriptions/s1/resourceGroups/g1 is not the resource id of a workspace" in done.reported
    )
