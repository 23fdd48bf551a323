"""``lob-sim`` as a user has it, without paying for its imports each time."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

from lob_sim.cli import app


def lob_sim(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own, in a folder.

    Where a process can be copied it is a copy of this one, in which everything is imported already: an import takes
    longer than most commands. What the command imports, changes and breaks stays in the copy.
    """
    if sys.platform != "linux":
        command = [sys.executable, "-m", "lob_sim.cli", *arguments]
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        child = os.fork()
        if not child:
            _become(arguments, cwd, stdout.fileno(), stderr.fileno())
        _, status = os.waitpid(child, 0)
        texts = []
        for file in (stdout, stderr):
            file.seek(0)
            texts.append(file.read().decode())
    return subprocess.CompletedProcess(arguments, os.waitstatus_to_exitcode(status), *texts)


def _become(arguments: tuple[str, ...], cwd: Path, stdout: int, stderr: int) -> None:
    """In the copy: be the command, and end with its exit code."""
    code = 1
    try:
        os.chdir(cwd)
        for file, number in ((stdout, 1), (stderr, 2)):
            os.dup2(file, number)
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115
        sys.stdout, sys.stderr = (os.fdopen(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))
        sys.argv, sys.path = ["lob-sim", *arguments], [str(cwd), *sys.path]
        app.main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # Nothing of the tests' own is to happen at the end of the copy.
        os._exit(code)
