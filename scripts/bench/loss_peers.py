"""The losses of others over rows of hidden states and two heads; a process that answers as loss.cpp does, and a module of peer.py.

  eager         plain PyTorch over full logits
  trl           TRL's GKDTrainer.generalized_jsd_loss over full logits
  trl_chunked   the loss of TRL's DistillationTrainer: own kernels over tiles of the vocabulary (on a CPU their twin in PyTorch)
  liger         Liger's LigerFusedLinearJSDLoss: chunks of rows; compiled on a GPU, not on a CPU
  liger_triton  Liger's LigerFusedLinearJSD, in Triton (on a CPU only with TRITON_INTERPRET=1, and then for small sizes)

All of them divide by the labels that are not -100, take labels that are shifted already, and leave temperature squared out. A beta
of 0 is kl and of 1 reverse_kl. On a GPU they run as training in float16 does: under autocast, the loss times 65536.
"""
import argparse
import json
import math
import os
import sys
import time

SIDES = ["eager", "trl", "trl_chunked", "liger", "liger_triton"]
BETAS = {"kl": lambda beta: 0.0, "reverse_kl": lambda beta: 1.0, "jsd": lambda beta: beta}


def eager_rows(term, student, teacher, beta):
    """The sum over rows."""
    import torch
    import torch.nn.functional as F

    p, q = F.log_softmax(teacher, -1), F.log_softmax(student, -1)
    kl = lambda a, b: F.kl_div(b, a, reduction="sum", log_target=True)
    if term == "kl":
        return kl(p, q)
    if term == "reverse_kl":
        return kl(q, p)
    if term == "jsd":
        m = torch.logsumexp(torch.stack([p + math.log(beta), q + math.log(1 - beta)]), 0)
        return beta * kl(p, m) + (1 - beta) * kl(q, m)
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


def eager(rows, head, teacher_rows, teacher_head, labels, term, beta, temperature):
    import torch
    import torch.nn.functional as F

    with torch.no_grad():
        wanted = F.linear(teacher_rows, teacher_head) / temperature
    return eager_rows(term, F.linear(rows, head) / temperature, wanted, beta) / rows.shape[0]


def gkd_trainer():
    os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"   # it warns of its place among the experiments
    try:
        from trl.experimental.gkd import GKDTrainer
    except ImportError:
        from trl import GKDTrainer   # older versions
    return GKDTrainer


def trl(rows, head, teacher_rows, teacher_head, labels, term, beta, temperature):
    import torch
    import torch.nn.functional as F

    with torch.no_grad():
        wanted = F.linear(teacher_rows, teacher_head)
    return gkd_trainer().generalized_jsd_loss(F.linear(rows, head)[None], wanted[None], labels=labels[None], beta=BETAS[term](beta),
                                           temperature=temperature)


def trl_chunked(rows, head, teacher_rows, teacher_head, labels, term, beta, temperature):
    from trl.trainer.distillation_trainer import _chunked_divergence_loss

    loss, _, _ = _chunked_divergence_loss(rows[None], teacher_rows[None], head, teacher_head, (labels != -100)[None], BETAS[term](beta),
                                          temperature=temperature)
    return loss


def liger(rows, head, teacher_rows, teacher_head, labels, term, beta, temperature):
    from liger_kernel.chunked_loss import LigerFusedLinearJSDLoss

    loss = LigerFusedLinearJSDLoss(weight_hard_loss=0.0, weight_soft_loss=1.0, beta=BETAS[term](beta), temperature=temperature,
                                   compiled=rows.is_cuda)
    return loss(rows, head.to(rows.dtype), teacher_rows, teacher_head, labels)


def liger_triton(rows, head, teacher_rows, teacher_head, labels, term, beta, temperature):
    from liger_kernel.transformers.fused_linear_jsd import LigerFusedLinearJSD

    return LigerFusedLinearJSD(jsd_beta=BETAS[term](beta), temperature=temperature)(rows, head.to(rows.dtype), teacher_rows, teacher_head, labels)


def loss_of(side, *arguments):
    """The mean over rows [N,D], their head [V,D], the teacher's rows and head, labels [N] (shifted), term, beta, temperature."""
    return globals()[side](*arguments)


def facts(side, device):
    """What runs as `side` and for which terms (None: all), else the reason why it does not run here."""
    import importlib.metadata as metadata

    package = {"eager": "torch", "trl": "trl", "trl_chunked": "trl"}.get(side, "liger-kernel")
    try:
        name = f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return {"missing": f"not installed: {package}"}
    if side == "liger_triton" and device == "cpu" and os.environ.get("TRITON_INTERPRET") != "1":
        return {"missing": "needs a GPU, or TRITON_INTERPRET=1"}
    try:
        if side == "trl":
            gkd_trainer()
        if side == "trl_chunked":
            from trl.trainer.distillation_trainer import _chunked_divergence_loss  # noqa: F401
        if side == "liger":
            from liger_kernel.chunked_loss import LigerFusedLinearJSDLoss  # noqa: F401
        if side == "liger_triton":
            from liger_kernel.transformers.fused_linear_jsd import LigerFusedLinearJSD  # noqa: F401
    except Exception as error:   # the import of a package may fail in any way
        return {"missing": f"{name} cannot be loaded: {error}"}
    return {"is": name, "terms": None if side == "eager" else list(BETAS)}


class Work:
    """The inputs of loss.cpp, drawn from the same seed in the same order."""

    def __init__(self, options):
        import torch

        self.torch, self.options = torch, options
        self.on_gpu = options.device == "cuda"
        dtype = torch.float16 if self.on_gpu else torch.float32
        self.scale = 65536.0 if self.on_gpu else 1.0
        draw = lambda count, width: torch.randn(count, width, device=options.device)
        torch.manual_seed(1)
        rows = draw(options.rows, options.student_hidden).to(dtype)
        head = draw(options.vocabulary, options.student_hidden).div_(math.sqrt(options.student_hidden)).to(dtype).to(torch.float32)
        teacher_rows = draw(options.rows, options.teacher_hidden).to(dtype)
        teacher_head = draw(options.vocabulary, options.teacher_hidden).mul_(2).div_(math.sqrt(options.teacher_hidden)).to(dtype)
        self.labels = torch.randint(options.vocabulary, (options.rows,), device=options.device)
        if options.float64:
            rows, head, teacher_rows, teacher_head = (x.double() for x in (rows, head, teacher_rows, teacher_head))
        self.rows, self.head, self.teacher_rows, self.teacher_head = rows.requires_grad_(), head.requires_grad_(), teacher_rows, teacher_head
        self.wait()
        self.before = self.peak()

    def wait(self):
        if self.on_gpu:
            self.torch.cuda.synchronize()

    def peak(self):
        if self.on_gpu:
            return self.torch.cuda.max_memory_reserved()
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM:"))

    def run(self):
        options = self.options
        self.wait()
        start = time.perf_counter()
        self.rows.grad = self.head.grad = None
        with self.torch.autocast(options.device, dtype=self.torch.float16, enabled=self.on_gpu):
            self.loss = loss_of(options.side, self.rows, self.head, self.teacher_rows, self.teacher_head, self.labels, options.term,
                                options.beta, options.temperature)
        (self.loss * self.scale).backward()
        self.wait()
        return [time.perf_counter() - start]

    def figures(self):
        self.torch.manual_seed(2)
        answer = [self.loss.item()]
        for gradient in (self.rows.grad, self.head.grad):
            probe = self.torch.randn(gradient.shape, device=self.options.device)
            wide = gradient if self.options.float64 else gradient.float()
            answer += [wide.norm().item() / self.scale, (wide * probe).sum().item() / self.scale]
        return answer


def serve(options):
    work = Work(options)
    for line in sys.stdin:
        answer = {"run": work.run, "memory": lambda: [work.peak(), work.before], "figures": work.figures}[line.strip()]()
        print(*map(repr, answer), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="what of all this is here, as JSON")
    parser.add_argument("--side", choices=SIDES)
    parser.add_argument("--term", default="kl")
    parser.add_argument("--beta", type=float, default=0.5)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cpu")
    parser.add_argument("--float64", action="store_true", help="the reference of the others; eager alone can")
    for name in ("rows", "student-hidden", "teacher-hidden", "vocabulary"):
        parser.add_argument("--" + name, type=int)
    options = parser.parse_args()
    if options.list:
        print(json.dumps({side: facts(side, options.device) for side in SIDES}))
    else:
        serve(options)


if __name__ == "__main__":
    main()
