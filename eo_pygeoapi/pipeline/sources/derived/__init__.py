"""Values of other datasets, seen against their own past."""
