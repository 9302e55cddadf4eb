"""This project's tokenizer and the `tokenizers` library on the same text: speed, loading time and memory, and the same ids.

Needs the `tokenizers` library, and the target encode_bench (cmake -DDISTILL_BENCH=ON; ninja encode_bench).
The text is made on the spot: a third Python's own library sources, a third the text files under /usr/share/doc, a third words
drawn with a Zipf law from ten scripts; in documents of 1 to 4 kB, always in the same order on the same machine. The tokenizers
are trained on it by the library, in the styles of well-known models. Both sides stay alive as processes and encode the documents
in turn after one round that does not count; medians are printed. Loading has fresh processes in turn. With --json the medians
also go to a file.
"""
import argparse
import array
import gzip
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
SCRIPTS = [(0x430, 0x450), (0x3B1, 0x3CA), (0x5D0, 0x5EB), (0x627, 0x64B), (0x915, 0x93A), (0xE01, 0xE2F), (0x3042, 0x3094),
           (0x30A2, 0x30F4), (0x4E00, 0x5600), (0xAC00, 0xB000)]
KINDS = ["gpt2", "llama3", "qwen2", "metaspace", "llama2", "bert", "unigram"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", type=pathlib.Path, default=HERE.parent.parent / "build" / "encode_bench")
    parser.add_argument("--work", type=pathlib.Path, help="folder for text and tokenizers (default: a temporary one)")
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=KINDS)
    parser.add_argument("--megabytes", type=float, default=6)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--skip-loading", action="store_true")
    parser.add_argument("--json", type=pathlib.Path)
    return parser.parse_args()


def take(paths, size):
    text = ""
    for path in paths:
        if len(text) >= size:
            break
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        text += data[:60000].decode("utf-8", "ignore")
    return text[:size]


def words_of_scripts(size):
    dice = random.Random(1)
    text, length = [], 0
    while length < size:
        first, end = dice.choice(SCRIPTS)
        words = ["".join(chr(dice.randrange(first, end)) for _ in range(dice.randint(1, 7))) for _ in range(300)]
        drawn = dice.choices(words, weights=[1 / (i + 1) for i in range(len(words))], k=400)
        paragraph = "".join(word + dice.choice([" "] * 12 + [", ", ". ", "! ", " 1984 ", ".\n"]) for word in drawn)
        text.append(paragraph)
        length += len(paragraph.encode())
    return "\n\n".join(text)


def make_documents(size):
    code = sorted(pathlib.Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))
    prose = sorted(path for path in pathlib.Path("/usr/share/doc").rglob("*")
                   if path.is_file() and (path.name.startswith(("README", "NEWS", "copyright", "changelog"))))
    dice, documents = random.Random(2), []
    for text in (take(code, size // 3), take(prose, size // 3), words_of_scripts(size // 3)):
        at = 0
        while at < len(text):
            length = dice.randint(1000, 4000)
            documents.append(text[at:at + length])
            at += length
    dice.shuffle(documents)
    return documents


def train(kind, documents, folder):
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=kind == "gpt2")
    if kind in ("gpt2", "llama3", "qwen2"):
        tokenizer = Tokenizer(models.BPE(ignore_merges=kind == "llama3"))
        pattern = {"llama3": LLAMA3, "qwen2": QWEN2}.get(kind)
        steps = [pre_tokenizers.Split(Regex(pattern), "isolated")] if pattern else []
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*steps, byte_level]) if steps else byte_level
        if kind == "qwen2":
            tokenizer.normalizer = normalizers.NFC()
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(vocab_size=32000, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                      show_progress=False)
    elif kind in ("metaspace", "llama2"):
        tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        fallback = [f"<0x{byte:02X}>" for byte in range(256)]
        trainer = trainers.BpeTrainer(vocab_size=32000, special_tokens=["<unk>", *fallback], show_progress=False)
    elif kind == "bert":
        tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(vocab_size=32000, special_tokens=["[UNK]"], show_progress=False)
    else:
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.normalizer = normalizers.NFKC()
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(vocab_size=32000, special_tokens=["<unk>"], unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(documents, trainer)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    if kind in ("metaspace", "llama2"):   # as in the model's own file, the bytes are tokens of the vocabulary, not added ones
        tree = json.loads((folder / "tokenizer.json").read_text())
        tree["added_tokens"] = [token for token in tree["added_tokens"] if not token["content"].startswith("<0x")]
        if kind == "llama2":              # and no pre-tokenizer: a document is one piece
            tree["pre_tokenizer"] = None
            tree["normalizer"] = {"type": "Sequence", "normalizers": [
                {"type": "Prepend", "prepend": "\u2581"},
                {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]}
        (folder / "tokenizer.json").write_text(json.dumps(tree, ensure_ascii=False))


def make_large(folder):
    """A vocabulary of 256,000 tokens that 512,000 merges make: each longer token in two ways."""
    from tokenizers import pre_tokenizers
    alphabet, dice = sorted(pre_tokenizers.ByteLevel.alphabet()), random.Random(3)
    tokens, merges, seen = list(alphabet), [], set(alphabet)
    while len(tokens) < 256000:
        left, right = dice.choice(tokens), dice.choice(tokens)
        token = left + right
        if len(token) > 12 or token in seen:
            continue
        seen.add(token)
        tokens.append(token)
        merges.append([left, right])
    for token in tokens:
        for cut in range(1, len(token)):
            if len(merges) < 512000 and token[:cut] in seen and token[cut:] in seen:
                merges.append([token[:cut], token[cut:]])
    merges = list(dict.fromkeys(map(tuple, merges)))
    model = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
             "fuse_unk": False, "byte_fallback": False, "ignore_merges": True,
             "vocab": {token: i for i, token in enumerate(tokens)}, "merges": merges}
    step = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(
        {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None, "pre_tokenizer": step,
         "post_processor": None, "decoder": step, "model": model}, ensure_ascii=False))


def peak_kilobytes():
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


def worker(folder, documents):
    """The library's side of encode_bench's conversation; its threads are those of the environment."""
    from tokenizers import Tokenizer
    before = peak_kilobytes()   # Python itself
    start = time.perf_counter()
    tokenizer = Tokenizer.from_file(str(pathlib.Path(folder) / "tokenizer.json"))
    seconds = time.perf_counter() - start
    print(seconds, peak_kilobytes() - before, flush=True)
    texts = [json.loads(line) for line in pathlib.Path(documents).read_text().split("\n") if line]
    for line in sys.stdin:
        command, argument = line.split()
        start = time.perf_counter()
        if command == "loop":
            for text in texts:
                tokenizer.encode(text, add_special_tokens=False)
        elif command == "batch":
            tokenizer.encode_batch(texts, add_special_tokens=False)
        elif command == "fast":
            tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        else:
            ids = array.array("i")
            for text in texts:
                ids.extend(tokenizer.encode(text, add_special_tokens=False).ids)
            pathlib.Path(argument).write_bytes(ids.tobytes())
        print(time.perf_counter() - start, flush=True)


class Side:
    def __init__(self, command, **environment):
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, **environment})
        self.loading, self.memory = map(float, self.answer())

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.process.args} ended")
        return line.split()

    def ask(self, command, argument):
        self.process.stdin.write(f"{command} {argument}\n")
        self.process.stdin.flush()
        return float(self.answer()[0])

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def ours(options, folder, documents):
    return Side([options.bench, folder, documents])


def library(folder, documents, threads):
    return Side([sys.executable, __file__, "--worker", folder, documents], RAYON_NUM_THREADS=str(threads),
                TOKENIZERS_PARALLELISM="true" if threads > 1 else "false")


def measure(options, work, kind, documents, num_bytes):
    folder = work / kind
    one, many = library(folder, documents, 1), library(folder, documents, options.threads)
    mine = ours(options, folder, documents)
    for side, name in ((one, "library.ids"), (mine, "ours.ids")):
        side.ask("ids", work / name)
    equal = (work / "library.ids").read_bytes() == (work / "ours.ids").read_bytes()
    runs = {"loop": (one, "loop", 0), "batch": (one, "batch", 0), "fast": (one, "fast", 0), "ours": (mine, "encode", 1),
            "fast_many": (many, "fast", 0), "ours_many": (mine, "encode", options.threads)}
    seconds = {name: [] for name in runs}
    for turn in range(options.rounds + 1):
        for name, (side, command, argument) in runs.items():
            spent = side.ask(command, argument)
            if turn > 0:
                seconds[name].append(spent)
    for side in (one, many, mine):
        side.close()
    result = {name: num_bytes / 1e6 / statistics.median(values) for name, values in seconds.items()}
    best = [min(one) / own for *one, own in zip(seconds["loop"], seconds["batch"], seconds["fast"], seconds["ours"])]
    many = [theirs / own for theirs, own in zip(seconds["fast_many"], seconds["ours_many"])]
    return {**result, "ratio": statistics.median(best), "ratio_many": statistics.median(many), "equal_ids": equal}


def measure_loading(options, work, documents):
    folder = work / "large"
    if not (folder / "tokenizer.json").exists():
        make_large(folder)
    result = {name: {"seconds": [], "mb": []} for name in ("library", "ours")}
    for _ in range(options.rounds):
        for name, side in (("library", library(folder, documents, 1)), ("ours", ours(options, folder, documents))):
            result[name]["seconds"].append(side.loading)
            result[name]["mb"].append(side.memory / 1024)
            side.close()
    return {name: {key: statistics.median(values) for key, values in of.items()} for name, of in result.items()}


def main():
    options = arguments()
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or pathlib.Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        texts = make_documents(int(options.megabytes * 1e6))
        documents = work / "documents.jsonl"
        documents.write_text("".join(json.dumps(text) + "\n" for text in texts))
        num_bytes = sum(len(text.encode()) for text in texts)
        print(f"{len(texts)} documents, {num_bytes / 1e6:.2f} MB; MB/s; library: one thread, or {options.threads}")
        columns = ("loop", "batch", "fast", "ours", "ratio", "fast_many", "ours_many", "ratio_many")
        print(f"{'':10}" + "".join(f"{name:>11}" for name in columns) + "  same ids")
        report = {"documents": len(texts), "bytes": num_bytes, "threads": options.threads, "encoding": {}}
        for kind in options.kinds:
            if not (work / kind / "tokenizer.json").exists():
                train(kind, texts, work / kind)
            row = report["encoding"][kind] = measure(options, work, kind, documents, num_bytes)
            print(f"{kind:10}" + "".join(f"{row[name]:11.2f}" for name in columns) + f"  {row['equal_ids']}", flush=True)
        if not options.skip_loading:
            report["loading"] = measure_loading(options, work, documents)
            for name, of in report["loading"].items():
                print(f"256,000 tokens, {name}: {of['seconds']:.2f} s, {of['mb']:.0f} MB at most")
        if options.json:
            options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(*sys.argv[2:])
    else:
        main()
