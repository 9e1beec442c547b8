"""`python -m tests.sandbox.host`: serve a function app until interrupted."""

import sys

from tests.sandbox.host.server import main

if __name__ == "__main__":
    sys.exit(main())
