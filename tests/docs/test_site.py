"""The site of the documentation builds without a warning, has every page, and asks nobody else for anything."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("mkdocs", "material", "mkdocstrings")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"the docs extra is not installed: no {', '.join(MISSING)}")


def build(out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out), *options]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    done = build(out)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr + done.stdout
    return out


def test_every_document_has_a_page(site: Path) -> None:
    for document in (ROOT / "docs").rglob("*.md"):
        page = (site / document.relative_to(ROOT / "docs")).with_suffix(".html")
        assert page.is_file(), page
        assert "<h1" in page.read_text(encoding="utf-8")


def test_every_document_is_in_the_navigation(site: Path) -> None:
    home = (site / "index.html").read_text(encoding="utf-8")
    for document in (ROOT / "docs").rglob("*.md"):
        assert f'href="{document.relative_to(ROOT / "docs").with_suffix(".html").as_posix()}"' in home, document


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    fetched = re.compile(
        r'<(?:script|img|iframe|source)[^>]*\ssrc="(?:https?:)?//|<link[^>]*rel="(?:stylesheet|preconnect)"[^>]*href="(?:https?:)?//'
    )
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        assert not fetched.search(page.read_text(encoding="utf-8")), page
    assert fetched.search('<script src="https://elsewhere.org/x.js">')
    assert fetched.search('<link rel="stylesheet" href="//elsewhere.org/x.css">')


def test_the_reference_has_what_a_strategy_needs(site: Path) -> None:
    page = (site / "api" / "agents.html").read_text(encoding="utf-8")
    for name in ("Strategy.on_fill", "Context.place", "Context.wake_in"):
        assert f'id="lob_sim.agents.{"strategy" if "Strategy" in name else "context"}.{name}"' in page


def test_a_reference_to_nothing_is_noticed(tmp_path: Path) -> None:
    pages = tmp_path / "docs"
    pages.mkdir()
    config = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    config = config.replace("docs_dir: docs", f"docs_dir: {pages}").replace("paths: [.]", f"paths: [{ROOT}]")
    (tmp_path / "mkdocs.yml").write_text(config, encoding="utf-8")
    for target, code in (("lob_sim.errors.InputError", 0), ("lob_sim.errors.NoSuchError", 1)):
        (pages / "index.md").write_text(f"# Home\n\n::: lob_sim.errors\n\n[this][{target}]\n", encoding="utf-8")
        done = build(tmp_path / "site", "--config-file", str(tmp_path / "mkdocs.yml"))
        assert done.returncode == code, done.stderr
