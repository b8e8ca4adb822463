"""The commands of `cli.py`: run everything on one machine, check and apply the file, look after the cache."""
