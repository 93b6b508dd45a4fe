"""What `rlplay lab` asks of Jupyter's server: to send each message of a kernel at once.

Without it, the second of two messages waits until the browser has acknowledged the first, which
takes a browser 40 ms (Nagle's algorithm meets delayed acknowledgements): from a click to what is
seen of it, and from frame to frame.
"""

from __future__ import annotations

from typing import Any

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection


class PromptConnection(ZMQChannelsWebsocketConnection):
    """Jupyter's own connection of a browser with a kernel, without Nagle's algorithm."""

    def connect(self) -> Any:
        """Connect, as Jupyter does."""
        self.websocket_handler.set_nodelay(True)
        return super().connect()


c = get_config()  # type: ignore[name-defined]  # noqa: F821  # Jupyter gives it
c.ServerApp.kernel_websocket_connection_class = PromptConnection
