"""The decorators behind every compiled kernel.

Modules that use them import numba (about half a second), so environments import their kernels when
the first board is made and never before: `import rlplay` stays cheap.

Nobody else imports numba: where two threads do so at the same time, both hang for ever, and the
lock of this one module lets the second thread wait for the first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeAlias, TypeVar, cast

import numba
import numpy as np
from numba.core import cgutils, event
from numba.extending import intrinsic
from numba.np.arrayobj import make_array
from numpy.typing import NDArray

__all__ = ["Whole", "borrowed", "compiled", "event", "inlined", "machine_code"]

#: A whole number in a kernel; only the tools that read types see a difference.
Whole: TypeAlias = int | np.signedinteger[Any]

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def compiled(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Compile a call that Python makes: kept on disk, and free of the GIL while it runs.

    Args:
        function: Plain Python within numba's nopython subset.

    Returns:
        The compiled function, typed like the original.
    """
    jit: Callable[..., Any] = numba.njit
    try:
        dispatcher = jit(function, nogil=True, cache=True, error_model="numpy")
    except RuntimeError:  # no folder of this machine can be written: compile for this process only
        dispatcher = jit(function, nogil=True, error_model="numpy")
    return cast("Callable[Parameters, Result]", dispatcher)


def inlined(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Compile a part of a call, in place wherever it is used: a function then costs nothing.

    Args:
        function: Plain Python within numba's nopython subset.

    Returns:
        The function for the use of other compiled functions, typed like the original.
    """
    jit = numba.njit(nogil=True, error_model="numpy", forceinline=True)
    return cast("Callable[Parameters, Result]", jit(function))


def machine_code(function: Callable[..., Result], *arguments: Any) -> Callable[..., Result]:
    """Get the entry of a compiled function for arguments of these types, compiled where need be.

    Calling the entry saves the half of a call's cost that goes into looking at its arguments; it
    must be given arguments of exactly these types.

    Args:
        function: What `compiled` gave.
        *arguments: Examples of the arguments.

    Returns:
        The entry.
    """
    typeof: Callable[[Any], Any] = numba.typeof
    signature = tuple(typeof(argument) for argument in arguments)
    return cast("Callable[..., Result]", function.compile(signature))  # type: ignore[attr-defined]


def _without_owner(_: Any, array: Any) -> Any:
    """Give numba the signature and the code of `borrowed`."""
    make: Callable[[Any], Any] = make_array
    null: Callable[[Any], Any] = cgutils.get_null_value

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = make(signature.args[0])(context, builder, arguments[0])
        view.meminfo = null(view.meminfo.type)
        view.parent = null(view.parent.type)
        return view._getvalue()

    return array(array), generate


#: Use an array within a compiled call without counting references to it.
#:
#: Numba counts references whenever an array is handed from function to function, each time with an
#: atomic instruction; in a kernel of small functions that takes more time than all the rest. The
#: caller of a compiled call holds its arguments until it returns, so nothing needs to be counted.
borrowed = cast("Callable[[NDArray[Any]], NDArray[Any]]", intrinsic(_without_owner))
