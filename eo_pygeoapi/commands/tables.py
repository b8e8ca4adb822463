"""Print the tables of commands."""

from rich.console import Console
from rich.table import Table

_WIDTH = 200  # where no terminal says how wide it is: for a file or another program nothing is cut off


def print_table(table: Table) -> None:
    """Print a table as wide as the terminal, or for other programs."""
    console = Console()
    (console if console.is_terminal else Console(width=_WIDTH)).print(table)
