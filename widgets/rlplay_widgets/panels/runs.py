"""The library of runs: find, continue, copy, share and delete them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipywidgets as ipw

from rlplay.config import RunConfig
from rlplay.envs import ENV_REGISTRY
from rlplay.errors import ConfigError, RlplayError, RunBusy, SessionError, StorageError
from rlplay.samples import SAMPLES, sample_path
from rlplay.storage.files import slug
from rlplay.training.session import TrainingSession, sessions
from rlplay_widgets.desk import Desk, run_of
from rlplay_widgets.games import AgentGame
from rlplay_widgets.library import SavedRun, moment, title
from rlplay_widgets.receipt import Receipt
from rlplay_widgets.scene import Frame, assign
from rlplay_widgets.table import Column, Row, Table
from rlplay_widgets.theme import escape, message_html
from rlplay_widgets.upload import Upload

__all__ = ["RunsPanel", "state_of"]

#: Below the models folder: where exports are written.
EXPORTS = "exports"

_STATES = {
    "running": ("▶", "running", "A session writes it now"),
    "open": ("❚❚", "can go on", "Continue goes on from its last checkpoint"),
    "new": ("○", "new", "It has not trained yet; Continue begins"),
    "finished": ("✓", "finished", "It has done all of its steps; Fork trains its weights further"),
    "kept": ("◆", "weights", "It has no checkpoint to go on from; Fork trains its weights further"),
    "broken": ("!", "broken", "It cannot be opened"),
}

_COLUMNS = (
    Column("Name", width="minmax(90px, 1fr)", hint="The name of the run, or its id"),
    Column("Algo", width="34px", hint="The algorithm"),
    Column("World", width="46px", hint="The environment", least=640),
    Column("Episodes", "count", "62px", "Episodes that it has trained", least=560),
    Column("Steps", "count", "46px", "Environment steps that it has trained", least=680),
    Column("Best", "number", "34px", "Highest score of an episode"),
    Column("Mean", "number", "40px", "Mean score of its last episodes, 100 at least", digits=1),
    Column("When", "when", "80px", "When it was made"),
    Column("Size", "size", "50px", "All of its files", least=600),
    Column("State", "tag", "76px", "What can be done with it", tags=_STATES),
)

#: Each button's name, words and explanation, and whether it needs a run that can be opened.
_ACTIONS = (
    ("go_on", "Continue", "Train on from its last checkpoint"),
    ("watch", "Watch", "Let its agent play on the board"),
    ("replays", "Replays", "Show its stored episodes"),
    ("load", "Load config", "Put its options into the forms; Start then trains a new run of them"),
    ("clone", "Clone", "Make a new run with the same config, and nothing else of it"),
    ("fork", "Fork", "Make a new run that begins with its weights, with the options of the forms"),
    ("export", "Export", "Write it as one zip that Import takes in anywhere"),
    ("delete", "Delete", "Move it to the trash; Undo brings it back"),
)
_HINTS = {name: hint for name, _, hint in _ACTIONS}


class RunsPanel:
    """The saved runs as a table, and what can be done with them.

    Args:
        desk: Whose library it shows.
    """

    title = "The library"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._library = desk.library
        self._painted: Any = None
        self._listed = -1
        self._state = ""
        self._wanted: SavedRun | None = None  # to be selected once it is listed
        scene = desk.scene
        self.table = Table(
            _COLUMNS,
            "Saved runs",
            scene.safely,
            desk.wake,
            order=(7, True),
            several=True,
            hint="No runs yet. Start trains one, Import takes one in, or add a sample run.",
        )
        self.table.on_select = self._select
        self.table.on_open = lambda _: self.watch()
        self.receipt = Receipt(scene.safely, desk.wake)
        self.upload = Upload(
            "Import …",
            self.take_in,
            scene.safely,
            desk.wake,
            accept=".zip",
            hint="Take in runs that somebody exported: choose their zip files, or drop them here",
        )
        desk.at_close(self.upload.close)
        desk.carry(self.upload.hand_on)
        desk.carry(self.receipt.hand_on)
        layout, style = ipw.Layout(), ipw.ButtonStyle()

        def button(words: str, hint: str, do: Callable[[], None]) -> ipw.Button:
            made = ipw.Button(description=words, tooltip=hint, layout=layout, style=style)
            made.on_click(scene.safely(lambda _: do()))
            return made

        self.actions = {
            name: button(words, hint, getattr(self, name)) for name, words, hint in _ACTIONS
        }
        self.samples = {
            name: button(name.capitalize(), f"Add a sample run that {words}", self._adds(name))
            for name, words in SAMPLES.items()
        }
        self.name = ipw.Text(
            description="Name",
            placeholder="The name of the selected run",
            continuous_update=False,
            disabled=True,
            tooltip="The name of the selected run; its id and folder stay",
        )
        self.notes = ipw.Textarea(
            description="Notes",
            placeholder="Notes on the selected run",
            continuous_update=False,
            disabled=True,
            rows=1,
        )
        self.name.observe(scene.safely(lambda change: self.rename(change["new"])), names="value")
        self.notes.observe(scene.safely(lambda change: self.note(change["new"])), names="value")
        self.about = ipw.HTML()
        label = ipw.Label("Add a sample:")
        tools = ipw.HBox([label, *self.samples.values(), self.upload.widget])
        acts = ipw.HBox([*self.actions.values()])
        self.texts = ipw.HBox([self.name, self.notes])
        foot = ipw.Box([self.receipt.widget, self.about])
        self.widget = ipw.VBox([tools, self.table.widget, acts, self.texts, foot])
        self.widget.add_class("rlplay-runs")
        parts = {"tools": tools, "acts": acts, "texts": self.texts, "foot": foot}
        for name, part in parts.items():
            part.add_class(f"rlplay-runs-{name}")
        self.table.rows = self._rows()
        self._library.refresh()

    # What is selected ----------------------------------------------------------------------------

    @property
    def selected(self) -> tuple[SavedRun, ...]:
        """The selected runs."""
        places = (key.split("/", 1) for key in self.table.selected)
        return tuple((environment, run_id) for environment, run_id in places)

    def _select(self, keys: tuple[str, ...]) -> None:
        chosen = self.selected
        self._desk.run = chosen[0] if len(chosen) == 1 else None

    def _one(self) -> tuple[SavedRun, dict[str, Any]]:
        """Give the selected run, and what the list says of it."""
        chosen = self.selected
        if len(chosen) != 1 or chosen[0] not in self._library.runs:
            raise SessionError("Select one run in the table first.")
        return chosen[0], self._library.runs[chosen[0]]

    def _shows(self, run: SavedRun) -> None:
        """Have the runs listed, and select one of them."""
        self._library.list()
        self._wanted = run
        self._desk.wake()

    # What a person does: noted here, done by the clerk -------------------------------------------

    def go_on(self) -> None:
        """Train on with the selected run."""
        run, _ = self._one()
        desk = self._desk

        def start(session: TrainingSession) -> None:
            desk.start(session)
            desk.draft.adopt(session.config.replace(run_id=None), keep_locked=True)
            self.receipt.clear()  # the line above says how it goes on
            self._library.refresh()

        desk.work("opening the run", lambda: TrainingSession.resume_run(*run, desk.storage), start)

    def watch(self) -> None:
        """Let the selected run's agent play."""
        run, _ = self._one()
        self._desk.watch(AgentGame.of_run(*run, self._desk.storage))
        self._desk.open_tab("Watch")

    def replays(self) -> None:
        """Show the selected run's replays."""
        self._one()
        self._desk.open_tab("Replays")

    def load(self) -> None:
        """Put the selected run's config into the forms."""
        run, listed = self._one()

        def show(config: RunConfig) -> None:
            self._desk.draft.adopt(config.replace(run_id=None), keep_locked=True)
            self.receipt.say(
                f"The forms hold the options of {title(listed)}. Start trains a new run of them."
            )

        self._desk.work(
            "reading the config", lambda: self._desk.storage.load_present_config(*run), show
        )

    def clone(self) -> None:
        """Make a new run of the selected run's config."""
        run, listed = self._one()

        def show(made: str) -> None:
            self._shows((run[0], made))
            self.receipt.say(f"A new run with the config of {title(listed)}. Continue begins it.")

        storage = self._desk.storage

        def make() -> str:
            made = storage.clone_run(*run)
            if listed["name"]:  # two runs of one name could not be told apart
                storage.rename_run(run[0], made, f"{listed['name']} copy"[:200])
            return made

        self._desk.work("cloning the run", make, show)

    def fork(self) -> None:
        """Make a new run that begins with the selected run's weights, as the forms say."""
        run, listed = self._one()
        draft, storage = self._desk.draft, self._desk.storage
        if draft.problems:
            raise SessionError(
                "Not forked, since a value is not allowed: " + " ".join(draft.problems.values())
            )
        wanted = draft.config.to_dict()

        def make() -> str:
            had = storage.load_present_config(*run).to_dict()
            changes = {
                field: value
                for field, value in wanted.items()
                if field not in ("run_id", "name") and value != had[field]
            }
            if had["name"]:
                changes["name"] = f"{had['name']} forked"[:200]
            try:
                return storage.fork_run(*run, **changes)
            except ConfigError as error:
                raise ConfigError(
                    f"{error} A fork takes the options of the forms: Load config puts those of "
                    "this run there, to change what you like."
                ) from error

        def show(made: str) -> None:
            self._shows((slug(wanted["env_name"]), made))
            self.receipt.say(f"A new run with the weights of {title(listed)}. Continue trains it.")

        self._desk.work("forking the run", make, show)

    def export(self) -> None:
        """Write the selected run as a zip."""
        run, _ = self._one()
        storage = self._desk.storage

        def write() -> Path:
            folder = exports_folder(storage.base_dir)
            return storage.export_run(*run, folder / f"{run[1]}.zip")

        self._desk.work(
            "exporting the run",
            write,
            lambda path: self.receipt.say("Exported.", path),
            export=True,
        )

    def take_in(self, path: Path, name: str) -> None:
        """Import a zip that was uploaded, and remove the upload.

        Args:
            path: The upload.
            name: What the file was called.
        """

        def read() -> SavedRun:
            try:
                made = self._desk.storage.import_run(path)
            except RlplayError as error:
                raise type(error)(str(error).replace(str(path), name)) from error
            finally:
                path.unlink(missing_ok=True)
            return slug(made.env_name), made.run_id

        self._desk.work("importing the run", read, lambda run: self._has_come(run, name))

    def add_sample(self, name: str) -> None:
        """Add a sample run to the library."""

        def read() -> SavedRun:
            made = self._desk.storage.import_run(sample_path(name))
            return slug(made.env_name), made.run_id

        self._desk.work("adding a sample run", read, lambda run: self._has_come(run, ""))

    def _adds(self, name: str) -> Callable[[], None]:
        return lambda: self.add_sample(name)

    def _has_come(self, run: SavedRun, file: str) -> None:
        self._shows(run)
        of = f" from {file}" if file else ""
        self.receipt.say(f"{title(self._library.runs[run])} was added{of}, as {run[1]}.")

    def rename(self, name: str) -> None:
        """Give the selected run another name."""
        run, _ = self._one()
        storage = self._desk.storage

        def write() -> None:
            for session in sessions():
                if session.storage.base_dir == storage.base_dir and run_of(session) == run:
                    session.rename(name)
                    break
            else:
                storage.rename_run(*run, name)
            self._library.list()

        self._desk.work("renaming the run", write)

    def note(self, notes: str) -> None:
        """Keep notes with the selected run."""
        run, _ = self._one()

        def write() -> None:
            self._desk.storage.set_notes(*run, notes)
            self._library.list()

        self._desk.work("keeping the notes", write)

    def delete(self) -> None:
        """Move the selected runs to the trash."""
        chosen = self.selected
        names = [title(self._library.runs[run]) for run in chosen if run in self._library.runs]
        if not names:
            raise SessionError("Select a run in the table first.")
        storage = self._desk.storage
        gone: list[SavedRun] = []

        def bring_back() -> None:
            self._desk.work("restoring", lambda: [storage.restore_run(*run) for run in gone], back)

        def back(_: Any) -> None:
            self._library.list()
            self._wanted = gone[0]
            self.receipt.say(f"{_so_many(names)} is back." if len(gone) == 1 else "They are back.")

        def move() -> None:
            try:
                for run in chosen:
                    gone.append(self._delete(run))
            finally:
                if gone:
                    self._library.list()
                    self.receipt.offer_undo(f"Moved to the trash: {_so_many(names)}.", bring_back)

        self._desk.work("deleting", move)

    def _delete(self, run: SavedRun) -> SavedRun:
        try:
            self._desk.storage.delete_run(*run)
        except RunBusy as error:
            holder = self._desk.storage.get_holder(*run) or "a session"
            raise RunBusy(
                f"Run {run[1]!r} is not deleted, since it is being written by {holder}. Stop that "
                "session first, then delete it."
            ) from error
        return run

    # The painter ---------------------------------------------------------------------------------

    def paint(self, frame: Frame) -> bool:
        """Show the runs that were listed last, and what can be done with the selected one."""
        library = self._library
        if frame.snapshot.state != self._state:
            self._state = frame.snapshot.state
            library.refresh()
        library.look(frame.now)
        if library.version != self._listed:
            self._listed = library.version
            self.table.rows = self._rows()
        if self._wanted is not None and self._wanted in library.runs:
            wanted, self._wanted = self._wanted, None
            self.table.select("/".join(wanted))
        self.table.paint(frame.now)
        self.receipt.paint(frame.now, self._desk.tasks)
        look = (self._listed, self.table.selected, self._desk.storage.base_dir)
        if look != self._painted or frame.fresh:
            self._painted = look
            self._paint_selected()
        return False

    def _rows(self) -> list[Row]:
        return [_row("/".join(place), run) for place, run in self._library.runs.items()]

    def _paint_selected(self) -> None:
        chosen, runs = self.selected, self._library.runs
        run = chosen[0] if len(chosen) == 1 else None
        listed = runs.get(run) if run is not None else None
        state = "" if listed is None else state_of(listed)
        why = "" if listed is None else _STATES[state][2]
        for name, button in self.actions.items():
            allowed = {
                "go_on": state in ("open", "new"),
                "delete": bool(chosen),
                "replays": listed is not None,
            }.get(name, listed is not None and state != "broken")
            hint = _HINTS[name]
            if not allowed:
                hint = why if listed is not None else "Select a run in the table first"
            assign(button, disabled=not allowed, tooltip=hint)
        usable = listed is not None and state != "broken"
        for field, control in (("name", self.name), ("notes", self.notes)):
            text = str(listed[field] or "") if listed is not None and usable else ""
            assign(control, disabled=not usable, value=text)
        broken = listed["broken"] if listed is not None else None
        assign(self.texts.layout, display="none" if broken else None)
        messages = [text for text in (self._library.problem, broken) if text]
        root = escape(self._desk.storage.base_dir)
        assign(
            self.about,
            value="".join(map(message_html, messages))
            + f'<p>Library <code class="rlplay-path">{root}</code></p>',
        )


def exports_folder(base_dir: Path) -> Path:
    """Make the folder of exports below the models folder, if missing, and give it."""
    folder = base_dir / EXPORTS
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"Cannot make {folder}: {error.strerror}. Check that you may write there, or set "
            "RLPLAY_MODELS to another folder."
        ) from error
    return folder


def state_of(run: dict[str, Any]) -> str:
    """Say what can be done with a listed run, as one of the states of the table."""
    if run["broken"] is not None:
        return "broken"
    if run["holder"] is not None:
        return "running"
    if run["resumable"]:
        return "open"
    if not run["steps"]:
        return "new"
    return "finished" if run["steps"] >= (run["total_steps"] or 0) else "kept"


def _row(key: str, run: dict[str, Any]) -> Row:
    spec = ENV_REGISTRY.get(run["env_name"])
    cells = (
        title(run),
        None if run["algo"] is None else run["algo"].upper(),
        spec.title if spec is not None else run["env_name"],
        run["episodes"],
        run["steps"],
        run["best_score"],
        run["avg_score"],
        moment(run["created_at"]),
        run["size"],
        state_of(run),
    )
    return Row(key, cells, run["broken"] or "")


def _so_many(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} runs"
