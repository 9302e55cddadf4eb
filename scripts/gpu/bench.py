"""Sweeps row lengths and micro-batches over `distill` and its peers until each runs out of memory. Started by bench.sh.

Every measurement is a fresh process on the same random models, the same tokens, the same loss (forward KL) and the same
optimizer; the median of all updates but the first counts. `distill` is stopped after its updates, before it would save. What the
sides compute is compared with eager PyTorch: the loss alone with its gradients, and the first loss of whole updates; a row says how
far it is from there. Peers that are not installed are named and left out.
"""
import argparse
import datetime
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "bench"))
import loss_sides  # noqa: E402

SIDES = ["eager", "distill", "trl", "trl_chunked", "liger", "liger_triton"]   # eager first: the others are compared with it
GIB = 1 << 30


def shape(hidden, layers, heads, kv_heads, feed_forward, vocabulary, kind, tied=True):
    return {"hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": kv_heads,
            "intermediate_size": feed_forward, "vocab_size": vocabulary, "model_type": kind, "tie_word_embeddings": tied}


# Student and teacher, as the config.json of the models of that size say.
PAIRS = {
    "qwen2.5-0.5b-from-1.5b": (shape(896, 24, 14, 2, 4864, 151936, "qwen2"), shape(1536, 28, 12, 2, 8960, 151936, "qwen2")),
    "llama3.2-1b-from-3b": (shape(2048, 16, 32, 8, 8192, 128256, "llama"), shape(3072, 28, 24, 8, 8192, 128256, "llama")),
}
TINY = {"tiny-from-small": (shape(32, 2, 4, 2, 64, 307, "qwen2"), shape(64, 2, 4, 2, 128, 307, "qwen2"))}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--device-name", default="")
    parser.add_argument("--commit", default="unknown")
    parser.add_argument("--runner", default="env", help="what starts our programs")
    parser.add_argument("--programs", type=pathlib.Path, required=True, help="folder of distill and loss_bench")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, help="folder for the models, kept for the next time (default: a temporary one)")
    parser.add_argument("--pairs", nargs="+", choices=list(PAIRS), default=list(PAIRS))
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=SIDES)
    parser.add_argument("--lengths", nargs="+", type=int, default=[512, 1024, 2048, 4096])
    parser.add_argument("--largest-batch", type=int, default=64)
    parser.add_argument("--updates", type=int, default=4)
    parser.add_argument("--cap-gib", type=float, default=14.0)
    parser.add_argument("--checkpointing", choices=["none", "full"], default="none", help="recompute activations, on every side")
    parser.add_argument("--minutes", type=float, default=25, help="begin nothing new after that")
    options = parser.parse_args()
    options.pairs = {name: PAIRS[name] for name in options.pairs}
    if options.device == "cpu":
        options.pairs, options.lengths, options.largest_batch, options.updates = TINY, [16], 2, 2
    return options


def total_gpu_bytes():
    words = subprocess.run(["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"], capture_output=True, text=True)
    return int(words.stdout.split()[0]) << 20


def make_pair(options, work, name):
    folder = work / name
    if not (folder / "done").exists():
        pair = {"student": options.pairs[name][0], "teacher": options.pairs[name][1]}
        subprocess.run([sys.executable, HERE / "peer.py", "--make", json.dumps(pair), "--folder", folder, "--device", options.device,
                        "--length", str(max(options.lengths))], check=True)
        (folder / "done").touch()
    return folder


def recipe(options, folder, length, batch, output):
    precision = "float16" if options.device == "cuda" else "float32"
    return f"""\
teacher: {{path: "{folder}/teacher"}}
student: {{path: "{folder}/student"}}
data: {{train: [{{path: "{folder}/tokens.jsonl"}}], sequence_length: {length}, packing: false, shuffle: false, prepared: none}}
objective: [{{function: kl}}]
optimizer: {{learning_rate: 1e-5, weight_decay: 0}}
schedule: {{kind: constant}}
train: {{length: 100000 steps, batch_size: {batch}, device: {options.device}, precision: {precision}, save_every: 10 hours,
         log_every: 1 steps, gradient_checkpointing: {options.checkpointing}}}
output: "{output}"
"""


def steps_in(log):
    if not log.exists():
        return []
    events = [json.loads(line) for line in log.read_text().splitlines() if line.endswith("}")]
    return [event for event in events if event["event"] == "step"]


def used_bytes(pid):
    """What the driver says that the process holds, its context included."""
    try:
        text = subprocess.run(["nvidia-smi", "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"],
                              capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return 0
    for line in text.splitlines():
        number, used = (word.strip() for word in line.split(","))
        if number == str(pid) and used.isdigit():
            return int(used) << 20
    return 0


def failure_of(words):
    return "out of memory" if "GPU memory" in words or "out of memory" in words.lower() else words.strip()[-400:] or "no words"


def run_distill(options, folder, length, batch, environment):
    with tempfile.TemporaryDirectory(dir=folder) as place:
        place = pathlib.Path(place)
        (place / "recipe.yaml").write_text(recipe(options, folder, length, batch, place / "run"))
        with open(place / "words", "w+") as words:
            process = subprocess.Popen([options.runner, options.programs / "distill", "train", place / "recipe.yaml", "--progress", "none"],
                                       stdout=words, stderr=words, env=environment)
            used, steps, deadline = 0, [], time.monotonic() + 400
            while process.poll() is None and len(steps) < options.updates and time.monotonic() < deadline:
                time.sleep(0.2)
                steps = steps_in(place / "run" / "log.jsonl")
                if options.device == "cuda":
                    used = max(used, used_bytes(process.pid))
            process.kill()   # before it saves gigabytes that nobody reads
            process.wait()
            words.seek(0)
            if len(steps) < options.updates:
                return {"failure": failure_of(words.read())}
        seconds = statistics.median(step["seconds"] for step in steps[1:])
        return {"seconds": seconds, "bytes": used, "losses": [step["loss"] for step in steps]}


def run_peer(options, side, folder, length, batch, environment):
    command = [sys.executable, HERE / "peer.py", "--side", side, "--folder", folder, "--device", options.device, "--length", str(length),
               "--batch", str(batch), "--updates", str(options.updates), "--cap-gib", str(options.cap_gib),
               "--checkpointing", options.checkpointing]
    return answer_of(command, environment)


def answer_of(command, environment):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, env=environment, timeout=400)
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        return {"failure": failure_of(done.stderr)}
    return json.loads(lines[-1])


def run_loss(options, side, pair, environment):
    student, teacher = options.pairs[pair]
    rows = 4096 if options.device == "cuda" else 40
    sizes = loss_sides.sizes(rows, student["vocab_size"], student["hidden_size"], teacher["hidden_size"], device=options.device)
    ours = [options.runner, options.programs / "loss_bench", *sizes]
    try:
        with loss_sides.Side(ours if side == "distill" else loss_sides.peer(side, sizes), environment) as process:
            seconds = [process.ask("run")[0] for _ in range(6)]
            return {"seconds": statistics.median(seconds[1:]), "bytes": process.ask("memory")[0], "figures": process.ask("figures")}
    except loss_sides.Failed as failed:
        return {"failure": failure_of(str(failed))}


def environment_of(options):
    """The cap is a setting of torch's allocator, for the losses alone; peer.py sets its own as a call."""
    environment = dict(os.environ)
    if options.device == "cuda":
        share = min(1.0, options.cap_gib * GIB / total_gpu_bytes())
        environment["PYTORCH_CUDA_ALLOC_CONF"] = f"per_process_memory_fraction:{share:.6f}"
    return environment


def text_of(row):
    if "failure" in row:
        return row["failure"].splitlines()[-1][:90]
    memory = f", {row['bytes'] / GIB:.2f} GiB" if row.get("bytes") else ""
    apart = f", {row['from_eager']:.1e} from eager" if "from_eager" in row else ""
    return (f"{row['tokens_per_second']:.0f} tokens/s" if "tokens_per_second" in row else f"{1000 * row['seconds']:.2f} ms") + memory + apart


class Rows:
    """What was measured, each row told as it comes and compared with eager's of the same place."""

    def __init__(self):
        self.rows, self.eager = [], {}

    def add(self, row, **about):
        place = tuple(value for name, value in about.items() if name != "side")
        if about["side"] == "eager":
            self.eager[place] = row
        expected = self.eager.get(place, {})
        if "figures" in row and "figures" in expected:
            row["from_eager"] = loss_sides.distance(row["figures"], expected["figures"])
        if "losses" in row and "losses" in expected:
            row["from_eager"] = abs(row["losses"][0] - expected["losses"][0]) / abs(expected["losses"][0])
        self.rows.append({**about, **row})
        print(" ".join(f"{value}" for value in about.values()).ljust(60), text_of(row), flush=True)


def sides_here(options):
    """The sides that were asked for and can run; the others are told."""
    facts = loss_sides.facts_of_peers(options.device)
    for side in options.sides:
        if "missing" in facts.get(side, {}):
            print(f"{side}: {facts[side]['missing']}", flush=True)
    return [side for side in SIDES if side in options.sides and "missing" not in facts.get(side, {})], facts


def sweep(options, sides, rows, work, in_time):
    ours = environment_of(options)
    for pair in options.pairs:
        for side in sides:
            if in_time():
                rows.add(run_loss(options, side, pair, ours), what="loss", pair=pair, side=side)
        folder = make_pair(options, work, pair)
        for length in options.lengths:
            for side in sides:
                batch = 1
                while batch <= options.largest_batch and in_time():
                    row = (run_distill(options, folder, length, batch, ours) if side == "distill"
                           else run_peer(options, side, folder, length, batch, dict(os.environ)))
                    if "seconds" in row:
                        row["tokens_per_second"] = batch * length / row["seconds"]
                    rows.add(row, what="update", pair=pair, side=side, length=length, batch=batch)
                    if "failure" in row:
                        break
                    batch *= 2


def main():
    options = arguments()
    began, rows = time.monotonic(), Rows()
    in_time = lambda: time.monotonic() - began < 60 * options.minutes
    print(f"{options.device_name}, commit {options.commit}, cap {options.cap_gib} GiB, recomputation {options.checkpointing}")
    sides, facts = sides_here(options)
    with tempfile.TemporaryDirectory() as temporary:
        sweep(options, sides, rows, options.work or pathlib.Path(temporary), in_time)
    result = {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "device": options.device_name,
              "commit": options.commit, "cap_gib": options.cap_gib, "checkpointing": options.checkpointing,
              "peers": facts, "complete": in_time(), "rows": rows.rows}
    (options.out / "bench.json").write_text(json.dumps(result, indent=1) + "\n")
    print("details in", options.out / "bench.json")
    if options.device == "cpu":
        judge_rehearsal(rows.rows)


def judge_rehearsal(rows):
    """A rehearsal must measure every side, and all must compute the same; on a GPU a side may well run out of memory at its first size."""
    for row in rows:
        if "failure" in row:
            sys.exit(f"the rehearsal did not measure {row['side']}: {row['failure']}")
        if not row.get("from_eager", 0) < 1e-4:
            sys.exit(f"the rehearsal: {row['side']} computes something else than eager: {text_of(row)}")


if __name__ == "__main__":
    main()
