"""The configuration file: bring one, check it, and bring Prefect and the API in step with it."""
