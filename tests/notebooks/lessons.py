"""The lessons in notebooks/: how they are written, executed and checked.

How to write a lesson
---------------------
Write a Python "percent" script ``NN_name.py`` anywhere outside the repository and turn it into a notebook:

    python tests/notebooks/build.py /tmp/lessons/NN_name.py       # -> notebooks/NN_name.ipynb, executed
    python tests/notebooks/build.py --refresh notebooks/*.ipynb   # execute what is committed again
    python tests/notebooks/build.py --script notebooks/NN_name.ipynb > /tmp/lessons/NN_name.py   # and back
    python tests/notebooks/build.py --plain NN_name               # as the fault tests run it
    python tests/notebooks/build.py --fault NN_name               # the same with its planted fault
    python tests/notebooks/build.py --figures NN_name /tmp/lessons  # every figure as a PNG, to be looked at

The script:

    # %% [markdown]
    # # CubicAdam: the title of the lesson
    #
    # One sentence that says what the reader will understand. It becomes the row in notebooks/README.md.
    #
    # | symbol | meaning |
    # | --- | --- |
    # | $g$ | gradient |

    # %%
    import autograd.numpy as np
    import refopt

    # %% tags=parameters
    LR = 0.1

    # %% tags=cover
    ax = refopt.plot.trajectory(...)

- First cell: markdown, a level-one title, then one paragraph (one sentence) for the index. A *legend* follows
  in it or in the next markdown cell: a table whose header row begins with ``| symbol |``.
- The last code cell ends the lesson with assertions: claims that would be false if the method were wrong.
  Give them messages; more assertions may stand earlier. Tolerances have a stated reason.
- At least one figure, by `refopt.plot` (its colours mean the same things in all lessons; roles and cycle are
  in refopt/plot/style.py). Axes labelled, no overlap, legible at half size; look at each with ``--figures``.
  The index shows the figure of the cell tagged ``cover``, or the last one.
- Only the public names of refopt (`refopt.__all__` and the public names of derivatives, oracle, plot,
  problems, torch), numpy, scipy, autograd, matplotlib, mpmath, torch, torchzero, sklearn and the standard
  library. No private attribute, no magics, no network, no files read or written, nothing printed to stderr,
  no absolute paths.
- At most `SECONDS` with the start of the kernel and `BYTES` on disk. Seed all randomness. torch and torchzero
  inside ``try: import ... except ImportError`` in method lessons: a reader without them must get through.
- Ruff checks the cells (`ruff check notebooks`): line length 110, names that are used, imports on top of
  their cell.
- A cell tagged ``parameters`` holds constants to play with, one ``NAME = value`` per line. Then changes.py
  has a row with other values, and the lesson must hold, assertions included, with those too.
- Every method lesson has one row in faults.py: code that breaks the method inside refopt before the cells
  run. The lesson must then end with an AssertionError, and no other error.
"""

from __future__ import annotations

import ast
import base64
import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "notebooks"
IMAGES = FOLDER / "images"
START = 5  # lessons 00 to 04 are about the package; the others teach one method each
SECONDS, BYTES = 8, 400_000
IMAGE_WIDTH = 420  # pixels of the pictures in the index
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
PACKAGES = {"autograd", "matplotlib", "mpmath", "numpy", "refopt", "scipy", "sklearn", "torch", "torchzero"}
PARTS = ("derivatives", "oracle", "plot", "problems", "torch")  # public modules of refopt
PATHS = re.compile(r"(?<![\w.])/(?:home|root|tmp|work|opt|usr|Users|private|var)/|site-packages|[A-Z]:\\\\")


def names() -> list[str]:
    """The lessons that exist, in order: ``["00_start_here", ...]``."""
    return sorted(path.stem for path in FOLDER.glob("[0-9][0-9]_*.ipynb"))


def method_lessons() -> list[str]:
    return [name for name in names() if int(name[:2]) >= START]


def path_of(name: str) -> Path:
    return FOLDER / f"{name}.ipynb"


def read(name: str) -> Any:
    return nbformat.read(path_of(name), as_version=4)


# ---------------------------------------------------------------- script <-> notebook


def from_script(text: str) -> Any:
    """The notebook, not executed, that a percent script describes."""
    cells = []
    for part in re.split(r"^# %%", text, flags=re.M)[1:]:
        head, _, body = part.partition("\n")
        tags = re.search(r"tags=([\w,-]+)", head)
        if "[markdown]" in head:
            body = "\n".join(re.sub(r"^# ?", "", line) for line in body.strip().split("\n"))
            cell = new_markdown_cell(body.strip())
        else:
            cell = new_code_cell(body.strip())
        if tags:
            cell.metadata["tags"] = tags[1].split(",")
        cells.append(cell)
    return new_notebook(cells=cells, metadata=METADATA)


def to_script(notebook: Any) -> str:
    """The percent script of a notebook."""
    parts = []
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        head = (
            "# %%"
            + (" [markdown]" if cell.cell_type == "markdown" else "")
            + (f" tags={','.join(tags)}" if tags else "")
        )
        source = cell.source
        if cell.cell_type == "markdown":
            source = "\n".join(f"# {line}".rstrip() for line in source.split("\n"))
        parts.append(f"{head}\n{source}\n")
    return "\n".join(parts)


# ---------------------------------------------------------------- execution


def environment(**extra: str) -> dict[str, str]:
    """Variables for a kernel or a plain process: this checkout first, one thread, no inherited backend."""
    inherited = os.environ.get("PYTHONPATH")
    python_path = f"{ROOT}{os.pathsep}{inherited}" if inherited else str(ROOT)
    return {**os.environ, "PYTHONPATH": python_path, "OMP_NUM_THREADS": "1", **extra}


def execute(notebook: Any, timeout: int = 120) -> Any:
    """Run every cell in a fresh kernel, in an empty folder; an error raises `CellExecutionError`."""
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=timeout,
            kernel_name="python3",
            record_timing=False,
            resources={"metadata": {"path": folder}},
        )
        inline = "module://matplotlib_inline.backend_inline"
        client.execute(env=environment(MPLBACKEND=inline, IPYTHONDIR=folder))
    return cleaned(notebook)


def cleaned(notebook: Any) -> Any:
    """Without what changes from run to run: times, cell names, versions."""
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for i, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{i:02d}"
        cell.metadata = {key: value for key, value in cell.metadata.items() if key == "tags"}
        if cell.cell_type == "code":
            for output in cell.outputs:
                output.pop("metadata", None) if output.output_type == "stream" else None
    return notebook


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def plain(name: str, fault: str = "", change: str = "", timeout: int = 120) -> subprocess.CompletedProcess:
    """Run the code of a lesson as one program without Jupyter: after `fault`, and with other constants."""
    parts = [fault]
    for cell in code_cells(read(name)):
        parts.append(cell.source)
        if "parameters" in cell.metadata.get("tags", []):
            parts.append(change)
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "lesson.py"
        program.write_text("\n\n".join(parts) + "\n")
        return subprocess.run(
            [sys.executable, str(program)],
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=folder,
            env=environment(MPLBACKEND="Agg"),
        )


def error_of(run: subprocess.CompletedProcess) -> str:
    """The class of the exception that ended a plain run, "" if none did."""
    if run.returncode == 0:
        return ""
    last = [line for line in run.stderr.split("\n") if re.match(r"[\w.]*(Error|Exception|Stop\w*)\b", line)]
    return last[-1].split(":")[0] if last else run.stderr[-300:] or "unknown"


# ---------------------------------------------------------------- what a lesson shows


def title_and_sentence(notebook: Any) -> tuple[str, str]:
    """Title and first paragraph of the first cell."""
    first = notebook.cells[0]
    found = re.match(r"# (.+?)\n\s*\n(.+?)(?:\n\s*\n|\Z)", first.source, re.S)
    if first.cell_type != "markdown" or found is None:
        raise ValueError("the first cell must be markdown: '# Title', an empty line, one sentence")
    return found[1].strip(), " ".join(found[2].split())


def figures(notebook: Any) -> list[tuple[bool, bytes]]:
    """(is it tagged as cover, PNG) of every figure, in order."""
    return [
        ("cover" in cell.metadata.get("tags", []), base64.b64decode(output.data["image/png"]))
        for cell in code_cells(notebook)
        for output in cell.outputs
        if output.output_type in ("display_data", "execute_result") and "image/png" in output.data
    ]


def picture(notebook: Any) -> Any:
    """The figure for the index, as a PIL image of width `IMAGE_WIDTH`."""
    from PIL import Image

    all_figures = figures(notebook)
    if not all_figures:
        raise ValueError("a lesson needs a figure for the index")
    png = ([png for cover, png in all_figures if cover] or [all_figures[-1][1]])[-1]
    image = Image.open(io.BytesIO(png)).convert("RGB")
    height = round(image.height * IMAGE_WIDTH / image.width)
    return image.resize((IMAGE_WIDTH, height), Image.Resampling.LANCZOS)


def index() -> str:
    """The table of lessons for notebooks/README.md."""
    rows = ["| | lesson | |", "| --- | --- | --- |"]
    for name in names():
        title, sentence = title_and_sentence(read(name))
        clean = sentence.replace("|", "\\|")
        rows.append(
            f'| <img src="images/{name}.png" width="210" alt=""> | [{title}]({name}.ipynb) | {clean} |'
        )
    return "\n".join(rows)


# ---------------------------------------------------------------- rules


def faults_of_form(notebook: Any) -> list[str]:
    """What is wrong with a committed lesson, in words; an empty list if nothing."""
    wrong = []
    try:
        sentence = title_and_sentence(notebook)[1]
        if not sentence.endswith("."):
            wrong.append("the sentence for the index ends without a full stop")
    except ValueError as error:
        wrong.append(str(error))
    if not any("| symbol |" in cell.source for cell in notebook.cells if cell.cell_type == "markdown"):
        wrong.append("no legend: a markdown table with a header row '| symbol | meaning |'")
    code = code_cells(notebook)
    for i, cell in enumerate(code):
        where = f"code cell {i}"
        if cell.execution_count is None:
            wrong.append(f"{where} is committed without having run")
        for output in cell.outputs:
            if output.output_type == "error":
                wrong.append(f"{where} ends in {output.ename}")
            if output.output_type == "stream" and output.name == "stderr":
                wrong.append(f"{where} prints to stderr: {output.text[:200]!r}")
            text = output.get("text", "") + "".join(
                str(value) for kind, value in output.get("data", {}).items() if kind.startswith("text")
            )
            if PATHS.search(text):
                wrong.append(f"{where} shows an absolute path: {text[:200]!r}")
        if PATHS.search(cell.source):
            wrong.append(f"{where} contains an absolute path")
        wrong += [f"{where}: {problem}" for problem in foreign(cell.source)]
    if [cell.execution_count for cell in code] != list(range(1, len(code) + 1)):
        wrong.append("the cells were not run once each, in order, from a fresh kernel")
    if not code or not is_assertion(ast.parse(code[-1].source).body[-1]):
        wrong.append("the last code cell does not end in an assertion")
    if not figures(notebook):
        wrong.append("no figure")
    return wrong


def is_assertion(node: ast.stmt) -> bool:
    """``assert ...``, a loop or block that ends in one, or ``np.testing.assert_...(...)``."""
    if isinstance(node, (ast.For, ast.With, ast.If)):
        return is_assertion(node.body[-1])
    if isinstance(node, ast.Try):
        return is_assertion((node.orelse or node.body)[-1])
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return ast.unparse(node.value.func).split(".")[-1].startswith("assert")
    return isinstance(node, ast.Assert)


def foreign(source: str) -> list[str]:
    """Uses of anything but the public names of the allowed packages."""
    import refopt

    wrong = []
    for node in ast.walk(ast.parse(source)):
        modules = (
            [a.name for a in node.names]
            if isinstance(node, ast.Import)
            else ([node.module or "."] if isinstance(node, ast.ImportFrom) else [])
        )
        for module in modules:
            top, *rest = module.split(".")
            if top not in PACKAGES and top not in sys.stdlib_module_names and top != "IPython":
                wrong.append(f"imports {module}, which no extra installs")
            if top == "refopt" and (len(rest) > 1 or rest and rest[0] not in PARTS):
                wrong.append(f"imports {module}, which is not public")
            if isinstance(node, ast.ImportFrom) and module == "refopt":
                wrong += [
                    f"imports refopt.{a.name}, which is not public"
                    for a in node.names
                    if a.name not in refopt.__all__
                ]
        if isinstance(node, ast.Attribute):
            if re.match(r"_[^_]", node.attr):
                wrong.append(f"uses the private name {node.attr}")
            of_refopt = isinstance(node.value, ast.Name) and node.value.id == "refopt"
            if of_refopt and node.attr not in refopt.__all__:
                wrong.append(f"uses refopt.{node.attr}, which is not public")
    return wrong


def constants(notebook: Any) -> set[str]:
    """The names that the cells tagged ``parameters`` set."""
    return {
        target.id
        for cell in code_cells(notebook)
        if "parameters" in cell.metadata.get("tags", [])
        for node in ast.parse(cell.source).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
