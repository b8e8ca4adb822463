"""The commands of `cli.py`: run all on one machine (`up/`), the configuration file, DHIS2, looking after what runs."""
