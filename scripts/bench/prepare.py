"""Rows per second from JSON Lines to packed rows: `distill train --dry-run` against the `tokenizers` library in a Python loop.

Needs the `tokenizers` library and a built `distill`. Text and tokenizer are those of tokenizer.py (GPT-2's pattern, 32,000 tokens),
a document on each line. Both sides read the lines, encode, append the end of sequence, cut to the length and pack whole documents in
file order; the library encodes batches of 1,000 with all its threads. The sides take turns after one round that does not count, medians
are printed, and documents, packed rows and tokens of both are compared. The start of `distill` without the data is not counted: it says
itself how long the data took.
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import tokenizer as texts   # noqa: E402  (tokenizer.py beside this file)

EOS = "<|endoftext|>"
COUNTS = re.compile(r"(\d+) documents, \d+ dropped .*?; (\d+) rows per epoch with (\d+) tokens, \d+ kept \((?:(\d+) min )?([\d.]+) s\)")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--distill", type=pathlib.Path, default=HERE.parent.parent / "build" / "distill")
    parser.add_argument("--megabytes", type=float, default=40)
    parser.add_argument("--length", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, nargs="*", default=sorted({1, os.cpu_count()}))
    parser.add_argument("--work", type=pathlib.Path, help="folder for text and tokenizer (default: a temporary one)")
    return parser.parse_args()


def prepare_files(work, megabytes):
    documents = texts.make_documents(6_000_000)
    texts.train("gpt2", documents, work / "words")
    tree = json.loads((work / "words/tokenizer.json").read_text())
    end = max(tree["model"]["vocab"].values()) + 1
    tree["added_tokens"] = [dict(id=end, content=EOS, single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)]
    (work / "words/tokenizer.json").write_text(json.dumps(tree, ensure_ascii=False))
    (work / "words/tokenizer_config.json").write_text(json.dumps(dict(eos_token=EOS)))
    lines = [json.dumps(dict(text=document), ensure_ascii=False) for document in documents]
    with open(work / "rows.jsonl", "w", encoding="utf-8") as file:
        for number in range(max(1, round(megabytes / 6))):
            for line in lines:   # a number at the front: no line is like another
                file.write(line.replace('"text": "', f'"text": "{number} ', 1) + "\n")
    return end


def recipe(work, vocabulary, length):
    return f"""
student: {{init: {{tokenizer: {work}/words, config: {{model_type: llama, architectures: [LlamaForCausalLM], vocab_size: {vocabulary},
  hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 4, num_key_value_heads: 4, hidden_act: silu,
  max_position_embeddings: {length}, rms_norm_eps: 1.0e-5, rope_theta: 10000.0, tie_word_embeddings: true, bos_token_id: 0, eos_token_id: 0}}}}}}
data: {{train: [{{path: {work}/rows.jsonl}}], sequence_length: {length}, prepared: none}}
objective: [{{function: cross_entropy}}]
train: {{length: 1 steps, device: cpu}}
output: {work}/run
"""


def ours(options, work, threads):
    cores = ",".join(map(str, range(threads)))
    command = ["taskset", "-c", cores, options.distill, "train", work / "r.yaml", "--dry-run", "--progress", "none"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True)
    found = COUNTS.search(done.stderr)
    if not found:
        sys.exit(f"no counts in: {done.stderr}")
    documents, rows, tokens = map(int, found.groups()[:3])
    return 60 * int(found[4] or 0) + float(found[5]), (documents, rows, tokens)


def worker(folder, path, length):
    """The library's side, in a process of its own: prints the seconds and the counts."""
    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
    end = tokenizer.token_to_id(EOS)
    start = time.perf_counter()
    documents = rows = tokens = used = 0

    def take(lines):
        nonlocal documents, rows, tokens, used
        for encoding in tokenizer.encode_batch_fast([json.loads(line)["text"] for line in lines]):
            ids = [*encoding.ids, end][:length]
            documents += 1
            tokens += len(ids)
            if rows == 0 or used + len(ids) > length:
                rows, used = rows + 1, 0
            used += len(ids)

    batch = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            batch.append(line)
            if len(batch) == 1000:
                take(batch)
                batch = []
    take(batch)
    print(time.perf_counter() - start, documents, rows, tokens)


def library(options, work, threads):
    cores = ",".join(map(str, range(threads)))
    command = ["taskset", "-c", cores, sys.executable, __file__, "--worker", work / "words", work / "rows.jsonl", options.length]
    environment = {**os.environ, "RAYON_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "true" if threads > 1 else "false"}
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True, env=environment)
    seconds, *counts = done.stdout.split()
    return float(seconds), tuple(map(int, counts))


def main():
    options = arguments()
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or pathlib.Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        end = prepare_files(work, options.megabytes)
        (work / "r.yaml").write_text(recipe(work, end + 1, options.length))
        megabytes = (work / "rows.jsonl").stat().st_size / 1e6
        print(f"{megabytes:.0f} MB, rows of {options.length} tokens\nthreads  side     documents/s  packed rows/s  MB/s")
        for threads in options.threads:
            seconds, counts = {"library": [], "ours": []}, {}
            for turn in range(options.rounds + 1):
                for name, side in (("library", library), ("ours", ours)):
                    spent, counts[name] = side(options, work, threads)
                    if turn > 0:
                        seconds[name].append(spent)
            if counts["library"] != counts["ours"]:
                sys.exit(f"documents, rows and tokens differ: {counts}")
            for name, values in seconds.items():
                spent, (documents, rows, _) = statistics.median(values), counts[name]
                print(f"{threads:7}  {name:7}  {documents / spent:11.0f}  {rows / spent:13.0f}  {megabytes / spent:4.1f}")
            print(f"         ratio {statistics.median(seconds['library']) / statistics.median(seconds['ours']):.2f}")


if len(sys.argv) == 5 and sys.argv[1] == "--worker":
    worker(sys.argv[2], sys.argv[3], int(sys.argv[4]))
else:
    main()
