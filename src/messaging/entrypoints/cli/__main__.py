"""`python -m messaging.entrypoints.cli`: the same as `app`, for callers that know their interpreter."""

from messaging.entrypoints.cli import main

if __name__ == "__main__":
    main()
