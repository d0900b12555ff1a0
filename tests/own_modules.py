"""A folder of modules that a person might have beside their pictures, with names like those of our modules.

Each raises when it is imported. So whatever runs there without an error imports none of them.
"""

from __future__ import annotations

import sys
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = (
    *(
        ROOT / name
        for name in (
            "freeda",
            "freeda_errors",
            "freeda_models",
            "freeda_store",
            "freeda_segment",
            "freeda_learn",
        )
    ),
    *(ROOT / "ingest" / "freeda_ingest", ROOT / "cli" / "freeda_cli", ROOT / "migrations"),
)
FOLDERS = ("benchmarks", "cli", "docs", "examples", "ingest", "migrations", "tests", "training")
MODULES = ("app.py", "cli/main.py", "common.py", "migrations/env.py", "tests/conftest.py", "utils.py")


def write_own_modules(folder: Path) -> Path:
    """Fill a folder; names of the standard library and of what is installed are left out."""
    taken = {*sys.stdlib_module_names, *packages_distributions()}
    names = {path.stem for package in PACKAGES for path in package.rglob("*.py")}
    names |= {path.parent.name for package in PACKAGES for path in package.rglob("__init__.py")}
    folder.mkdir(parents=True, exist_ok=True)
    for path in (
        *(folder / name / "__init__.py" for name in FOLDERS),
        *(folder / name for name in MODULES),
        *(folder / f"{name}.py" for name in names - taken - set(FOLDERS)),
    ):
        if not path.stem.startswith(("freeda", "__main__")):
            path.parent.mkdir(exist_ok=True)
            path.write_text('raise RuntimeError(f"a person\'s own {__name__} was imported: {__file__}")\n')
    return folder
