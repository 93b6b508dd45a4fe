"""ipykernel, with a fault mended that makes a kernel deaf: cells stay at [*], clicks do nothing.

ipykernel 7.0 to 7.3 reads requests through a `ZMQStream`, and sends replies beside it, on its
socket. A request that arrives during such a reply may never be noticed, nor any after it
(ipykernel's issue 1554). 7.4.0 sends replies through the stream too (its pull request 1529), but
keeps clicks waiting while a cell is busy.

Run as a script, this file is the kernel that `rlplay lab` starts: it imports nothing of rlplay, so
that it is there as quickly as ipykernel's own.
"""

from __future__ import annotations

from typing import Any

__all__ = ["mend_kernel"]


def mend_kernel(kernel: Any) -> bool:
    """Have a kernel send its replies through the stream that reads its requests.

    Args:
        kernel: An `ipykernel.kernelbase.Kernel`, whether it runs already or not.

    Returns:
        Whether there was something to mend.
    """
    stream = getattr(kernel, "shell_stream", None)
    manager = getattr(getattr(kernel, "shell_channel_thread", None), "manager", None)
    if stream is None or getattr(manager, "_shell_socket", stream) is stream:
        return False
    manager._shell_socket = stream  # the manager sends with it, and does nothing else
    return True


def _main() -> None:
    """Start ipykernel as its own launcher does, mended before it listens."""
    from ipykernel.kernelapp import IPKernelApp

    app = IPKernelApp.instance()
    app.initialize()
    mend_kernel(app.kernel)
    app.start()


if __name__ == "__main__":
    _main()
