"""Local servers that stand in for the providers and DHIS2, each a process of its own."""
