"""Data and figures of minilm.sh: sentences out of WordNet, and how near the students' embeddings are to the teacher's.

    python minilm.py sentences WORDNET_FOLDER TRAIN.jsonl EVAL.jsonl
    python minilm.py compare TEACHER.safetensors NAME=STUDENT.safetensors...
"""
import json
import random
import re
import struct
import sys
from pathlib import Path

import numpy as np

NUM_TRAIN, NUM_EVAL = 32000, 1000


def glosses(folder):
    """Definitions and example sentences: everything behind the bar of a data line, split at semicolons."""
    for name in ("data.noun", "data.verb", "data.adj", "data.adv"):
        for line in (folder / name).read_text(encoding="utf-8", errors="replace").splitlines():
            _, bar, gloss = line.partition(" | ")
            if bar:
                yield from re.split(r";\s*", gloss)


def write_sentences(folder, train, held_out):
    seen = {text.strip().strip('"') for text in glosses(Path(folder))}
    texts = sorted(text for text in seen if 6 <= len(text.split()) <= 40)
    random.Random(17).shuffle(texts)
    parts = texts[:NUM_EVAL], texts[NUM_EVAL:NUM_EVAL + NUM_TRAIN]
    for path, part in zip((held_out, train), parts):
        Path(path).write_text("".join(json.dumps({"text": text}) + "\n" for text in part))
        print(f"{path}: {len(part)} sentences")


def embeddings(path):
    """The vectors row0.embedding, row1.embedding, ... of `distill forward`, float32 [rows, features], scaled to length 1."""
    data = Path(path).read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + size])
    rows = []
    for row in range(sum(name.endswith(".embedding") for name in header)):
        begin, end = header[f"row{row}.embedding"]["data_offsets"]
        rows.append(np.frombuffer(data, np.float32, (end - begin) // 4, 8 + size + begin))
    vectors = np.stack(rows)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def ranks(values):
    """Places in ascending order, ties at their mean."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def pairwise(vectors):
    similar = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    return similar[np.triu_indices(len(vectors), 1)]


def compare(teacher_file, students):
    teacher = embeddings(teacher_file)
    teacher_ranks = ranks(pairwise(teacher))
    print("| student | cosine to the teacher | rank correlation of pairwise similarities |\n| --- | --- | --- |")
    for name, path in (word.split("=", 1) for word in students):
        student = embeddings(path)
        cosine = float((student * teacher).sum(1).mean())
        correlation = float(np.corrcoef(ranks(pairwise(student)), teacher_ranks)[0, 1])
        print(f"| {name} | {cosine:.4f} | {correlation:.4f} |")


if __name__ == "__main__":
    if sys.argv[1] == "sentences":
        write_sentences(*sys.argv[2:])
    else:
        compare(sys.argv[2], sys.argv[3:])
