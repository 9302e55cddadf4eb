"""The corpus on disk: one file or folder per case, and cases.json with what a reader of it must say."""
import json
import os
import pathlib


class Corpus:
    """Cases by group and name. `says`: words that the refusal must contain, so that a case is refused for its own fault."""

    def __init__(self, out: pathlib.Path):
        self.out = out
        self.cases: list[dict] = []

    def file(self, group: str, name: str, data: bytes, *says: str, size: int | None = None, valid: bool = False, verb: str = "inspect",
             **more) -> None:
        """A file; `size` extends it by a hole (zeros that take no disk). `more` goes into the list."""
        path = self._note(group, name, verb, says, valid, more)
        path.write_bytes(data)
        if size is not None:
            os.truncate(path, size)

    def folder(self, group: str, name: str, files: dict[str, bytes], *says: str, verb: str = "forward", valid: bool = False,
               sizes: dict[str, int] | None = None, **more) -> None:
        """A model folder, opened wholly by `forward` (or by `inspect`, when only its weights matter; by `tokenize`, for its words).
        `sizes` extends files by holes."""
        path = self._note(group, name, verb, says, valid, more)
        path.mkdir()
        for file, data in files.items():
            (path / file).parent.mkdir(parents=True, exist_ok=True)
            (path / file).write_bytes(data)
        for file, size in (sizes or {}).items():
            os.truncate(path / file, size)

    def seed(self, group: str, name: str, data: bytes) -> None:
        """A piece of a file, where a fuzzer may start; no case."""
        (self.out / group).mkdir(exist_ok=True)
        (self.out / group / name).write_bytes(data)

    def write_list(self) -> None:
        (self.out / "cases.json").write_text(json.dumps(self.cases, indent=1) + "\n")

    def _note(self, group: str, name: str, verb: str, says: tuple[str, ...], valid: bool, more: dict) -> pathlib.Path:
        path = self.out / group / name
        if path.exists():
            raise SystemExit(f"two cases are named {group}/{name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        self.cases.append(dict(path=f"{group}/{name}", verb=verb, says=list(says), valid=valid, **more))
        return path
