"""The only door to Prefect."""
