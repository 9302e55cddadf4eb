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
        "cross_entropy": F.cross_entropy(student, targets),
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
