"""Environments that have a wheel of the package and what it needs, and nothing else, without a download."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]


class Environment:
    """A virtual environment.

    Args:
        folder: Where to make it.
    """

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False)
        self.binaries = folder / "bin"
        (self.packages,) = folder.glob("lib/python*/site-packages")

    def install(self, wheel: Path) -> None:
        """Install a wheel without what it needs."""
        pip: list[str | Path] = [
            sys.executable,
            "-m",
            "pip",
            "--python",
            self.binaries / "python",
            "install",
            "--quiet",
            "--no-deps",
        ]
        subprocess.run([*pip, wheel], check=True, capture_output=True, env=clean_environment())

    def lend(self, requirements: list[str]) -> None:
        """Let it see the distributions of this interpreter that meet requirements, theirs included, and no others."""
        for distribution in _closure(requirements):
            tops = {file.parts[0] for file in distribution.files or () if file.parts[0] not in ("..", "__pycache__")}
            for top in tops:
                target = self.packages / top
                if not target.exists():
                    target.symlink_to(Path(str(distribution.locate_file(top))))

    def call(self, *command: object, cwd: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment in a folder, and check its exit code."""
        words = [str(self.binaries / str(command[0])), *map(str, command[1:])]
        done = subprocess.run(words, cwd=cwd, env=clean_environment(), capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done


def clean_environment() -> dict[str, str]:
    """The variables of this process without those that point Python elsewhere."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV", "PYTHONHOME")}


def build_wheel(out: Path) -> Path:
    """Build the wheel of this checkout with the build tool and its isolation."""
    command: list[str | Path] = [sys.executable, "-m", "build", "--wheel", "--outdir", out, ROOT]
    subprocess.run(command, check=True, capture_output=True, env=clean_environment())
    (wheel,) = out.glob("*.whl")
    return wheel


def requirements_of(wheel: Path, extra: str = "") -> list[str]:
    """What the metadata of a wheel ask for, with an extra or without any."""
    (distribution,) = metadata.distributions(path=[str(wheel)])
    return [text for text in distribution.requires or () if _applies(Requirement(text), extra)]


def _applies(requirement: Requirement, extra: str = "") -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _closure(requirements: list[str]) -> list[metadata.Distribution]:
    found: dict[str, metadata.Distribution] = {}
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        requirement = waiting.pop()
        key = requirement.name.lower().replace("_", "-")
        if key in found:
            continue
        found[key] = metadata.distribution(requirement.name)
        waiting += [r for text in found[key].requires or () if _applies(r := Requirement(text))]
    return list(found.values())
