"""Writes tests/data/objective/*.safetensors: values and gradients of every term from PyTorch in float64.

Run with a Python that has torch and safetensors:  python scripts/goldens/make_objective.py
The formulas are written out with plain torch operations. The mixture of `jsd` follows the generalised Jensen-Shannon loss of GKD
(Agarwal et al., 2024) in the orientation of TRL's GKDTrainer: beta weighs the teacher.
"""
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "tests" / "data" / "objective"
B, T, V, D_STUDENT, D_TEACHER, HEADS_STUDENT, HEADS_TEACHER = 2, 6, 43, 8, 12, 2, 3
KEPT = [0, 1, 4, 7, 11]


def kl(log_p, log_q):
    """KL(P || Q) summed over rows."""
    return F.kl_div(log_q, log_p, reduction="sum", log_target=True)


def generalized_jsd(student, teacher, beta):
    log_student, log_teacher = F.log_softmax(student, -1), F.log_softmax(teacher, -1)
    if beta == 0:
        return kl(log_teacher, log_student)
    if beta == 1:
        return kl(log_student, log_teacher)
    b = torch.tensor(beta, dtype=student.dtype)
    log_mixture = torch.logsumexp(torch.stack([log_student + torch.log1p(-b), log_teacher + torch.log(b)]), dim=0)
    return b * kl(log_teacher, log_mixture) + (1 - b) * kl(log_student, log_mixture)


def skewed(log_p, log_q, alpha):
    """KL(P || alpha P + (1 - alpha) Q), as DistiLLM (Ko et al., 2024) skews."""
    return kl(log_p, torch.log(alpha * log_p.exp() + (1 - alpha) * log_q.exp()))


def adaptive(log_student, log_teacher, mass=0.5):
    """Adaptive KL (Wu et al., 2024): the head is the teacher's most probable entries up to half of its mass."""
    teacher, order = log_teacher.exp().sort(-1, descending=True)
    student = log_student.exp().gather(-1, order)
    head = teacher.cumsum(-1) <= mass
    head[:, 0] = True
    gap = (teacher - student).abs().detach()
    share = (gap * head).sum(-1) / gap.sum(-1)
    rows = lambda log_p, log_q: (log_p.exp() * (log_p - log_q)).sum(-1)
    return (share * rows(log_teacher, log_student) + (1 - share) * rows(log_student, log_teacher)).sum()


def bucketed(log_student, log_teacher, k, reverse):
    """KL over the teacher's k most probable entries and one more that holds the others."""
    chosen = log_teacher.topk(k, -1).indices
    rest = torch.ones_like(log_teacher, dtype=torch.bool).scatter(-1, chosen, False)
    bucket = lambda log_p: torch.cat([log_p.gather(-1, chosen), log_p.masked_fill(~rest, -torch.inf).logsumexp(-1, True)], -1)
    student, teacher = bucket(log_student), bucket(log_teacher)
    return kl(student, teacher) if reverse else kl(teacher, student)


def sorted_distance(student, teacher):
    """Universal logit distillation (Boizard et al., 2024)."""
    return (student.sort(-1, descending=True).values - teacher.sort(-1, descending=True).values).abs().sum()


def main():
    torch.manual_seed(20)
    f8 = dict(dtype=torch.float64)
    leaves = {
        "student.hidden": torch.randn(B, T, D_STUDENT, **f8),
        "student.head": torch.randn(V, D_STUDENT, **f8),
        "student.layer": torch.randn(B, T, D_STUDENT, **f8),
        "student.scores": torch.randn(B, HEADS_STUDENT, T, T, **f8),
        "projector": torch.randn(D_TEACHER, D_STUDENT, **f8) / D_STUDENT**0.5,
    }
    for leaf in leaves.values():
        leaf.requires_grad_()
    fixed = {
        "teacher.hidden": torch.randn(B, T, D_TEACHER, **f8),
        "teacher.head": torch.randn(V, D_TEACHER, **f8) / 2,
        "teacher.layer": torch.randn(B, T, D_TEACHER, **f8),
        "teacher.attention": torch.softmax(torch.randn(B, HEADS_TEACHER, T, T, **f8), -1),
        "kept": torch.tensor(KEPT),
        "targets": torch.randint(V, (len(KEPT),)),
    }
    kept, targets, n = fixed["kept"], fixed["targets"], len(KEPT)
    rows = lambda x: x.reshape(B * T, -1)[kept]
    student = rows(leaves["student.hidden"]) @ leaves["student.head"].T
    teacher = rows(fixed["teacher.hidden"]) @ fixed["teacher.head"].T
    log = lambda x, t: F.log_softmax(x / t, -1)
    projected = rows(leaves["student.layer"]) @ leaves["projector"].T
    attention = torch.softmax(leaves["student.scores"], -1).mean(1)
    distance = (attention - fixed["teacher.attention"].mean(1)).square().sum(-1).reshape(-1)[kept]
    terms = {
        "kl": kl(log(teacher, 1), log(student, 1)) / n,
        "kl_t2": 4 * kl(log(teacher, 2), log(student, 2)) / n,
        "kl_t2_plain": kl(log(teacher, 2), log(student, 2)) / n,
        "reverse_kl": kl(log(student, 1), log(teacher, 1)) / n,
        "jsd_0": generalized_jsd(student, teacher, 0) / n,
        "jsd_0.1": generalized_jsd(student, teacher, 0.1) / n,
        "jsd_0.5": generalized_jsd(student, teacher, 0.5) / n,
        "jsd_1": generalized_jsd(student, teacher, 1) / n,
        "jsd_0.7_t3": 9 * generalized_jsd(student / 3, teacher / 3, 0.7) / n,
        "symmetric_kl": (0.3 * kl(log(teacher, 1), log(student, 1)) + 0.7 * kl(log(student, 1), log(teacher, 1))) / n,
        "skew_kl": skewed(log(teacher, 1), log(student, 1), 0.1) / n,
        "skew_reverse_kl_t2": 4 * skewed(log(student, 2), log(teacher, 2), 0.25) / n,
        "adaptive_kl": adaptive(log(student, 1), log(teacher, 1)) / n,
        "adaptive_kl_t3": 9 * adaptive(log(student, 3), log(teacher, 3)) / n,
        "tvd_t2": 0.5 * F.l1_loss(log(student, 2).exp(), log(teacher, 2).exp(), reduction="sum") / n,
        "logit_mse": F.mse_loss(student, teacher),
        "top_k_kl": bucketed(log(student, 1), log(teacher, 1), 7, False) / n,
        "top_k_reverse_kl_t2": 4 * bucketed(log(student, 2), log(teacher, 2), 3, True) / n,
        "uld": sorted_distance(log(student, 1).exp(), log(teacher, 1).exp()) / n,
        "cross_entropy": F.cross_entropy(student, targets),
        "cross_entropy_smooth": F.cross_entropy(student, targets, label_smoothing=0.1),
        "cross_entropy_z": F.cross_entropy(student, targets) + 1e-2 * student.logsumexp(-1).square().mean(),
        "hidden_mse": F.mse_loss(projected, rows(fixed["teacher.layer"])),
        "hidden_cosine": (1 - F.cosine_similarity(projected, rows(fixed["teacher.layer"]), dim=-1)).mean(),
        "attention_mse": distance.mean(),
    }
    out = {name: tensor.detach().clone() for name, tensor in {**leaves, **fixed}.items()}
    out["student.attention"] = torch.softmax(out["student.scores"], -1)
    for name, value in terms.items():
        out["value." + name] = value.detach().reshape(1)
        for leaf_name, gradient in zip(leaves, torch.autograd.grad(value, list(leaves.values()), retain_graph=True, allow_unused=True)):
            if gradient is not None:
                out[f"gradient.{name}.{leaf_name}"] = gradient.contiguous()
    FOLDER.mkdir(parents=True, exist_ok=True)
    save_file(out, FOLDER / "terms.safetensors", metadata={"torch": torch.__version__, "script": "scripts/goldens/make_objective.py"})


if __name__ == "__main__":
    main()
