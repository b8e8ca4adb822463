"""Print the exact versions that this was tested with, from pyproject.toml, as a constraints file for pip."""

import sys
import tomllib

with open(sys.argv[1], "rb") as file:
    print("\n".join(tomllib.load(file)["tool"]["uv"]["constraint-dependencies"]))
