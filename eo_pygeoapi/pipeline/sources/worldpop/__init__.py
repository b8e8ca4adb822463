"""WorldPop population counts."""
