"""Finds or makes a Python environment with PyTorch (CPU) and starts the calling script again inside it."""

import os
import subprocess
import sys
import venv

HERE = os.path.dirname(os.path.abspath(__file__))


def has_torch(python):
    return subprocess.run([python, "-c", "import torch"], stderr=subprocess.DEVNULL).returncode == 0


def environment(folder):
    """The Python of a virtual environment in `folder` with torch and numpy, made if it is not there."""
    found = os.path.join(folder, "bin", "python")
    if not os.path.exists(found):
        venv.create(folder, with_pip=True)
    if not has_torch(found):
        index = ["--index-url", "https://download.pytorch.org/whl/cpu"]
        quiet = [found, "-m", "pip", "install", "-q"]
        if subprocess.run(quiet + index + ["torch", "numpy"]).returncode != 0:
            subprocess.run(quiet + ["torch", "numpy"], check=True)
    return found


def python(folder):
    """A Python that has PyTorch: of `folder` or, without one, this one, if it has it."""
    if not folder and has_torch(sys.executable):
        return sys.executable
    return environment(folder or os.path.join(os.path.dirname(HERE), "build-torchenv"))


def reenter(folder):
    """Returns if torch can be imported; else runs this script again where it can, and does not return."""
    try:
        import torch  # noqa: F401
        return
    except ImportError:
        found = python(folder)
        os.execv(found, [found] + sys.argv)


def mlaanc_path():
    """The program of the default build, or $MLAANC."""
    path = os.environ.get("MLAANC") or os.path.join(os.path.dirname(HERE), "build", "bin", "mlaanc")
    if not os.path.exists(path):
        sys.exit(f"{path} is not there: cmake -B build && cmake --build build, or set MLAANC")
    return path
