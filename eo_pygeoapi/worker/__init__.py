"""The worker: takes flow runs from our work pool and gives each a process of its own."""
