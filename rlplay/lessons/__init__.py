"""Exercises that check themselves: ``check("discounted_return", my_function)``.

A check is one of three kinds: a function that is compared on several inputs, a deterministic run of
at most three seconds, or an artefact that is verified by replay; never a score after training. It
prints one line, the same for the same answer: ``ok 3/3``, or a hint that names the likely mistake.
"""

from rlplay.lessons.checking import WrongAnswer, check, list_exercises

__all__ = ["WrongAnswer", "check", "list_exercises"]
