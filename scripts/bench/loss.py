"""The fused logits terms against eager PyTorch on a CPU: forward and backward of one loss, head products included.

Needs torch, and the target loss_terms_bench (cmake -DDISTILL_BENCH=ON; ninja loss_terms_bench). Both sides stay alive as processes and run in
turn, after one round that does not count; medians are printed. Memory is that of fresh processes, once with the rows given and
once with four times as many: what a side needs beyond the tensors it was given.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
TERMS = ["kl", "reverse_kl", "jsd", "skew_kl", "adaptive_kl", "top_k_kl", "tvd", "uld"]
GLIBC_TUNED = "glibc.malloc.mmap_threshold=8589934592:glibc.malloc.trim_threshold=17179869184"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", type=pathlib.Path, default=HERE.parent.parent / "build" / "loss_terms_bench")
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--vocab", type=int, default=151936)
    parser.add_argument("--student", type=int, default=256, help="hidden size of the student")
    parser.add_argument("--teacher", type=int, default=512, help="hidden size of the teacher")
    parser.add_argument("--terms", nargs="*", choices=TERMS, default=["kl", "reverse_kl", "jsd"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--eager", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def eager_loss(term, student, teacher):
    import torch
    import torch.nn.functional as F

    p, q = F.log_softmax(teacher, -1), F.log_softmax(student, -1)
    kl = lambda a, b: F.kl_div(b, a, reduction="sum", log_target=True)
    if term == "kl":
        return kl(p, q)
    if term == "reverse_kl":
        return kl(q, p)
    if term == "jsd":
        m = torch.logsumexp(torch.stack([p, q]) - 0.6931471805599453, 0)
        return 0.5 * kl(p, m) + 0.5 * kl(q, m)
    if term == "skew_kl":
        return kl(p, torch.log(0.1 * p.exp() + 0.9 * q.exp()))
    if term == "tvd":
        return 0.5 * (p.exp() - q.exp()).abs().sum()
    if term == "uld":
        return (p.exp().sort(-1, descending=True).values - q.exp().sort(-1, descending=True).values).abs().sum()
    if term == "top_k_kl":
        values, ids = p.topk(64, -1)
        chosen = q.gather(-1, ids)
        tail = lambda x: torch.log1p(-x.exp().sum(-1).clamp(max=1 - 1e-7))
        return kl(values, chosen) + kl(tail(values), tail(chosen))
    order = p.sort(-1, descending=True)
    head = torch.zeros_like(p, dtype=torch.bool).scatter(-1, order.indices, order.values.exp().cumsum(-1) <= 0.5)
    gap = (p.exp() - q.exp()).abs().detach()
    share = (gap * head).sum(-1) / gap.sum(-1)
    forward = (p.exp() * (p - q)).sum(-1)
    backward = (q.exp() * (q - p)).sum(-1)
    return (share * forward + (1 - share) * backward).sum()


def serve_eager(a):
    import resource
    import time

    import torch

    torch.set_num_threads(a.threads)
    head_t = torch.randn(a.vocab, a.teacher) / 16
    rows_t = torch.randn(a.rows, a.teacher)
    head_s = (torch.randn(a.vocab, a.student) / 16).requires_grad_()
    rows_s = torch.randn(a.rows, a.student).requires_grad_()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for line in sys.stdin:
        if line.strip() == "memory":
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, before, flush=True)
            continue
        start = time.perf_counter()
        with torch.no_grad():
            wanted = rows_t @ head_t.T
        (eager_loss(a.terms[0], rows_s @ head_s.T, wanted) / a.rows).backward()
        print(time.perf_counter() - start, flush=True)


class Side:
    def __init__(self, command, environment, threads):
        env = {**os.environ, **environment, "OMP_NUM_THREADS": str(threads)}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)

    def ask(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return [float(number) for number in self.process.stdout.readline().split()]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def sides(a, term, rows):
    shape = [str(rows), str(a.vocab), str(a.student), str(a.teacher)]
    eager = [sys.executable, __file__, "--eager", "--rows", shape[0], "--vocab", shape[1], "--student", shape[2], "--teacher",
             shape[3], "--terms", term, "--threads", str(a.threads)]
    return {"distill": Side([str(a.bench), *shape, term], {}, a.threads),
            "eager": Side(eager, {}, a.threads),
            "eager, tuned allocator": Side(eager, {"GLIBC_TUNABLES": GLIBC_TUNED}, a.threads)}


def measure_time(a, term):
    running = sides(a, term, a.rows)
    seconds = {name: [] for name in running}
    for turn in range(a.rounds + 1):
        for name, side in running.items():
            taken = side.ask("run")[0]
            if turn:
                seconds[name].append(taken)
    for side in running.values():
        side.close()
    return {name: statistics.median(values) for name, values in seconds.items()}


def measure_memory(a, term, rows):
    extra = {}
    for name, side in sides(a, term, rows).items():
        side.ask("run")
        peak, before = side.ask("memory")
        extra[name] = (peak - before) * 1024
        side.close()
    return extra


def main():
    a = arguments()
    if a.eager:
        return serve_eager(a)
    report = {}
    print(f"{a.rows} rows x {a.vocab}, student {a.student}, teacher {a.teacher}, float32, {a.threads} threads, {a.rounds} rounds")
    print(f"{'':14}{'':24}{'seconds':>9}{'ratio':>8}{'extra MB':>11}{'at 4x rows':>12}")
    for term in a.terms:
        time, memory, more = measure_time(a, term), measure_memory(a, term, a.rows), measure_memory(a, term, 4 * a.rows)
        report[term] = {"seconds": time, "extra_bytes": memory, "extra_bytes_at_4x_rows": more}
        for name in time:
            print(f"{term:14}{name:24}{time[name]:9.3f}{time[name] / time['distill']:8.2f}{memory[name] / 1e6:11.0f}"
                  f"{more[name] / 1e6:12.0f}", flush=True)
    if a.json:
        a.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
