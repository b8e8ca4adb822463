"""Tests; what Python compiles is kept also where the environment says not to, for they start some hundred processes."""

import os
import sys

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
