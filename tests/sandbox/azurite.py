"""Run Azurite, Microsoft's emulator of Azure Storage, as a child process.

It is started with node directly: killing npx would leave node running.
"""

import shutil
from pathlib import Path

from tests.sandbox.processes import Child, ChildError

SANDBOX = Path(__file__).parent
SCRIPT = SANDBOX / "node_modules" / ".bin" / "azurite"

# The emulator's well-known account:
# https://learn.microsoft.com/azure/storage/common/storage-connect-azurite
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)


class Azurite(Child):
    """A running Azurite on free ports; `connection_string` has its blobs, queues and tables.

    It stores data in `folder`, or in memory without one.
    """

    def __init__(self, folder: Path | None = None) -> None:
        node = shutil.which("node")
        if node is None or not SCRIPT.exists():
            msg = "Azurite is not installed: run `make setup`"
            raise ChildError(msg)
        ports = ["--blobPort", "0", "--queuePort", "0", "--tablePort", "0"]
        state = ["--location", str(folder)] if folder else ["--inMemoryPersistence"]
        # newer SDKs use newer API versions than Azurite accepts
        quirks = ["--skipApiVersionCheck", "--disableTelemetry", "--silent"]
        super().__init__([node, str(SCRIPT), *ports, *state, *quirks], {}, SANDBOX)
        try:
            listening = self.wait_for(
                r"Azurite (\w+) service is successfully listening at (\S+)", 3
            )
        except ChildError:
            self.stop()
            raise
        parts = {
            "DefaultEndpointsProtocol": "http",
            "AccountName": ACCOUNT,
            "AccountKey": ACCOUNT_KEY,
        }
        parts |= {f"{found[1]}Endpoint": f"{found[2]}/{ACCOUNT}" for found in listening}
        self.connection_string = "".join(f"{name}={value};" for name, value in parts.items())
