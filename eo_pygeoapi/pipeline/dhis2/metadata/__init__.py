"""The metadata that imports need in DHIS2: what is wanted, what DHIS2 has, the plan between the two, and making it.

`needs.py` says what the datasets need, `wanted.py` the objects for that, `held.py` which of them DHIS2 has, `plan.py`
what it lacks and what differs, and `making.py` makes it, all or nothing.
"""
