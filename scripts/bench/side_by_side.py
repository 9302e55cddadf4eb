"""distill and an eager PyTorch peer on the same work: same torch, same threads, fresh processes in turn, medians.

Needs a Python with torch and transformers, and a folder with the peer's two scripts (--peer-dir):
  make_pair.py --out DIR [--vocab V --t D,L,H,G,F --s ...]   writes DIR/teacher, DIR/student, DIR/tokens.jsonl
  peer_trl.py --teacher .. --student .. --data .. --loss eager ..   prints one JSON line with tok_per_s, peak_rss_mb, losses
First it checks that both compute the same thing: losses and weights of eager_twin.py after 5 updates. Then speed and memory, the
peer as users run it and with glibc's allocator tuned. Results go to stdout as a table and with --json to a file.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
TUNED = {"GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=8589934592:glibc.malloc.trim_threshold=17179869184"}
PAIRS = {
    "vocabulary": [],   # the pair maker's own defaults: 256x4 from 512x8, vocabulary 151,936
    "gemm": ["--vocab", "32000", "--t", "768,12,12,4,2048", "--s", "512,8,8,4,1408"],
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-dir", type=pathlib.Path, default=os.environ.get("DISTILL_PEER_DIR"))
    parser.add_argument("--distill", type=pathlib.Path, default=HERE.parent.parent / "build" / "distill")
    parser.add_argument("--work", type=pathlib.Path, help="folder for models and runs (default: a temporary one)")
    parser.add_argument("--pairs", nargs="+", choices=list(PAIRS), default=list(PAIRS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=4, help="updates per process; the first is left out of the median")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--accum", type=int, default=4)
    parser.add_argument("--seq", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--skip-check", action="store_true")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    if options.peer_dir is None or not (options.peer_dir / "peer_trl.py").exists():
        parser.error("name the folder of make_pair.py and peer_trl.py with --peer-dir or DISTILL_PEER_DIR")
    options.peer_dir = options.peer_dir.resolve()
    options.distill = options.distill.resolve()
    return options


def run(command, environment=None):
    """Runs a process to its end; returns its stdout, its peak memory in MB and its seconds."""
    with tempfile.TemporaryFile("w+") as out:
        start = time.perf_counter()
        process = subprocess.Popen([str(word) for word in command], stdout=out, env={**os.environ, **(environment or {})})
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - start
        if process.returncode != 0:
            sys.exit(f"{' '.join(map(str, command))} ended with {process.returncode}")
        out.seek(0)
        return out.read(), usage.ru_maxrss / 1024, seconds


def make_pair(options, work, pair):
    folder = work / pair
    if not (folder / "tokens.jsonl").exists():
        run([sys.executable, options.peer_dir / "make_pair.py", "--out", folder, "--seq", options.seq, *PAIRS[pair]])
    return folder


def write_recipe(options, folder):
    (folder / "recipe.yaml").write_text(f"""\
teacher: {{path: "{folder}/teacher"}}
student: {{path: "{folder}/student"}}
data: {{train: [{{path: "{folder}/tokens.jsonl"}}], sequence_length: {options.seq}, packing: false, shuffle: false}}
objective: [{{function: kl}}]
optimizer: {{learning_rate: 1e-4, weight_decay: 0}}
schedule: {{kind: constant}}
train: {{length: 1000 steps, batch_size: {options.batch}, gradient_accumulation_steps: {options.accum}, device: cpu,
         precision: float32, save_every: 10 hours, log_every: 1 steps}}
output: "{folder}/run"
""")


def run_distill(options, folder, steps, tag):
    output = folder / f"run-{tag}"
    _, peak_mb, _ = run([options.distill, "train", folder / "recipe.yaml", "--fresh", "--progress", "none",
                         "--set", f"output={output}", "--set", f"train.length={steps} steps"],
                        {"OMP_NUM_THREADS": str(options.threads)})
    events = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
    updates = [event for event in events if event["event"] == "step"]
    seconds = statistics.median([event["seconds"] for event in updates[1:]] or [updates[0]["seconds"]])
    return {"tok_per_s": options.batch * options.accum * options.seq / seconds, "peak_rss_mb": peak_mb,
            "losses": [event["loss"] for event in updates], "student": str(output / "student")}


def shared_arguments(options, folder, steps):
    return ["--teacher", folder / "teacher", "--student", folder / "student", "--data", folder / "tokens.jsonl", "--steps", steps,
            "--batch", options.batch, "--accum", options.accum, "--seq", options.seq, "--threads", options.threads]


def run_peer(options, folder, steps, environment):
    text, peak_mb, _ = run([sys.executable, options.peer_dir / "peer_trl.py", "--loss", "eager",
                            *shared_arguments(options, folder, steps)], environment)
    return {**json.loads(text.strip().splitlines()[-1]), "peak_rss_mb": peak_mb}


def check_equality(options, folder):
    """Largest relative difference of losses, and of weights (per tensor, in the Euclidean norm), after 5 updates."""
    from safetensors.torch import load_file
    text, _, _ = run([sys.executable, HERE / "eager_twin.py", "--out", folder / "twin", *shared_arguments(options, folder, 5)], TUNED)
    wanted = json.loads(text.strip().splitlines()[-1])["losses"]
    ours = run_distill(options, folder, 5, "check")
    theirs, mine = load_file(folder / "twin" / "model.safetensors"), load_file(pathlib.Path(ours["student"]) / "model.safetensors")
    start = load_file(folder / "student" / "model.safetensors")
    assert theirs.keys() == mine.keys(), sorted(theirs.keys() ^ mine.keys())
    distance = {name: float((theirs[name] - mine[name]).norm()) for name in theirs}
    return {
        "losses": max(abs(a - b) / abs(b) for a, b in zip(ours["losses"], wanted, strict=True)),
        "weights": max(distance[name] / float(theirs[name].norm()) for name in theirs),
        "weights_of_the_step": max(distance[name] / float((theirs[name] - start[name]).norm()) for name in theirs),
    }


def measure_pair(options, folder):
    sides = {"distill": [], "peer": [], "peer, tuned allocator": []}
    for round_number in range(options.rounds):
        sides["distill"].append(run_distill(options, folder, options.steps, "speed"))
        sides["peer"].append(run_peer(options, folder, options.steps, {}))
        sides["peer, tuned allocator"].append(run_peer(options, folder, options.steps, TUNED))
        print(f"  round {round_number + 1}: " + ", ".join(f"{name} {runs[-1]['tok_per_s']:.0f} tok/s" for name, runs in sides.items()),
              file=sys.stderr, flush=True)
    return {name: {key: statistics.median(run[key] for run in runs) for key in ("tok_per_s", "peak_rss_mb")}
            for name, runs in sides.items()}


def measure_start(options):
    runs = [run([options.distill, "version"]) for _ in range(11)]
    return {"seconds": statistics.median(run[2] for run in runs), "peak_rss_mb": statistics.median(run[1] for run in runs)}


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    return f"{model}, {os.cpu_count()} cores, {datetime.date.today()}"


def print_table(results):
    print(f"{results['machine']}, {results['threads']} threads\n")
    print("| pair | side | tokens/s | peak RSS MB | distill's tokens/s | distill's RSS |\n| --- | --- | --- | --- | --- | --- |")
    for pair, entry in results["pairs"].items():
        ours = entry["speed"]["distill"]
        for name, side in entry["speed"].items():
            ratios = "| |" if name == "distill" else \
                f"| {ours['tok_per_s'] / side['tok_per_s']:.2f}x | {ours['peak_rss_mb'] / side['peak_rss_mb']:.2f}x |"
            print(f"| {pair} | {name} | {side['tok_per_s']:.0f} | {side['peak_rss_mb']:.0f} {ratios}")
    for pair, entry in results["pairs"].items():
        if "check" in entry:
            check = entry["check"]
            print(f"\n{pair}: after 5 updates losses differ by {check['losses']:.1e}, weights by {check['weights']:.1e} relative "
                  f"({check['weights_of_the_step']:.1e} of what the updates changed)")
    print(f"\n`distill version`: {results['start']['seconds']:.2f} s, {results['start']['peak_rss_mb']:.0f} MB")


def main():
    options = arguments()
    results = {"machine": machine(), "threads": options.threads, "rounds": options.rounds, "pairs": {}}
    with tempfile.TemporaryDirectory() as temporary:
        work = (options.work or pathlib.Path(temporary)).resolve()
        for pair in options.pairs:
            folder = make_pair(options, work, pair)
            write_recipe(options, folder)
            entry = results["pairs"][pair] = {}
            if not options.skip_check:
                entry["check"] = check_equality(options, folder)
                print(f"{pair}: {entry['check']}", file=sys.stderr, flush=True)
            entry["speed"] = measure_pair(options, folder)
    results["start"] = measure_start(options)
    print_table(results)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    failed = [pair for pair, entry in results["pairs"].items()
              if "check" in entry and max(entry["check"]["losses"], entry["check"]["weights"]) > 1e-4]
    if failed:
        sys.exit(f"losses or weights differ by more than 1e-4: {', '.join(failed)}")


if __name__ == "__main__":
    main()
