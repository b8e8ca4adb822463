"""The import into DHIS2: what is sent, what is checked before, and what came of it."""
