#!/usr/bin/env python3
"""The templates and snippets of tests/data/chat as files, the first inputs of the fuzzer of templates.

    python3 scripts/goldens/write_snippets.py FOLDER
"""
import json
import sys
from pathlib import Path

DATA = Path(__file__).resolve().parents[2] / "tests" / "data" / "chat"


def main():
    folder = Path(sys.argv[1])
    sources = list(json.loads((DATA / "rendered.json").read_text())["templates"].values())
    sources += [source for source, _ in json.loads((DATA / "snippets.json").read_text())["cases"]]
    for i, source in enumerate(sources):
        (folder / f"golden-{i:04}").write_text(source)


if __name__ == "__main__":
    main()
