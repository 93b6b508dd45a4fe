"""Training in a script: one call, with a progress bar."""

from __future__ import annotations

from contextlib import suppress

from tqdm.auto import tqdm

from rlplay.config import RunConfig
from rlplay.errors import ConfigError, FormulaError, SessionError
from rlplay.storage import StorageManager
from rlplay.training.session import TrainingSession

__all__ = ["train"]


def train(
    what: RunConfig | TrainingSession,
    *,
    seconds: float | None = None,
    steps: int | None = None,
    progress: bool = True,
    storage: StorageManager | None = None,
) -> TrainingSession:
    """Train at full speed until the end.

    Args:
        what: The config of a new run, or a session in state new, such as one of
            `TrainingSession.resume_run`.
        seconds: Stop after so many seconds of training; see `TrainingSession.seconds`. The
            schedules still follow `total_steps` of the config.
        steps: Train so many environment steps: replaces `total_steps` of the config.
        progress: Show a progress bar with steps/s, score and time left.
        storage: The library of runs, for a config; without one, the models folder of this place.

    Returns:
        The finished session; its `run_id` names the run.

    Raises:
        ConfigError: For a budget that is not above zero, or steps for a session, which has them.
        FormulaError: When a reward had no value at some step; the run is stopped there and saved.
        KeyboardInterrupt: After Ctrl-C; the run is stopped and saved by then.
        Exception: What training failed with.
    """
    if steps is not None and steps <= 0:
        raise ConfigError(f"steps = {steps!r} is not allowed: above 0.")
    if isinstance(what, TrainingSession):
        if steps is not None:
            raise ConfigError(
                f"steps = {steps!r} is not allowed with a session: its config says how many. "
                "Give seconds, or fork the run with other total_steps."
            )
        session = what
        if seconds is not None:
            session.seconds = seconds
    elif isinstance(what, RunConfig):
        config = what if steps is None else what.replace(total_steps=steps)
        session = TrainingSession(config, storage, seconds=seconds)
    else:
        raise ConfigError(
            f"{what!r} cannot be trained. Give a RunConfig, such as that of "
            'rlplay.get_default_config("ppo"), or a TrainingSession.'
        )
    session.start(max_speed=True)
    total = session.config.total_steps
    with tqdm(total=total, unit="step", unit_scale=True, disable=not progress) as bar:
        try:
            while not session.has_ended(timeout=0.1):
                _show(session, bar)
                _refuse_problem(session)
        except KeyboardInterrupt:
            with suppress(SessionError):  # where it came to its end by itself in the meantime
                session.stop()
            session.wait()
            raise
        _show(session, bar)
    session.wait()
    return session


def _refuse_problem(session: TrainingSession) -> None:
    """End a run that waits for a person to mend its reward: here is nobody who could."""
    problem = session.snapshot().problem
    if problem:
        with suppress(SessionError):  # where it came to its end by itself in the meantime
            session.stop()
        session.wait()
        raise FormulaError(
            f"{problem} Run {session.run_id!r} was stopped there, and is saved. Train anew with "
            "another formula; or go on with this run in a Playground, where it can be changed."
        )


def _show(session: TrainingSession, bar: tqdm[None]) -> None:
    snapshot = session.snapshot()
    bar.update(snapshot.total_steps - bar.n)
    bar.set_description("" if snapshot.state == "finished" else snapshot.message, refresh=False)
    if snapshot.avg_score is not None:
        bar.set_postfix(
            score=f"{snapshot.avg_score:.1f}", best=f"{snapshot.best_score:.0f}", refresh=False
        )
