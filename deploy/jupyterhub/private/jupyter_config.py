"""For every program of Jupyter on a machine with several accounts: nothing of one account's is heard by another.

A kernel that listens on the network of its own machine sends all that it runs and prints to whoever connects, also from
another account (only what comes in is signed). Sockets in the runtime folder are closed to others with that folder.
"""

c = get_config()  # noqa: F821  traitlets defines it before it runs this file

c.KernelManager.transport = "ipc"
