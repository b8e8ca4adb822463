"""What the commands of `cli.py` do: run everything on one machine, check and apply the file, keep the cache."""
