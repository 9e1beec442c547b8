"""`python -m tests.sandbox.azure_ml`: serve the stand-in until interrupted."""

from tests.sandbox.azure_ml.stand_in import main

if __name__ == "__main__":
    main()
