"""The screen of rlplay: panels for JupyterLab."""

from rlplay_widgets.board import Picture, register_board
from rlplay_widgets.playground import Playground

__all__ = ["Picture", "Playground", "register_board"]
