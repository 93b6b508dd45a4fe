"""The committed notebooks are those of the sources, and a source that is wrong says so."""

from __future__ import annotations

import ast
import base64
import importlib
import re
from pathlib import Path

import nbformat
import pytest

from rlplay.lessons import list_exercises

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
SOURCES = sorted((NOTEBOOKS / "source").glob("*.py"))
WIDGET = "application/vnd.jupyter.widget-view+json"
EXERCISES = {exercise.name for exercise in list_exercises()}


def sources_of(notebook):
    return [cell.source for cell in notebook.cells]


# The committed notebooks --------------------------------------------------------------------------


def test_every_notebook_has_a_source():
    assert [path.stem for path in sorted(NOTEBOOKS.glob("*.ipynb"))] == [p.stem for p in SOURCES]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_a_notebook_has_the_cells_of_its_source(build, path):
    """Else: python notebooks/build.py --only NAME."""
    kept = nbformat.read(NOTEBOOKS / f"{path.stem}.ipynb", as_version=4)
    made = build.make_notebook(path)
    for cell in made.cells:
        cell.metadata.pop("picture", None)
    assert [(c.id, c.cell_type, c.source, c.metadata) for c in kept.cells] == [
        (c.id, c.cell_type, c.source, c.metadata) for c in made.cells
    ]
    assert kept.metadata == made.metadata


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_a_notebook_was_run_and_shows_no_live_widget(path):
    notebook = nbformat.read(NOTEBOOKS / f"{path.stem}.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert {output.output_type for output in outputs} <= {
        "stream", "execute_result", "display_data"
    }  # fmt: skip
    for output in outputs:
        assert WIDGET not in output.get("data", {})


def shows_a_widget(source, known):
    """Whether the last line of a cell shows a Playground or another widget of ours.

    Args:
        source: The cell.
        known: The names that stand for widgets and for what makes one, filled up on the way.
    """
    try:
        lines = ast.parse(source).body
    except SyntaxError:  # a magic of IPython
        return False
    for line in lines:
        match line:
            case ast.ImportFrom(module=str(module)) if module.startswith("rlplay_widgets"):
                for alias in line.names:
                    what = getattr(importlib.import_module(module), alias.name)
                    shown = {"_repr_mimebundle_", "_ipython_display_"} & set(dir(what))
                    if isinstance(what, type) and shown:
                        known.add(alias.name)
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id=made))):
                if made in known:
                    known.add(name)
    match lines[-1:]:
        case [ast.Expr(value)]:
            called = value.func if isinstance(value, ast.Call) else value
            named = {node.id for node in ast.walk(called) if isinstance(node, ast.Name)}
            if named == {"display"}:
                named = {node.id for node in ast.walk(value) if isinstance(node, ast.Name)}
            # panel.watch(...) shows nothing.
            return bool(named & known) and not isinstance(called, ast.Attribute)
    return False


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_a_picture_stands_where_a_widget_would_be(path):
    known, found = set(), 0
    for cell in nbformat.read(NOTEBOOKS / f"{path.stem}.ipynb", as_version=4).cells:
        if cell.cell_type == "code" and shows_a_widget(cell.source, known):
            found += 1
            kinds = {kind for output in cell.outputs for kind in output.get("data", {})}
            assert kinds & {"image/png", "image/svg+xml"}, cell.source
    assert found


def test_every_exercise_is_asked_in_one_lesson(build):
    asked = {path.stem: build.CHECK.findall(path.read_text(encoding="utf-8")) for path in SOURCES}
    names = [name for some in asked.values() for name in some]
    assert sorted(names) == sorted(EXERCISES)
    assert len(names) >= 25
    assert [len(some) >= 2 for some in asked.values()] == [False] + [True] * 10


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_every_solution_is_python(build, path):
    for cell in build.make_notebook(path, solved=True).cells:
        if cell.cell_type == "code" and "solution" in cell.metadata.get("nbgrader", {}):
            ast.parse(cell.source)


# A tiny source ------------------------------------------------------------------------------------


def test_what_a_student_gets_and_what_a_teacher_gets(build, tiny_source):
    student = build.make_notebook(tiny_source())
    solved = build.make_notebook(tiny_source(), solved=True)
    nbformat.validate(student)
    assert sources_of(student)[2] == (
        'def discounted_return(rewards, gamma):\n    """Add the rewards up."""\n    ...\n\n\n'
        "gamma = ...  # your answer"
    )
    assert "0.9" in sources_of(solved)[2]
    assert "### BEGIN SOLUTION" in sources_of(solved)[2]
    assert [cell.id for cell in student.cells] == [cell.id for cell in solved.cells]
    assert len({cell.id for cell in student.cells}) == 6
    assert student.cells[0].source.startswith("# A lesson\n\nThe return is $G")
    about = [cell.metadata.get("nbgrader") for cell in student.cells]
    assert about[2] == {
        "cell_type": "code",
        "grade": False,
        "grade_id": "answer-1",
        "locked": False,
        "schema_version": 3,
        "solution": True,
        "task": False,
    }
    assert about[3] == {
        "cell_type": "code",
        "grade": True,
        "grade_id": "check-discounted_return",
        "locked": True,
        "points": 1,
        "schema_version": 3,
        "solution": False,
        "task": False,
    }
    assert [place for place, one in enumerate(about) if one] == [2, 3]


def test_a_new_cell_leaves_the_ids_before_it(build, tiny_source):
    before = [cell.id for cell in build.make_notebook(tiny_source()).cells]
    more = tiny_source('"four"', '"four"\n\n# %%\n5')
    assert [cell.id for cell in build.make_notebook(more).cells][:6] == before


def test_outputs_are_kept_and_widgets_are_pictures(build, tiny_source, tmp_path):
    path = tiny_source()
    build.build(path, tmp_path)
    first = (tmp_path / "11_tiny.ipynb").read_bytes()
    build.build(path, tmp_path)
    assert (tmp_path / "11_tiny.ipynb").read_bytes() == first
    assert list(tmp_path.glob(".*")) == []
    notebook = nbformat.read(tmp_path / "11_tiny.ipynb", as_version=4)
    assert notebook.metadata.keys() == {"kernelspec", "language_info"}
    check, panel, text = notebook.cells[3:]
    assert check.outputs[0].text.startswith("0/3: discounted_return([1, 2, 4], 0.5) gives None")
    assert panel.outputs[0].text == "a panel 1\n"
    data = panel.outputs[1].data
    assert data.keys() == {"image/png", "text/plain"}
    picture = (path.parent / "pictures" / "panel.png").read_bytes()
    assert base64.b64decode(data["image/png"]) == picture
    assert panel.metadata == {}
    assert [text.outputs[0].text, text.outputs[1].data["text/plain"]] == ["3\n", "'four'"]

    solved = tmp_path / "solved"
    build.build_solved(path, solved)
    ran = nbformat.read(solved / "11_tiny.ipynb", as_version=4)
    assert ran.cells[3].outputs[0].text == "ok 3/3\n"
    build.build_solved(path, solved, student=tmp_path / "11_tiny.ipynb")
    expected = nbformat.read(solved / "11_tiny.ipynb", as_version=4)
    assert expected.cells[3].outputs == ran.cells[3].outputs
    assert expected.cells[5].outputs == notebook.cells[5].outputs
    assert expected.cells[4].outputs == []


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("    ### END SOLUTION\n\n\n", "", "cell 3: '### BEGIN SOLUTION' in line 6 has no partner"),
        ("gamma = 0.9\n### END SOLUTION", "gamma = 0.9", "'### BEGIN SOLUTION' has no partner"),
        ("### BEGIN SOLUTION\ngamma", "gamma", "'### END SOLUTION' in line .* has no partner"),
        ("print(3)", "print(3)\n" * 10, "cell 6 shows 11 lines of code; at most 10"),
        ("gamma = 0.9", "gamma = 0.9\n" * 8, "cell 3 has, solved, 11 lines of code"),
        ("print(3)", 'check("nothing", 3)', "a check stands alone"),
        ("# NBVAL_CHECK_OUTPUT\ncheck", "check", "write '# NBVAL_CHECK_OUTPUT' above the check"),
        ("gamma = ...", "# NBVAL_CHECK_OUTPUT\ngamma = ...", "output cannot be compared"),
        ('"panel.png"', '"other.png"', "the picture 'other.png' is not in pictures/"),
        ('picture="panel.png"', 'tags=["x"]', "may say picture="),
        ("# %% [markdown]\n# # A", "# %% [raw]\n# # A", "Markdown or code, not 'raw'"),
    ],
)
def test_a_wrong_source_says_where_and_why(build, tiny_source, old, new, reason):
    with pytest.raises(build.BuildError, match=rf"11_tiny\.py, cell \d.*{reason}|{reason}"):
        build.make_notebook(tiny_source(old, new))


def test_a_heavy_picture_is_refused(build, tiny_source):
    path = tiny_source()
    (path.parent / "pictures" / "panel.png").write_bytes(bytes(200_001))
    with pytest.raises(build.BuildError, match=r"200,001 bytes; at most 200,000"):
        build.make_notebook(path)


def output(kind, **data):
    return nbformat.v4.new_output(kind, **data)


def stream(text, name="stdout"):
    return output("stream", name=name, text=text)


@pytest.mark.parametrize(
    ("outputs", "reason"),
    [
        ([stream("a warning", "stderr")], "writes to stderr"),
        ([stream(str(NOTEBOOKS / "x"))], "shows a place on this machine"),
        ([stream(f"in {Path.home()}")], "shows a place on this machine"),
        ([stream("<object object at 0x7f33ab5>")], "shows an address"),
        (
            [output("display_data", data={WIDGET: {}, "text/plain": "Button()"})],
            'name its picture="..."',
        ),
    ],
)
def test_what_nobody_should_see_is_refused(build, tmp_path, outputs, reason):
    cell = nbformat.v4.new_code_cell("x", outputs=outputs)
    with pytest.raises(build.BuildError, match=re.escape(reason)):
        build._keep_outputs(cell, "cell 1", tmp_path, "/tmp/build")


def test_a_bar_of_progress_and_the_builds_own_folder_leave_no_trace(build, tmp_path):
    bar = {WIDGET: {}, "text/plain": " 45%|####   | 9/20 [00:01<00:01,  9.1step/s]"}
    outputs = [output("display_data", data=bar), stream("in /var/build-7/models/snake")]
    cell = nbformat.v4.new_code_cell("x", outputs=outputs)
    build._keep_outputs(cell, "cell 1", tmp_path, "/var/build-7")
    assert [one.text for one in cell.outputs] == ["in models/snake"]


def test_what_was_printed_in_one_go_stays_in_one_piece(build, tmp_path):
    figure = output("display_data", data={"text/plain": "a figure"})
    parts = [stream("0/3: "), stream("no"), stream("\n"), figure, stream("after")]
    cell = nbformat.v4.new_code_cell("x", outputs=parts)
    build._keep_outputs(cell, "cell 1", tmp_path, "/tmp/build")
    assert [one.get("text") for one in cell.outputs] == ["0/3: no\n", None, "after"]


def test_a_picture_stands_for_a_panel_that_another_cell_took_over(build, tmp_path):
    (tmp_path / "panel.png").write_bytes(b"a picture")
    moved = output("display_data", data={"text/plain": "This Playground is shown further on"})
    cell = nbformat.v4.new_code_cell("x", metadata={"picture": "panel.png"}, outputs=[moved])
    build._keep_outputs(cell, "cell 1", tmp_path, "/tmp/build")
    assert base64.b64decode(cell.outputs[0].data["image/png"]) == b"a picture"


def test_a_picture_where_nothing_is_shown_is_refused(build, tmp_path):
    cell = nbformat.v4.new_code_cell("x", metadata={"picture": "panel.png"})
    with pytest.raises(build.BuildError, match="shows nothing"):
        build._keep_outputs(cell, "cell 1", tmp_path, "/tmp/build")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 / 0", r"11_tiny does not run:[\s\S]*1 / 0[\s\S]*ZeroDivisionError"),
        (
            "import rlplay\n\nsession = rlplay.TrainingSession(rlplay.get_default_config())\n"
            "session.start()",
            "leaves sessions running: .*Stop them",
        ),
        (
            "import threading\n\nwriter = threading.Thread(target=print, args=('from there',), "
            "name='writer')\nwriter.start()\nwriter.join()",
            "prints from a thread: .*writer: from there",
        ),
    ],
)
def test_a_notebook_that_fails_is_not_written(build, tiny_source, tmp_path, text, reason):
    path = tiny_source()
    path.write_text(f"# %%\n{text}\n")
    with pytest.raises(build.BuildError, match=reason):
        build.build(path, tmp_path)
    assert not (tmp_path / "11_tiny.ipynb").exists()


def test_no_lesson_prints_from_a_thread(build):
    """As it was built; here, one that trains three sessions beside a panel."""
    name = "05_what_does_it_see"
    notebook = build.make_notebook(NOTEBOOKS / "source" / f"{name}.py")
    build.run_notebook(notebook, name, NOTEBOOKS / "source" / "pictures")
    kept = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    for ran, saved in zip(notebook.cells, kept.cells, strict=True):
        texts = [[out.get("text") for out in one.get("outputs", [])] for one in (ran, saved)]
        assert texts[0] == texts[1]


def test_a_solution_that_is_refused_stops_the_build(build, tiny_source):
    notebook = build.make_notebook(tiny_source(), solved=True)
    notebook.cells[3].outputs = [stream("ok 3/3\n")]
    build.require_ok(notebook, "11_tiny")
    notebook.cells[3].outputs = [stream("2/3: Where is gamma?\n")]
    with pytest.raises(build.BuildError, match=r"is refused: 2/3: Where is gamma\?"):
        build.require_ok(notebook, "11_tiny")


def test_lines_of_code_are_counted_without_words(build):
    text = '# a comment\n\nx = [\n    1,\n]\n\ndef f():\n    """Two\n    lines."""\n'
    assert build.count_lines(text + '    return """a\nb"""\n\n"shown"') == 7
    assert build.count_lines("%matplotlib inline\nx = 1\n") >= 1


def test_a_name_that_is_no_source(build, capsys):
    assert build.main(["--only", "99_nothing"]) == 1
    assert "No source '99_nothing'. Available: 00_quickstart" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        build.main(["--expected"])
