"""The fused logits terms against eager PyTorch, TRL and Liger on a CPU: forward and backward of one loss, head products included.

Needs a Python with torch, and build/loss_bench (`ninja loss_bench`); trl and liger-kernel take part where they are installed
(loss_peers.py says what of them). First all sides are held against eager PyTorch in float64 on a small case, values and gradients.
Then distill and one peer after the other stay alive as processes and run in turn, after one round that does not count; medians are
printed, and what they computed is compared again. Memory is that of fresh processes, once with the rows given and once with four times as many: what a side needs
beyond the tensors it was given.
"""
import argparse
import json
import os
import pathlib
import statistics
import sys

import loss_sides
from loss_sides import Side

HERE = pathlib.Path(__file__).resolve().parent
TERMS = ["kl", "reverse_kl", "jsd", "skew_kl", "adaptive_kl", "top_k_kl", "tvd", "uld"]
TUNED = {"GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=8589934592:glibc.malloc.trim_threshold=17179869184"}
SMALL = {"rows": 13, "vocabulary": 307, "student": 24, "teacher": 40}
# The mean of 13 rows in float32; top_k_kl and adaptive_kl are eager's own arithmetic of masses near 1.
NEAR = 2e-5


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", type=pathlib.Path, default=HERE.parent.parent / "build" / "loss_bench")
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--vocab", type=int, default=151936)
    parser.add_argument("--student", type=int, default=256, help="hidden size of the student")
    parser.add_argument("--teacher", type=int, default=512, help="hidden size of the teacher")
    parser.add_argument("--terms", nargs="*", choices=TERMS, default=["kl", "reverse_kl", "jsd"])
    parser.add_argument("--beta", type=float, default=0.5, help="of jsd, on all sides")
    parser.add_argument("--temperature", type=float, default=1.0, help="on all sides; its square is left out")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--only-check", action="store_true", help="compare what the sides compute and time nothing")
    parser.add_argument("--json", type=pathlib.Path)
    return parser.parse_args()


def environment(a, more=()):
    return {**os.environ, **dict(more), "OMP_NUM_THREADS": str(a.threads)}


def peers_of(term, facts):
    return [side for side, fact in facts.items() if "is" in fact and (fact["terms"] is None or term in fact["terms"])]


def check(a, facts):
    """Every side on the small case, at beta 0.3 and temperature 2, against float64; returns the distances by term."""
    report = {}
    for term in a.terms:
        options = loss_sides.sizes(**SMALL, term=term, beta=0.3, temperature=2.0)
        commands = {"distill": [a.bench, *options], **{side: loss_sides.peer(side, options) for side in peers_of(term, facts)}}
        expected = figures([*loss_sides.peer("eager", options), "--float64"])
        report[term] = {name: loss_sides.distance(figures(command), expected) for name, command in commands.items()}
        print(f"{term:14} from float64: " + ", ".join(f"{name} {value:.1e}" for name, value in report[term].items()), flush=True)
        refuse_far(term, report[term], NEAR)
    return report


def refuse_far(term, apart, near):
    for name, value in apart.items():
        if not value < near:
            sys.exit(f"{term}: {name} computes something else: expected a relative distance below {near:g}, found {value:.3g}")


def figures(command):
    with Side(command) as side:
        side.ask("run")
        return side.ask("figures")


def sides(a, term, rows, peer):
    """distill and one peer as processes, the peer twice: all peers at once would need more memory than a small machine has."""
    options = loss_sides.sizes(rows, a.vocab, a.student, a.teacher, term, a.beta, a.temperature)
    return {"distill": Side([a.bench, *options], environment(a)),
            peer: Side(loss_sides.peer(peer, options), environment(a)),
            peer + ", tuned allocator": Side(loss_sides.peer(peer, options), environment(a, TUNED.items()))}


def measure_time(a, term, peer):
    running = sides(a, term, a.rows, peer)
    seconds, computed = {name: [] for name in running}, {}
    for turn in range(a.rounds + 1):
        for name, side in running.items():
            taken = side.ask("run")[0]
            if turn:
                seconds[name].append(taken)
    for name, side in running.items():
        computed[name] = side.ask("figures")
        side.__exit__()
    refuse_far(term, {name: loss_sides.distance(found, computed["distill"]) for name, found in computed.items()}, 1e-3)
    return {name: statistics.median(values) for name, values in seconds.items()}


def measure_memory(a, term, rows, peer):
    extra = {}
    for name, side in sides(a, term, rows, peer).items():
        side.ask("run")
        peak, before = side.ask("memory")
        extra[name] = peak - before
        side.__exit__()
    return extra


def main():
    a = arguments()
    facts = loss_sides.facts_of_peers("cpu")
    for side, fact in facts.items():
        print(f"{side}: {fact.get('is') or fact['missing']}")
    report = {"sides": facts, "distances": check(a, facts)}
    if not a.only_check:
        print(f"{a.rows} rows x {a.vocab}, student {a.student}, teacher {a.teacher}, beta {a.beta:g}, temperature {a.temperature:g}, float32, "
              f"{a.threads} threads, {a.rounds} rounds")
        print(f"{'':14}{'':30}{'seconds':>9}{'ratio':>8}{'extra MB':>11}{'at 4x rows':>12}")
    for term in [] if a.only_check else a.terms:
        # Triton's interpreter, where liger_triton runs without a GPU, is for small cases.
        for peer in [peer for peer in peers_of(term, facts) if peer != "liger_triton"]:
            time, memory, more = (measure_time(a, term, peer), measure_memory(a, term, a.rows, peer),
                                  measure_memory(a, term, 4 * a.rows, peer))
            report.setdefault(term, {})[peer] = {"seconds": time, "extra_bytes": memory, "extra_bytes_at_4x_rows": more}
            for name in time:
                print(f"{term:14}{name:30}{time[name]:9.3f}{time[name] / time['distill']:8.2f}{memory[name] / 1e6:11.0f}"
                      f"{more[name] / 1e6:12.0f}", flush=True)
    if a.json:
        a.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
