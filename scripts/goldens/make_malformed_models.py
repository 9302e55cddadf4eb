"""Writes model files and folders that must be refused, each named for what is wrong, and the sound ones they come from.

Usage: python3 make_malformed_models.py OUT [--prove]     (the standard library alone; OUT must not exist or be empty)

OUT/GROUP/NAME is one case; OUT/cases.json lists them: how to open it (`verb`), words of the refusal (`says`), `valid` for those that
must open. Tests generate the corpus, it is not stored. --prove loads every attack with Python's own unpickler, in a process and a
folder of its own, and fails unless each one does create the file that tests look for: an attack that cannot hurt proves nothing.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from malformed import config_cases, index_cases, safetensors_cases, torch_cases   # noqa: E402
from malformed.corpus import Corpus   # noqa: E402

# Stands for an unpickler of torch on machines without torch: what belongs to torch does nothing, its import of os is there.
LOAD = """
import pickle, sys
class Reader(pickle.Unpickler):
    def persistent_load(self, key): return key
    def find_class(self, module, name):
        if module == "torch.serialization": return super().find_class("os", name.removeprefix("os."))
        return (lambda *arguments: arguments) if module.startswith("torch") else super().find_class(module, name)
Reader(sys.stdin.buffer).load()
"""


def hurts(code: bytes) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-c", LOAD], input=code, cwd=folder, stderr=subprocess.DEVNULL)
        return (pathlib.Path(folder) / torch_cases.SENTINEL).exists()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--prove", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if any(options.out.iterdir()):
        sys.exit(f"{options.out} is not empty")
    corpus = Corpus(options.out)
    for cases in (safetensors_cases, index_cases, config_cases, torch_cases):
        cases.add(corpus)
    corpus.write_list()
    if options.prove:
        harmless = [name for name, code in torch_cases.attacks().items() if not hurts(code)]
        if harmless:
            sys.exit(f"attacks that hurt nobody: {', '.join(harmless)}")
    print(len([case for case in corpus.cases if not case["valid"]]), "malformed,", len([c for c in corpus.cases if c["valid"]]), "sound")


main()
