"""The wheel is whole: installed into an empty environment, away from the repository, it runs a packaged scenario."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(600)
def test_the_wheel_runs_in_an_empty_environment(tmp_path: Path) -> None:
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}

    def call(*command: object) -> str:
        done = subprocess.run(
            [str(part) for part in command], cwd=tmp_path, env=clean, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    call(sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path / "dist", ROOT)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    venv.create(tmp_path / "env", with_pip=True)
    binaries = tmp_path / "env" / "bin"
    call(binaries / "python", "-m", "pip", "install", "--quiet", wheel)
    where = call(binaries / "python", "-c", "import lob_sim, strategies; print(lob_sim.__file__, strategies.__file__)")
    assert str(ROOT) not in where
    assert "dealer_market" in call(binaries / "lob-sim", "list", "scenarios")
    call(binaries / "lob-sim", "run", "dealer_market", "--set", "horizon=15min", "--out", "run")
    assert call(binaries / "lob-sim", "replay", "run", "--verify").startswith("verified: ")
