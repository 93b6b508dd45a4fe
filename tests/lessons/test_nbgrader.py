"""A lesson goes through nbgrader as it is: open exercises get nothing, solved ones every point."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import nbformat

LESSON = Path(__file__).parents[2] / "notebooks" / "source" / "01_play_it_yourself.py"
#: As docs/teaching/README.md says.
CONFIG = """\
c = get_config()
c.CourseDirectory.course_id = "rl"
c.ClearSolutions.code_stub = {"python": "..."}
c.Execute.timeout = 120
"""


def nbgrader(course: Path, *arguments: str) -> None:
    """Run nbgrader in a course's folder, with folders of Jupyter and IPython of its own."""
    own = {
        name: str(course / ".jupyter" / name.lower())
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    }
    # nbgrader calls alembic by its name, which stands beside the interpreter.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *arguments],
        cwd=course,
        env={**os.environ, **own, "RLPLAY_CI": "1", "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_a_lesson_is_graded(build, tmp_path):
    course = tmp_path / "course"
    solved = build.make_notebook(LESSON, solved=True)
    student = build.make_notebook(LESSON)
    for notebook in (solved, student):
        for cell in notebook.cells:
            cell.metadata.pop("picture", None)
    build.write_notebook(solved, course / "source" / "first" / "first.ipynb")
    (course / "nbgrader_config.py").write_text(CONFIG)
    nbgrader(course, "generate_assignment", "first")

    # What nbgrader hands out asks for the same as the student's notebook.
    released = nbformat.read(course / "release" / "first" / "first.ipynb", as_version=4)
    assert [cell.source.split() for cell in released.cells if build.CHECK.search(cell.source)] == [
        cell.source.split() for cell in student.cells if build.CHECK.search(cell.source)
    ]
    assert not any(build.BEGIN in cell.source for cell in released.cells)

    # Two hand in: the notebook as it comes with rlplay, and nbgrader's with all answers in.
    for place, cell in enumerate(solved.cells):
        if build.BEGIN in cell.source:
            released.cells[place].source = cell.source
    for name, notebook in {"open": student, "right": released}.items():
        build.write_notebook(notebook, course / "submitted" / name / "first" / "first.ipynb")
    nbgrader(course, "autograde", "first")
    nbgrader(course, "export")
    with (course / "grades.csv").open(newline="") as file:
        grades = {row["student_id"]: row for row in csv.DictReader(file)}
    points = {name: (float(row["score"]), float(row["max_score"])) for name, row in grades.items()}
    checks = sum(bool(build.CHECK.search(cell.source)) for cell in solved.cells)
    assert checks >= 2
    assert points == {"open": (0, checks), "right": (checks, checks)}
