"""`python -m tests.sandbox.azure_devops`: serve the stand-in until interrupted."""

from tests.sandbox.azure_devops.stand_in import main

if __name__ == "__main__":
    main()
