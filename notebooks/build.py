"""Make the notebooks from their sources.

    python notebooks/build.py                               # all, executed, into notebooks/
    python notebooks/build.py --only 03_looking_ahead       # one
    python notebooks/build.py --solutions build/solutions   # with the answers in, for the teacher

A source in `notebooks/source` is Python in jupytext's percent format. Of each comes the student's
notebook, in which the lines between ``### BEGIN SOLUTION`` and ``### END SOLUTION`` are dots, and,
where asked for, the solved one, which is also what nbgrader makes its assignment of. Outputs are
those of a run with RLPLAY_CI=1. Where a live widget would be, or the figure of a run that is too
short then, the saved notebook has a picture.

With ``--expected`` the solved notebooks are not run: they hold what a run must give, for nbval to
compare: ``ok`` at each check, and at the other cells marked NBVAL_CHECK_OUTPUT what the student's
notebook shows there.
"""

from __future__ import annotations

import argparse
import ast
import base64
import hashlib
import io
import os
import re
import sys
import tempfile
import time
import tokenize
from collections import Counter
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from rlplay.lessons.checking import find_exercise

NOTEBOOKS = Path(__file__).resolve().parent
SOURCES = NOTEBOOKS / "source"

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
COMPARED = "# NBVAL_CHECK_OUTPUT"
#: Lines of code of a cell, as a student finds it and with the answer in.
MOST_LINES = 10
#: Bytes of a picture.
MOST_BYTES = 200_000
#: Seconds for one cell.
PATIENCE = 120

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
WIDGET = "application/vnd.jupyter.widget-view+json"
KEPT = ("text/plain", "text/html", "text/latex", "text/markdown", "image/png", "image/svg+xml")
#: A bar of tqdm, which means nothing once it is full: 45%|████ | 9/20 [00:01<00:01, 9step/s]
PROGRESS = re.compile(r"\[\d\d:\d\d[^\]]*/s\]\s*$")
CHECK = re.compile(r"""^check\(\s*["']([\w-]+)["']""", re.MULTILINE)
#: Run in the kernel before the first cell: remembers what threads print, which would come up in
#: whatever cell runs by then.
LISTEN = """
import io, sys, threading
sys.printed_by_threads = []
class Listener(io.StringIO):
    def write(self, text):
        if threading.current_thread() is not threading.main_thread():
            sys.printed_by_threads.append(f"{threading.current_thread().name}: {text}")
        return len(text)
sys.stdout.echo = sys.stderr.echo = Listener()  # ipykernel tells it what is printed, at once
"""
#: Asked of the kernel after the last cell.
STILL_RUNS = """
import sys
import rlplay.training.session as _session
print([session.run_id for session in _session.sessions() if not session.has_ended()])
print(sys.printed_by_threads)
"""


class BuildError(Exception):
    """A source is not as a source must be; says where, and what to do."""


# A source's cells --------------------------------------------------------------------------------


def make_notebook(source: Path, *, solved: bool = False) -> NotebookNode:
    """Make a notebook of a source, without outputs.

    Args:
        source: A file in jupytext's percent format.
        solved: Whether the answers stay in.

    Returns:
        The notebook. Cells keep their ids from build to build. A cell with a widget names its
        picture in `metadata.picture`, until `run_notebook` puts it there.

    Raises:
        BuildError: When a cell is not as it must be.
    """
    read = jupytext.reads(source.read_text(encoding="utf-8"), fmt="py:percent")
    ids: Counter[str] = Counter()
    cells = []
    for place, cell in enumerate(read.cells):
        where = f"{source.name}, cell {place + 1}"
        identity = hashlib.sha256(f"{source.stem}:{place}".encode()).hexdigest()[:12]
        if cell.cell_type == "markdown":
            cells.append(new_markdown_cell(cell.source, id=identity))
            continue
        if cell.cell_type != "code":
            raise BuildError(f"{where}: a cell is Markdown or code, not {cell.cell_type!r}.")
        metadata = {**_picture(source, where, cell.metadata), **_grading(cell.source, where, ids)}
        text = _checked(cell.source, where, solved=solved)
        cells.append(new_code_cell(text, id=identity, metadata=metadata))
    return new_notebook(
        cells=cells, metadata={"kernelspec": KERNEL, "language_info": {"name": "python"}}
    )


def hide_solutions(text: str) -> str:
    """Take the answers out of a cell.

    Args:
        text: Its source, with marks around each answer.

    Returns:
        The source with dots for each answer, or nothing where the line before has dots already.

    Raises:
        ValueError: When marks are not in pairs.
    """
    dotted = _lines_of_tokens(text, lambda token: token.string == "...")
    lines: list[str] = []
    hidden = False
    for number, line in enumerate(text.splitlines(), start=1):
        mark = line.strip()
        if mark in (BEGIN, END):
            if hidden is (mark == BEGIN):
                raise ValueError(f"{mark!r} in line {number} has no partner")
            hidden = mark == BEGIN
            if hidden and number - 1 not in dotted:
                lines.append(line[: len(line) - len(line.lstrip())] + "...")
        elif not hidden:
            lines.append(line)
    if hidden:
        raise ValueError(f"{BEGIN!r} has no partner")
    return "\n".join(lines)


def count_lines(text: str) -> int:
    """Count the lines of code: neither blank, nor only a comment, nor of a docstring."""
    idle = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    lines = _lines_of_tokens(text, lambda token: token.type not in (*idle, tokenize.ENDMARKER))
    try:
        tree = ast.parse(text)
    except SyntaxError:  # a magic of IPython
        return len(lines)
    for node in ast.walk(tree):
        match node:
            case (
                ast.FunctionDef(body=[ast.Expr(ast.Constant(str())) as words, *_])
                | ast.ClassDef(body=[ast.Expr(ast.Constant(str())) as words, *_])
            ):
                lines -= set(range(words.lineno, (words.end_lineno or words.lineno) + 1))
    return len(lines)


def _lines_of_tokens(text: str, wanted: Any) -> set[int]:
    """The numbers of the lines that a token of some kind stands on."""
    lines: set[int] = set()
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if wanted(token):
                lines |= set(range(token.start[0], token.end[0] + 1))
    except (tokenize.TokenError, SyntaxError):
        pass  # a magic of IPython: what came before it counts
    return lines


def _checked(text: str, where: str, *, solved: bool) -> str:
    """Give a code cell as a student or a teacher gets it, and see that it is short enough."""
    try:
        hidden = hide_solutions(text)
    except ValueError as error:
        raise BuildError(f"{where}: {error}.") from None
    for what, lines in (("shows", count_lines(hidden)), ("has, solved,", count_lines(text))):
        if lines > MOST_LINES:
            raise BuildError(
                f"{where} {what} {lines} lines of code; at most {MOST_LINES}. Part it, or move "
                f"what is no part of the lesson's idea into a module. It begins:\n{text[:200]}"
            )
    return text if solved else hidden


def _picture(source: Path, where: str, metadata: dict[str, Any]) -> dict[str, Any]:
    """Read the line of a cell's mark: the picture that it names."""
    told = {key: value for key, value in metadata.items() if key != "lines_to_next_cell"}
    if told.keys() - {"picture"}:
        raise BuildError(f"{where}: its mark may say picture=..., not {sorted(told)}.")
    if not told:
        return {}
    path = source.parent / "pictures" / str(told["picture"])
    if not path.is_file():
        raise BuildError(f"{where}: the picture {path.name!r} is not in {path.parent.name}/.")
    if path.stat().st_size > MOST_BYTES:
        raise BuildError(
            f"{where}: the picture {path.name!r} has {path.stat().st_size:,} bytes; at most "
            f"{MOST_BYTES:,}. Fewer colours help: Image.quantize(64)."
        )
    return told


def _grading(text: str, where: str, ids: Counter[str]) -> dict[str, Any]:
    """What nbgrader needs to know of a cell: an answer, a check, or nothing."""
    checks = CHECK.findall(text)
    if not checks and BEGIN not in text:
        return {}
    if checks and (BEGIN in text or len(checks) > 1 or count_lines(text) > 1):
        raise BuildError(f"{where}: a check stands alone in its cell.")
    if checks and COMPARED not in text:
        raise BuildError(f"{where}: write {COMPARED!r} above the check.")
    if BEGIN in text and COMPARED in text:
        raise BuildError(f"{where}: an answer is open, so its cell's output cannot be compared.")
    name = f"check-{checks[0]}" if checks else "answer"
    ids[name] += 1
    about = {
        "cell_type": "code",
        "grade": bool(checks),
        "grade_id": name if checks and ids[name] == 1 else f"{name}-{ids[name]}",
        "locked": bool(checks),
        "schema_version": 3,
        "solution": not checks,
        "task": False,
    }
    if checks:
        about["points"] = 1
    return {"nbgrader": about}


# Outputs -----------------------------------------------------------------------------------------


def run_notebook(notebook: NotebookNode, name: str, pictures: Path) -> None:
    """Run a notebook, and leave in it the outputs that anybody may see.

    Args:
        notebook: As `make_notebook` gives it.
        name: What it is called in errors.
        pictures: The folder of the pictures.

    Raises:
        BuildError: When a cell fails, shows a widget without a picture, writes to stderr or names
            a place on this machine, when a thread prints, or when a session still runs at the end.
    """
    with tempfile.TemporaryDirectory(prefix="rlplay-build-") as base:
        environment = {
            **os.environ,
            "RLPLAY_CI": "1",
            "RLPLAY_MODELS": str(Path(base) / "models"),
            "PYTHONHASHSEED": "0",
        }
        environment.pop("NBGRADER_EXECUTION", None)
        notebook.cells.append(new_code_cell(STILL_RUNS, id="still-runs"))
        client = NotebookClient(
            notebook,
            timeout=PATIENCE,
            kernel_name=KERNEL["name"],
            record_timing=False,
            store_widget_state=False,
            extra_arguments=[
                "--log-level=ERROR",
                f"--IPKernelApp.exec_lines={[f'exec({LISTEN!r}, {{}})']!r}",
            ],
            resources={"metadata": {"path": base}},
        )
        try:
            client.execute(env=environment)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            words = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
            raise BuildError(f"{name} does not run:\n{words}") from None
        said = "".join(output.get("text", "") for output in notebook.cells.pop().outputs)
        running, printed = said.strip().split("\n")
        if running != "[]":
            raise BuildError(f"{name} leaves sessions running: {running}. Stop them.")
        if printed != "[]":
            raise BuildError(f"{name} prints from a thread: {printed[:500]}. Print from a cell.")
        notebook.metadata = new_notebook(
            metadata={"kernelspec": KERNEL, "language_info": {"name": "python"}}
        ).metadata
        for place, cell in enumerate(notebook.cells):
            if cell.cell_type == "code":
                _keep_outputs(cell, f"{name}, cell {place + 1}", pictures, base)


def _keep_outputs(cell: NotebookNode, where: str, pictures: Path, base: str) -> None:
    """Keep text, pictures and tables; put a picture where a widget or a short run's figure was."""
    picture = cell.metadata.pop("picture", None)
    kept = []
    for output in cell.outputs:
        if output.output_type == "stream":
            if output.name == "stderr":
                raise BuildError(f"{where} writes to stderr:\n{output.text[:500]}")
            output.text = _neutral(output.text, where, base)
            if kept and kept[-1].output_type == "stream":  # sent in parts, as the moment had it
                kept[-1].text += output.text
            else:
                kept.append(output)
            continue
        data = {kind: output.data[kind] for kind in KEPT if kind in output.data}
        if WIDGET in output.data:
            if PROGRESS.search(data.get("text/plain", "")):
                continue
            if picture is None and "image/png" not in data:
                raise BuildError(f'{where} shows a widget: name its picture="..." in the mark.')
        if picture is not None:
            content = base64.b64encode((pictures / picture).read_bytes()).decode()
            alt = f"A picture of what this cell shows while it runs: {Path(picture).stem}"
            data = {"image/png": content, "text/plain": alt}
            picture = None
        if not data:
            continue
        output.data = {
            kind: value if kind == "image/png" else _neutral(value, where, base)
            for kind, value in data.items()
        }
        output.metadata = {}
        kept.append(output)
    if picture is not None:
        raise BuildError(f"{where} names the picture {picture!r}, and shows nothing.")
    cell.outputs = kept
    cell.metadata.pop("execution", None)


def _neutral(text: str, where: str, base: str) -> str:
    """Take the build's own folder out of a text, and refuse any other place of this machine."""
    text = text.replace(f"{base}{os.sep}", "").replace(base, ".")
    places = {str(Path.home()), str(NOTEBOOKS.parent), sys.prefix, tempfile.gettempdir()}
    for place in places:
        if place in text and len(Path(place).parts) > 1:  # a home may be the root
            raise BuildError(f"{where} shows a place on this machine ({place}):\n{text[:300]}")
    if re.search(r"\bat 0x[0-9a-f]{6,}", text):
        raise BuildError(f"{where} shows an address, another one in each run:\n{text[:300]}")
    return text


def expect_outputs(solved: NotebookNode, student: NotebookNode) -> None:
    """Give a solved notebook the outputs that a run of it must give.

    Args:
        solved: Without outputs.
        student: Its student's notebook, with outputs.
    """
    shown = {cell.id: cell.get("outputs", []) for cell in student.cells}
    cells = [cell for cell in solved.cells if cell.cell_type == "code"]
    for number, cell in enumerate(cells, 1):
        cell.execution_count = number  # nbval takes outputs only of cells that were run
        cell.metadata.pop("picture", None)
        name = CHECK.search(cell.source)
        if name is not None:
            parts = find_exercise(name[1]).parts
            line = f"ok {parts}/{parts}\n"
            cell.outputs = [new_output("stream", name="stdout", text=line)]
        elif COMPARED in cell.source:
            cell.outputs = shown[cell.id]


def require_ok(solved: NotebookNode, name: str) -> None:
    """See that each check of a solved notebook says ok.

    Raises:
        BuildError: When one does not.
    """
    for cell in solved.cells:
        if cell.cell_type == "code" and CHECK.search(cell.source):
            line = "".join(output.get("text", "") for output in cell.outputs)
            if not line.startswith("ok "):
                raise BuildError(f"{name}: the solution of {cell.source!r} is refused: {line}")


# Files -------------------------------------------------------------------------------------------


def write_notebook(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook whole, or leave the old one."""
    nbformat.validate(notebook)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8", newline="\n")
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def build(source: Path, to: Path) -> None:
    """Build a student's notebook."""
    notebook = make_notebook(source)
    run_notebook(notebook, source.stem, source.parent / "pictures")
    write_notebook(notebook, to / f"{source.stem}.ipynb")


def build_solved(source: Path, to: Path, *, student: Path | None = None) -> None:
    """Build a solved notebook.

    Args:
        source: The source.
        to: The folder of the notebook.
        student: The student's notebook, to take the expected outputs from; without it, they come
            from a run.
    """
    notebook = make_notebook(source, solved=True)
    if student is not None:
        expect_outputs(notebook, nbformat.read(student, as_version=4))
    else:
        run_notebook(notebook, f"{source.stem}, solved", source.parent / "pictures")
        require_ok(notebook, source.stem)
    write_notebook(notebook, to / f"{source.stem}.ipynb")


def find_sources(only: list[str]) -> list[Path]:
    """List the sources, or those that are asked for.

    Raises:
        BuildError: When one is not there.
    """
    sources = {path.stem: path for path in sorted(SOURCES.glob("*.py"))}
    for name in only:
        if name.removesuffix(".py") not in sources:
            raise BuildError(f"No source {name!r}. Available: {', '.join(sources)}.")
    wanted = {name.removesuffix(".py") for name in only} or sources.keys()
    return [path for stem, path in sources.items() if stem in wanted]


def main(arguments: list[str] | None = None) -> int:
    """Build what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="03_looking_ahead")
    parser.add_argument("--solutions", type=Path, help="build the solved notebooks, into here")
    parser.add_argument(
        "--expected", action="store_true", help="do not run them: fill in what a run must give"
    )
    options = parser.parse_args(arguments)
    if options.expected and options.solutions is None:
        parser.error("--expected goes with --solutions DIR")
    try:
        for source in find_sources(options.only):
            if options.solutions is not None and BEGIN not in source.read_text(encoding="utf-8"):
                continue  # it asks for nothing
            began = time.perf_counter()
            student = NOTEBOOKS / f"{source.stem}.ipynb"
            if options.solutions is None:
                build(source, NOTEBOOKS)
            elif options.expected:
                build_solved(source, options.solutions, student=student)
            else:
                build_solved(source, options.solutions)
            print(f"{source.stem}: {time.perf_counter() - began:.1f} s", flush=True)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
