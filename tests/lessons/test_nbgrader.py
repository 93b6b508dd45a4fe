"""A lesson goes through nbgrader as it is: open exercises get nothing, solved ones every point."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import nbformat

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
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *arguments],
        cwd=course,
        env={**os.environ, **own, "RLPLAY_CI": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_a_lesson_is_graded(build, tiny_source, tmp_path):
    course = tmp_path / "course"
    solved = build.make_notebook(tiny_source(), solved=True)
    student = build.make_notebook(tiny_source())
    for notebook in (solved, student):
        for cell in notebook.cells:
            cell.metadata.pop("picture", None)
    build.write_notebook(solved, course / "source" / "tiny" / "tiny.ipynb")
    (course / "nbgrader_config.py").write_text(CONFIG)
    nbgrader(course, "generate_assignment", "tiny")

    # What nbgrader hands out asks for the same as the student's notebook.
    released = nbformat.read(course / "release" / "tiny" / "tiny.ipynb", as_version=4)
    text = "\n".join(cell.source for cell in released.cells)
    assert "SOLUTION" not in text
    assert "0.9" not in text
    assert 'check("discounted_return"' in text

    # Two hand in: the notebook as it comes with rlplay, and nbgrader's with all answers in.
    places = [place for place, cell in enumerate(solved.cells) if build.BEGIN in cell.source]
    for place in places:
        released.cells[place].source = solved.cells[place].source
    for name, notebook in {"open": student, "right": released}.items():
        build.write_notebook(notebook, course / "submitted" / name / "tiny" / "tiny.ipynb")
    nbgrader(course, "autograde", "tiny")
    nbgrader(course, "export")
    with (course / "grades.csv").open(newline="") as file:
        grades = {row["student_id"]: row for row in csv.DictReader(file)}
    points = {name: (float(row["score"]), float(row["max_score"])) for name, row in grades.items()}
    assert points == {"open": (0, 1), "right": (1, 1)}
