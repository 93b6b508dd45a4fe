"""The screen of rlplay: panels for JupyterLab."""

from IPython import get_ipython

from rlplay_widgets.board import Picture, register_board
from rlplay_widgets.kernel import mend_kernel
from rlplay_widgets.playground import Playground

__all__ = ["Picture", "Playground", "register_board"]

# A kernel that `rlplay lab` did not start: clicks reach the panels all the same.
mend_kernel(getattr(get_ipython(), "kernel", None))
