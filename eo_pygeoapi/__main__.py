"""`python -m eo_pygeoapi`, and the command `eo-pygeoapi`."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C ends it without a traceback, also while Python still imports it."""
    try:
        from eo_pygeoapi.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
