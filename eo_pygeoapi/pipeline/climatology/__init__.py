"""Values seen against what is normal at their time of the year, from what other datasets have published."""
