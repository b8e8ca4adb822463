"""Read a file of whatever format as a lazy array of one variable: what is missing is NaN, times are dates."""
