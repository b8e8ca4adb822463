"""What several processes of the local stack load: the process that they are forks of imports this, once.

No module of it may start a thread, or open a file or a connection, when it is imported: the forks would share it.
"""

import gc
import importlib
import os
import signal
import sys

import setproctitle

LIBRARIES = (
    "eo_pygeoapi.worker.loaded_code",  # before the others
    "eo_pygeoapi.worker.working",
    "eo_pygeoapi.commands.configuration.applying",
    "eo_pygeoapi.commands.watching",
)

PID = os.getpid()  # of the process that its forks end with
gc.disable()  # what is imported stays
sys.dont_write_bytecode = False  # as `up` has it, whose option says otherwise where the environment did
for library in LIBRARIES:
    importlib.import_module(library)
# it ends with its last fork; a fork unblocks them, so that it misses none that comes before it can take it
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
setproctitle.setproctitle("eo-pygeoapi up: shared libraries")
gc.enable()
gc.freeze()  # else the garbage collector of each fork would write to what they share, and so copy it
