"""Training in a script: one call, with a progress bar."""

from __future__ import annotations

from contextlib import suppress

from tqdm.auto import tqdm

from rlplay.config import RunConfig
from rlplay.errors import ConfigError, SessionError
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
        seconds: Stop after so many seconds of training, compilation and what a run had trained
            before not counted. The schedules still follow `total_steps` of the config.
        steps: Train so many environment steps: replaces `total_steps` of the config.
        progress: Show a progress bar with steps/s, score and time left.
        storage: The library of runs, for a config; without one, the models folder of this place.

    Returns:
        The finished session; its `run_id` names the run.

    Raises:
        ConfigError: For a budget that is not above zero, or steps for a session, which has them.
        KeyboardInterrupt: After Ctrl-C; the run is stopped and saved by then.
        Exception: What training failed with.
    """
    for name, value in (("seconds", seconds), ("steps", steps)):
        if value is not None and value <= 0:
            raise ConfigError(f"{name} = {value!r} is not allowed: above 0.")
    if isinstance(what, TrainingSession):
        if steps is not None:
            raise ConfigError(
                f"steps = {steps!r} is not allowed with a session: its config says how many. "
                "Give seconds, or fork the run with other total_steps."
            )
        session = what
    else:
        session = TrainingSession(
            what if steps is None else what.replace(total_steps=steps), storage
        )
    session.start(max_speed=True)
    total = session.config.total_steps
    with tqdm(total=total, unit="step", unit_scale=True, disable=not progress) as bar:
        try:
            _follow(session, bar, seconds)
        except KeyboardInterrupt:
            _stop(session)
            session.wait()
            raise
        _show(session, bar)
    session.wait()
    return session


def _follow(session: TrainingSession, bar: tqdm[None], seconds: float | None) -> None:
    """Move the bar until the session ends; end it when its seconds are over."""
    while not session.has_ended(timeout=0.1):
        _show(session, bar)
        trained = session.snapshot().elapsed - session.elapsed_before
        if seconds is not None and trained >= seconds:
            _stop(session)
            session.has_ended(timeout=None)


def _stop(session: TrainingSession) -> None:
    with suppress(SessionError):  # where it came to its end by itself in the meantime
        session.stop()


def _show(session: TrainingSession, bar: tqdm[None]) -> None:
    snapshot = session.snapshot()
    bar.update(snapshot.total_steps - bar.n)
    bar.set_description("" if snapshot.state == "finished" else snapshot.message, refresh=False)
    if snapshot.avg_score is not None:
        bar.set_postfix(
            score=f"{snapshot.avg_score:.1f}", best=f"{snapshot.best_score:.0f}", refresh=False
        )
