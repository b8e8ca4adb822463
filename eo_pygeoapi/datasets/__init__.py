"""The datasets that the configuration file enables, and the check of a request against them."""
