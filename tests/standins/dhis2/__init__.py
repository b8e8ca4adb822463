"""Stand-in for the DHIS2 Web API: a process of its own with metadata, stored values, faults and a log.

Tests say `with running("2.43") as dhis2:`, and by hand it is `python -m tests.standins.dhis2 --version 2.42`. It
answers as the servers did whose answers are in `tests/standins/recorded`; what differs between versions is in
`versions.py`. A file is what DHIS2 has in one place (`login.py`, `tasks.py`, `values_until_242.py` …), `routes.py` says
which path leads where, and `serving.py` is the server around it, with its faults.
"""

from tests.standins.dhis2.control import StandIn, running

__all__ = ["StandIn", "running"]
