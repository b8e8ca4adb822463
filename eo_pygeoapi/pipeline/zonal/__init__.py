"""Zonal statistics: coverage weights once, then sparse products."""
