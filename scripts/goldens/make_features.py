"""Writes tests/data/objective/features.safetensors: values and gradients of the feature terms from PyTorch in float64.

Run with a Python that has torch and safetensors:  python scripts/goldens/make_features.py
Two rows of 11 tokens: documents of 5 and 4 tokens with padding behind them, and one document of 11. Everything is written out
document by document, with whole maps and plain autograd. Relations follow MiniLM (Wang et al., 2020) and MiniLMv2 (2021).
"""
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

FILE = pathlib.Path(__file__).resolve().parents[2] / "tests" / "data" / "objective" / "features.safetensors"
T = 11
DOCUMENTS = [(0, 0, 5), (0, 5, 4), (1, 0, 11)]  # row, begin, length
KEPT = [1, 3, 4, 6, 7, 11, 13, 14, 15, 20, 21]  # row * T + position
ALL = [row * T + begin + i for row, begin, length in DOCUMENTS for i in range(length)]
D_STUDENT, D_TEACHER = 5, 7
# Heads of the student and of three teachers: as many heads, grouped otherwise; other heads.
HEADS = {"student": (4, 2, 3), "twin": (4, 4, 5), "grouped": (4, 2, 2), "other": (6, 3, 2)}


def visible(length, causal, window):
    t = torch.arange(length)
    distance = t[:, None] - t[None, :]
    mask = distance >= 0 if causal else torch.ones(length, length, dtype=torch.bool)
    if window:
        mask &= distance < window if causal else distance.abs() <= window
    return mask


def scores(left, right, scale, cap):
    """[T, H, K] and [T, G, K] -> [H, T, T]"""
    right = right.repeat_interleave(left.shape[1] // right.shape[1], dim=1)
    x = torch.einsum("thk,shk->hts", left, right) * scale
    return torch.tanh(x / cap) * cap if cap else x


def side_by_side(x, num_heads, relation_heads):
    x = x.repeat_interleave(num_heads // x.shape[1], dim=1)
    return x.reshape(x.shape[0], relation_heads, -1)


def masked_log_softmax(x, mask):
    """What nobody sees has a log-probability of about -1e300: finite, so that its gradient is 0 and not NaN."""
    return torch.log_softmax(x.masked_fill(~mask, -1e300), -1)


def kl_rows(student, teacher, mask):
    """KL(teacher || student) of log-probabilities [H, T, T], mean over heads."""
    if student.shape[0] != teacher.shape[0]:
        student, teacher = (x.exp().mean(0, keepdim=True).clamp_min(1e-300).log() for x in (student, teacher))
    return (teacher.exp() * (teacher - student)).masked_fill(~mask, 0).sum(-1).mean(0)


def over_documents(cost, counted):
    """The sum of cost(row, slice) -> [length] over counted positions, divided by their number."""
    total = 0
    for row, begin, length in DOCUMENTS:
        keep = torch.tensor([float(row * T + begin + i in counted) for i in range(length)], dtype=torch.float64)
        total = total + (cost(row, slice(begin, begin + length)) * keep).sum()
    return total / len(counted)


class Attention:
    def __init__(self, tensors, who, scale=None, cap=0.0, causal=True, window=0):
        self.q, self.k, self.v = (tensors[f"{who}.{x}"] for x in "qkv")
        self.heads = HEADS[who][0]
        self.scale = scale or HEADS[who][2] ** -0.5
        self.cap, self.causal, self.window = cap, causal, window

    def mask(self, length):
        return visible(length, self.causal, self.window)

    def own(self, row, at):
        return scores(self.q[row, at], self.k[row, at], self.scale, self.cap)

    def relation(self, row, at, left, right, relation_heads):
        left, right = (side_by_side(getattr(self, x)[row, at], self.heads, relation_heads) for x in (left, right))
        return scores(left, right, left.shape[-1] ** -0.5, 0)


def attention_mse(s, t, counted):
    def cost(row, at):
        maps = [masked_log_softmax(x.own(row, at), x.mask(at.stop - at.start)).exp() for x in (s, t)]
        if s.heads != t.heads:
            maps = [x.mean(0, keepdim=True) for x in maps]
        return (maps[0] - maps[1]).square().sum(-1).mean(0)

    return over_documents(cost, counted)


def kl_of(s, t, counted, make):
    def cost(row, at):
        mask = s.mask(at.stop - at.start) & t.mask(at.stop - at.start)
        return kl_rows(*(masked_log_softmax(make(x, row, at), mask) for x in (s, t)), mask)

    return over_documents(cost, counted)


def gram(student, teacher, counted):
    total = 0
    for row, begin, length in DOCUMENTS:
        places = [i for i in range(begin, begin + length) if row * T + i in counted]
        if places:
            s, t = (F.normalize(x[row, places], dim=-1) for x in (student, teacher))
            total = total + (s @ s.T - t @ t.T).square().mean(1).sum()
    return total / len(counted)


def main():
    torch.manual_seed(33)
    f8 = dict(dtype=torch.float64)
    tensors = {"student.hidden": torch.randn(2, T, D_STUDENT, **f8), "teacher.hidden": torch.randn(2, T, D_TEACHER, **f8),
               "teacher.hidden2": torch.randn(2, T, D_TEACHER, **f8), "teacher.hidden3": torch.randn(2, T, D_TEACHER, **f8),
               "projector": torch.randn(D_TEACHER, D_STUDENT, **f8) / D_STUDENT**0.5, "mix": torch.randn(3, **f8)}
    for who, (h, g, k) in HEADS.items():
        for name, heads in zip("qkv", (h, g, g)):
            tensors[f"{who}.{name}"] = torch.randn(2, T, heads, k, **f8)
    leaves = [name for name in tensors if name.startswith("student") or name in ("projector", "mix")]
    for name in leaves:
        tensors[name].requires_grad_()
    x = tensors

    rows = lambda name, counted: x[name].reshape(2 * T, -1)[counted]
    projected = lambda counted: rows("student.hidden", counted) @ x["projector"].T
    unit = lambda v: F.normalize(v, dim=-1)
    mixed = sum(w * rows(n, KEPT) for w, n in zip(torch.softmax(x["mix"], 0), ("teacher.hidden", "teacher.hidden2", "teacher.hidden3")))
    student = lambda **facts: Attention(x, "student", **facts)
    own = lambda side, row, at: side.own(row, at)
    relation = lambda pair, heads: lambda side, row, at: side.relation(row, at, pair[0], pair[1], heads)
    both = dict(causal=False)
    wide, narrow = Attention(x, "twin", scale=0.3, cap=2.0), Attention(x, "twin", window=3)
    twin, grouped, other = (Attention(x, who) for who in ("twin", "grouped", "other"))
    terms = {
        "hidden_l1": (projected(KEPT) - rows("teacher.hidden", KEPT)).abs().mean(1).mean(),
        "pkd": (unit(projected(KEPT)) - unit(rows("teacher.hidden", KEPT))).square().sum(1).mean(),
        "mixed_mse": F.mse_loss(projected(KEPT), mixed),
        "mixed_pkd": (unit(projected(KEPT)) - unit(mixed)).square().sum(1).mean(),
        "gram": gram(x["student.hidden"], x["teacher.hidden"], KEPT),
        "gram_all": gram(x["student.hidden"], x["teacher.hidden"], ALL),
        "attention_mse": attention_mse(student(), twin, KEPT),
        "attention_mse_capped": attention_mse(student(scale=0.7, cap=1.5), wide, ALL),
        "attention_mse_window": attention_mse(student(), narrow, KEPT),
        "attention_mse_other": attention_mse(student(), other, KEPT),
        "attention_mse_encoder": attention_mse(student(**both), Attention(x, "twin", **both), ALL),
        "attention_kl": kl_of(student(), twin, KEPT, own),
        "attention_kl_window": kl_of(student(window=4), narrow, KEPT, own),
        "attention_kl_other": kl_of(student(), other, ALL, own),
        "attention_kl_encoder": kl_of(student(window=2, **both), Attention(x, "twin", **both), ALL, own),
        "minilm_attention": kl_of(student(), twin, KEPT, own),
        "minilm_attention_2": kl_of(student(), other, KEPT, relation("qk", 2)),
        "minilm_attention_3": kl_of(student(), other, KEPT, relation("qk", 3)),
        "minilm_value": kl_of(student(), twin, KEPT, relation("vv", 4)),
        "minilm_value_grouped": kl_of(student(), grouped, ALL, relation("vv", 4)),
        "minilm_value_6": kl_of(student(**both), Attention(x, "other", **both), ALL, relation("vv", 6)),
        "minilm_qkv": sum(kl_of(student(), other, KEPT, relation(2 * r, 3)) for r in "qkv"),
    }
    out = {name: tensor.detach().clone() for name, tensor in tensors.items()}
    out["kept"] = torch.tensor(KEPT)
    for name, value in terms.items():
        out["value." + name] = value.detach().reshape(1)
        gradients = torch.autograd.grad(value, [x[leaf] for leaf in leaves], retain_graph=True, allow_unused=True)
        for leaf, gradient in zip(leaves, gradients):
            if gradient is not None:
                assert gradient.isfinite().all(), (name, leaf)
                out[f"gradient.{name}.{leaf}"] = gradient.contiguous()
    FILE.parent.mkdir(parents=True, exist_ok=True)
    save_file(out, FILE, metadata={"torch": torch.__version__, "script": "scripts/goldens/make_features.py"})
    print(*(f"{name:24} {value.item():.6f}" for name, value in terms.items()), sep="\n")


if __name__ == "__main__":
    main()
