"""C extensions that tests build, where there is a compiler."""

import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

SOURCE = """
#include <Python.h>
static PyObject *answer(PyObject *self, PyObject *none) { return PyLong_FromLong(ANSWER); }
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, ""}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "fast", 0, -1, methods};
PyMODINIT_FUNC INIT(void) { return PyModule_Create(&module); }
"""
ENDING = str(sysconfig.get_config_var("EXT_SUFFIX"))
HEADERS = Path(sysconfig.get_path("include"))


def build(place: Path, answer: int) -> Path:
    """Build module `place`, a path without an ending, whose `answer()` is that; its file. Skips without a compiler."""
    compiler = shutil.which("cc")
    if compiler is None or not (HEADERS / "Python.h").is_file():
        pytest.skip(f"C extensions are built with cc and {HEADERS}/Python.h; one of them is not here")
    place.parent.mkdir(parents=True, exist_ok=True)
    file = place.with_name(place.name + ENDING)
    command = [compiler, "-shared", "-fPIC", f"-I{HEADERS}", f"-DANSWER={answer}", f"-DINIT=PyInit_{place.name}"]
    subprocess.run([*command, "-xc", "-", "-o", str(file)], input=SOURCE, text=True, check=True)
    return file
