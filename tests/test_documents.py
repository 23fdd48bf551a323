"""What README and docs say runs: their blocks are executed in order, their commands and links are followed.

A document is executed as a reader would do it, from its first block to its last, in a folder of its own: a block with a
title is saved as that file, Python runs in one namespace, every line of a shell block is run, and TOML is read as what
it is.
"""

from __future__ import annotations

import ast
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from markdown.extensions.toc import slugify

from lob_sim.cli.app import app
from lob_sim.convert import convert_strict, struct_fields
from lob_sim.errors import InputError
from lob_sim.scenario import Scenario, load_overlay, load_scenario
from lob_sim.sweep.design import load_sweep_file

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
DOCUMENTS = [*(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")), *sorted(DOCS.rglob("*.md"))]
RUN_ELSEWHERE = {"logs.md": "tests/log/test_log_document.py"}
MARKET = DOCS / "extending/index.md"  # whose crisis.toml the pages beside it work with

# What takes long, or needs more than this machine. Targets of make must exist, options of lob-sim must be right.
NOT_RUN = (
    "make ",
    ". .venv/bin/activate",
    "dask ",
    "python -m experiments.",
    "python -m tests.golden.renew",
    "lob-sim sweep dealer_market --over horizon=2h,3h",
    "lob-sim sweep-report out/dealers",
    "lob-sim sweep dealer_market --over ...",
    "lob-sim report RUN --out page.html --open",
    "lob-sim explore",
)
# Shorter, but the same: what is replaced in a line before it is run, or in a block of Python or a scenario.
SHORTER = (
    (r"^(lob-sim run dealer_market .*)", r"\1 --set horizon=HORIZON"),
    (r"^(lob-sim run experiments/whole_system.toml .*)", r"\1 --set horizon=3min"),
    (r"^(lob-sim sweep dealer_market .*) --seeds 20 (.*)", r"\1 --seeds 2 \2 --set horizon=2min --workers 1"),
    (r"^(lob-sim sweep (?:experiments/whole_system|classroom).toml .*)", r"\1 --set horizon=2min"),
    (
        r"^((?:lob-sim|python -m lob_sim.cli) sweep (?:market|crisis|classroom|experiments/whole_system).toml .*)",
        r"\1 --workers 1",
    ),
    (r"^(python exemption.py --quick)$", r"\1 --workers 1"),
)
HORIZONS = {"README.md": "13min", "any_instant.md": "11min"}  # where a later instant is looked at; 3 minutes elsewhere
SHORTER_BLOCKS = {
    "any_instant.md": (
        ('Simulation("dealer_market", seed=1)', 'Simulation("dealer_market", seed=1, overrides=["horizon=11min"])'),
        ("changes = [", 'changes = ["horizon=6min", '),
    ),
    "index.md": (('horizon = "6min"', 'horizon = "4min"'),),
}
WHOLE_MARKET = ("experiment.md", "intervention.md")  # who need all of its six minutes
SHOWN = ("bibtex", "sql")  # languages that are not run
# Of lob_sim, for everybody.
PUBLIC = ("", ".agents.dealer", ".analysis", ".experiment", ".messages", ".report", ".rl", ".sweep", ".testing")
LOOKS_INSIDE = ("model.md",)  # whose formulas are compared with the modules that hold them
MAY_SAY_NO = ("diff", "export")  # exit code 1: the runs do differ


class Block(NamedTuple):
    language: str
    title: str
    text: str
    line: int


def blocks(document: Path) -> list[Block]:
    text = document.read_text(encoding="utf-8")
    found = re.finditer(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', text, re.DOTALL | re.MULTILINE)
    return [Block(m[1], m[2] or "", m[3], text[: m.start()].count("\n") + 2) for m in found]


def shortened(block: Block, document: Path) -> str:
    """The text of a block, with what takes long made shorter."""
    text = block.text
    for long, shorter in SHORTER_BLOCKS.get(document.name, ()):
        text = text.replace(long, shorter)
    return text


def marks(document: Path) -> int:
    """How many blocks say what language they are in, however they are marked."""
    return len(re.findall(r"^ *```+ *\S", document.read_text(encoding="utf-8"), re.MULTILINE))


# --- running a document -------------------------------------------------------------------------------------


class Reader:
    """Somebody who does what a document says."""

    def __init__(self, document: Path) -> None:
        self.document = document
        self.names: dict[str, object] = {"__name__": "document"}
        self.done: list[str] = []

    def read(self) -> int:
        """Do it all; returns how many blocks there were."""
        found = blocks(self.document)
        for block in found:
            text = shortened(block, self.document)
            if block.title:
                Path(block.title).write_text(text, encoding="utf-8")
            if block.language == "python" and not block.title:
                # Lines count from the top of the document, so that an error says where it is.
                code = compile("\n" * (block.line - 1) + text, str(self.document), "exec")
                exec(code, self.names)
            elif block.language == "toml":
                read_toml(block.text)
            elif block.language == "sh":
                for line in block.text.splitlines():
                    self.run(line)
            else:
                assert block.title or block.language in SHOWN, f"{self.document.name}: {block.language!r} is not run"
        return len(found)

    def run(self, line: str) -> None:
        words = shlex.split(line, comments=True)
        if not words:
            return
        line = shlex.join(words)
        if line.startswith(NOT_RUN):
            check_unrun(words)
            return
        for pattern, shorter in SHORTER:
            shorter = shorter.replace("HORIZON", HORIZONS.get(self.document.name, "3min"))
            words = shlex.split(re.sub(pattern, shorter, shlex.join(words)))
        if words[0] == "lob-sim" or words[:3] == ["python", "-m", "lob_sim.cli"]:
            arguments = words[1:] if words[0] == "lob-sim" else words[3:]
            self.done.append(arguments[0])
            code = lob_sim(arguments)
            assert code == 0 or (code == 1 and arguments[0] in MAY_SAY_NO), f"{line}: exit code {code}"
        elif words[0] == "python":
            subprocess.run([sys.executable, *words[1:]], check=True, capture_output=True)
        else:
            assert words[0] == "cat", f"{self.document.name}: what is {line!r}?"
            subprocess.run(line.replace("'>'", ">"), shell=True, check=True)


def lob_sim(arguments: list[str]) -> int:
    """Run a command in this process; returns its exit code."""
    with pytest.raises(SystemExit) as ended:
        app(arguments, prog_name="lob-sim", standalone_mode=True)
    return int(ended.value.code or 0)


def check_unrun(words: list[str]) -> None:
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE), words
    elif words[0] == "lob-sim":
        # Help is shown when the options are known, whatever their values.
        arguments = ["x=1" if word == "..." else word for word in words[1:]]
        assert lob_sim([*arguments, "--help"]) == 0, words
    elif words[:2] == ["python", "-m"]:
        assert (ROOT / words[2].replace(".", "/")).with_suffix(".py").is_file(), words


def read_toml(text: str) -> None:
    """A scenario, a sweep file, an overlay, or a fragment of a scenario, whose keys must be a scenario's."""
    raw = tomllib.loads(text, parse_float=Decimal)
    if "scenario" in raw:
        Path("sweep-of-document.toml").write_text(text, encoding="utf-8")
        load_sweep_file(Path("sweep-of-document.toml"))
    elif "instruments" in raw:
        Path("scenario-of-document.toml").write_text(text, encoding="utf-8")
        load_scenario("scenario-of-document.toml")
    elif "set" in raw or "remove" in raw:
        Path("overlay-of-document.toml").write_text(text, encoding="utf-8")
        load_overlay("overlay-of-document.toml")
    else:
        types = {field.encode_name: field.type for field in struct_fields(Scenario)}
        fields = [(key, types[key]) for key in raw]
        convert_strict(raw, msgspec.defstruct("Fragment", fields, forbid_unknown_fields=True), "fragment")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty present folder whose modules can be imported, and are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # what a document's own tests do not need, and start with
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def make_what_the_report_page_speaks_of(folder: Path) -> None:
    """Runs of a market with balance sheets, a sweep and a validation, under the names of that document."""
    (folder / "crisis.toml").write_text(next(b.text for b in blocks(MARKET) if b.title), encoding="utf-8")
    assert lob_sim(["run", "crisis.toml", "--set", "horizon=3min", "--out", "RUN"]) == 0
    # Two seeds of two markets, which differ by what money is called.
    shutil.copytree(folder / "RUN", folder / "RUN_A")
    for name, seed, currency in (("RUN_B", "2", "$"), ("RUN_C", "1", "EUR"), ("RUN_D", "2", "EUR")):
        changes = ["--seed", seed, "--set", "horizon=3min", "--set", f"currency={currency}"]
        assert lob_sim(["run", "crisis.toml", *changes, "--out", name]) == 0
    short = ["--set", "horizon=2min", "--seeds", "2", "--workers", "1"]
    assert lob_sim(["sweep", "dealer_market", "--over", "agents.dealer.count=2,3", *short, "--out", "SWEEP_DIR"]) == 0
    (folder / "calm.json").write_text("{}", encoding="utf-8")
    (folder / "docs").mkdir()
    shutil.copy(DOCS / "validation.json", folder / "docs")


RUN_HERE = [d for d in DOCUMENTS if marks(d) and d.name not in RUN_ELSEWHERE]


@pytest.mark.parametrize("document", RUN_HERE, ids=lambda d: str(d.relative_to(ROOT)))
def test_the_document_does_what_it_says(document: Path, folder: Path) -> None:
    if document.parent.name == "tutorials":
        (folder / "experiments").mkdir()
        shutil.copy(ROOT / "experiments/whole_system.toml", folder / "experiments")
    if document.name == "report.md":
        make_what_the_report_page_speaks_of(folder)
    if document.parent == MARKET.parent and document != MARKET:
        for block in blocks(MARKET):
            if block.title:
                text = block.text if document.name in WHOLE_MARKET else shortened(block, MARKET)
                (folder / block.title).write_text(text, encoding="utf-8")
    assert Reader(document).read() == marks(document), "a block is marked in a way that nobody reads"


def inner_imports(document: Path) -> list[str]:
    """Modules of the package, but no public ones, that Python blocks import from."""
    found = [re.findall(r"^ *(?:from|import) lob_sim([.\w]*)", b.text, re.MULTILINE) for b in blocks(document)]
    return [f"lob_sim{name}" for names in found for name in names if name not in PUBLIC]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT)))
def test_what_a_document_imports_is_public(document: Path) -> None:
    assert document.name in LOOKS_INSIDE or inner_imports(document) == []


def test_documents_that_run_elsewhere_do() -> None:
    for name, test in RUN_ELSEWHERE.items():
        assert name in (ROOT / test).read_text(encoding="utf-8")


def test_the_strategy_of_the_readme_trades(folder: Path) -> None:
    from lob_sim import run

    source = next(b.text for b in blocks(ROOT / "README.md") if "class OneTickDealer" in b.text)
    (folder / "my_dealer.py").write_text(source, encoding="utf-8")
    scenario = (ROOT / "lob_sim/scenarios/dealer_market.toml").read_text(encoding="utf-8")
    own = '\n[[agents]]\nname = "mine"\nstrategy = "my_dealer:OneTickDealer"\n'
    (folder / "market.toml").write_text(scenario + own, encoding="utf-8")
    result = run(load_scenario(folder / "market.toml", ["horizon=3min"]), seed=1)
    mine = result.agents.set_index("group").loc["mine", "agent_id"]
    assert (result.orders["agent_id"] == mine).sum() > 10


def test_the_strategy_of_the_readme_passes_the_contract_of_the_readme(folder: Path) -> None:
    source = next(b.text for b in blocks(ROOT / "README.md") if "class OneTickDealer" in b.text)
    (folder / "my_dealer.py").write_text(source, encoding="utf-8")
    test = (
        "from lob_sim.testing import StrategyContract\n\n\n"
        'class TestMine(StrategyContract):\n    strategy = "my_dealer:OneTickDealer"\n'
    )
    (folder / "test_my_dealer.py").write_text(test, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_my_dealer.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def untyped_contexts(document: Path) -> list[str]:
    """Functions of Python blocks that take a ``ctx`` without saying that it is a Context."""
    found = []
    for block in blocks(document):
        tree = ast.parse(block.text) if block.language == "python" else ast.Module([], [])
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                found += [f"{node.name}:{block.line}" for a in node.args.args if a.arg == "ctx" and not a.annotation]
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT)))
def test_the_context_of_every_example_is_typed(document: Path) -> None:
    assert untyped_contexts(document) == []


def test_a_context_without_a_type_is_noticed(folder: Path) -> None:
    document = folder / "document.md"
    document.write_text("```python\ndef on_wake(self, ctx, tag):\n    pass\n```\n", encoding="utf-8")
    assert untyped_contexts(document) == ["on_wake:2"]


# --- links ----------------------------------------------------------------------------------------------------


def broken_links(document: Path) -> list[str]:
    """Links to files and headings that are not there."""
    text = re.sub(r"^```.*?^```$", "", document.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    found = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (document.parent / name).resolve() if name else document
        if not path.exists() or (anchor and anchor not in anchors(path)):
            found.append(target)
    return found


def anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {slugify(heading.replace("`", ""), "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    assert broken_links(document) == []


LLMS = DOCS / "llms.txt"


def listed(text: str) -> list[str]:
    """Pages that a map of the documentation links to."""
    return re.findall(r"^- \[[^\]]+\]\(([^)]+)\): \S", text, re.MULTILINE)


def test_the_map_for_language_models_has_every_page() -> None:
    """Every page that is written by hand, once; those of the reference hang together by their own index."""
    found = listed(LLMS.read_text(encoding="utf-8"))
    pages = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}
    by_index = {page for page in pages if page.startswith("api/")} - {"api/index.md"}
    assert sorted(found) == sorted(pages - by_index)
    assert LLMS.read_text(encoding="utf-8").startswith("# lob_sim\n\n> ")


def test_the_site_has_every_page_of_the_map() -> None:
    """What mkdocs serves: each page has a place in the navigation, and a text in docs is copied as it is."""
    site = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert [page for page in listed(LLMS.read_text(encoding="utf-8")) if f" {page}\n" not in site] == []
    assert "docs_dir: docs\n" in site
    assert "exclude_docs" not in site


# --- negative controls ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("```python\nassert 1 + 1 == 3\n```\n", AssertionError),
        ("```python\nfrom lob_sim import no_such_name\n```\n", ImportError),
        ("```sh\nlob-sim no-such-command\n```\n", AssertionError),
        ("```sh\nlob-sim sweep dealer_market --over ... --no-such-option 1\n```\n", AssertionError),
        ("```sh\nlob-sim check no_such_scenario\n```\n", InputError),
        ("```sh\nmake demon\n```\n", AssertionError),
        ("```bash\nlob-sim no-such-command\n```\n", AssertionError),
        (
            '```python title="ends_badly.py"\nraise SystemExit(3)\n```\n\n```sh\npython ends_badly.py\n```\n',
            subprocess.CalledProcessError,
        ),
        ('```toml\n[[shocks]]\ninstrument = "bond"\nat = "5min"\nsise = -0.04\n```\n', InputError),
        ("```toml\nno_such_table = 1\n```\n", KeyError),
    ],
)
def test_a_broken_block_is_noticed(text: str, error: type[Exception], folder: Path) -> None:
    broken = folder / "broken.md"
    broken.write_text(text, encoding="utf-8")
    assert blocks(broken)
    with pytest.raises(error):
        Reader(broken).read()


def test_a_block_that_nobody_reads_is_noticed(folder: Path) -> None:
    document = folder / "document.md"
    document.write_text("```sh\n# fine\n```\n\n```python linenums=1\nassert False\n```\n", encoding="utf-8")
    assert (Reader(document).read(), marks(document)) == (1, 2)


def test_an_inner_import_is_noticed(folder: Path) -> None:
    document = folder / "document.md"
    document.write_text("```python\nfrom lob_sim import run\nfrom lob_sim.running import run\n```\n", encoding="utf-8")
    assert inner_imports(document) == ["lob_sim.running"]


def test_a_broken_link_is_noticed(folder: Path) -> None:
    document = folder / "document.md"
    document.write_text("# Here\n\n[a](#here) [b](#there) [c](nowhere.md) [d](document.md#here) [e](https://x.org)\n")
    assert broken_links(document) == ["#there", "nowhere.md"]


def test_later_blocks_see_earlier_ones(folder: Path) -> None:
    document = folder / "document.md"
    document.write_text(
        '```python title="own.py"\nx = 1\n```\n\n```python\nfrom own import x\n```\n\n```python\ny = x + 1\n```\n'
    )
    reader = Reader(document)
    reader.read()
    names: dict[str, Any] = reader.names
    assert names["y"] == 2
