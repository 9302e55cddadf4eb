"""Writes tokenizers, chat templates and data files that must be refused, each named for what is wrong, and the sound ones they come from.

Usage: python3 make_malformed_texts.py OUT     (the standard library alone; OUT must not exist or be empty)

OUT/GROUP/NAME is one case; OUT/cases.json lists them as make_malformed_models.py does. A folder is a tokenizer, and its lines.jsonl is
what is given to it; a file is data that a run would learn from, or the chat template of such a run, and `recipe` says which kind of
run. `unpacked_bytes`: what a compressed file holds. Tests generate the corpus, it is not stored.
"""
import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from malformed import chat_cases, data_cases, folder_cases, packed_cases, tokenizer_cases   # noqa: E402
from malformed.corpus import Corpus   # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=pathlib.Path)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if any(options.out.iterdir()):
        sys.exit(f"{options.out} is not empty")
    corpus = Corpus(options.out)
    for cases in (tokenizer_cases, folder_cases, data_cases, packed_cases, chat_cases):
        cases.add(corpus)
    corpus.write_list()
    print(len([case for case in corpus.cases if not case["valid"]]), "malformed,", len([c for c in corpus.cases if c["valid"]]), "sound")


main()
