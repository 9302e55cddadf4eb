"""Writes tests/data/torchscript/*: small TorchScript models, what they answer with, and the gradients of one kl step.

Run with a Python that has torch and safetensors:  python scripts/goldens/make_torchscript.py
The model is a causal transformer written by hand, so that one set of weights is saved in many forms: scripted and traced, with
logits alone, with hidden states and attention maps as Hugging Face returns them, as a dictionary, with tied weights, frozen, and
with tensors that name a GPU.
"""
import io
import json
import pathlib
import zipfile
from typing import Dict, List, NamedTuple, Tuple

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "tests" / "data" / "torchscript"
V, D, H, L = 48, 12, 3, 2


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.heads = H
        self.norm = nn.LayerNorm(D)
        self.qkv = nn.Linear(D, 3 * D)
        self.out = nn.Linear(D, D)
        self.mlp_norm = nn.LayerNorm(D)
        self.up = nn.Linear(D, 2 * D)
        self.down = nn.Linear(2 * D, D)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor, unseen: Tensor) -> Tuple[Tensor, Tensor]:
        b, t = x.size(0), x.size(1)
        q, k, v = self.qkv(self.norm(x)).view(b, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        scores = q @ k.transpose(-1, -2) / q.size(-1) ** 0.5
        attention = torch.softmax(scores.masked_fill(unseen, -1e4), -1)
        mixed = (attention @ v).transpose(1, 2).flatten(2)
        x = x + self.dropout(self.out(mixed))
        return x + self.dropout(self.down(F.gelu(self.up(self.mlp_norm(x))))), attention


class Body(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(V, D)
        self.blocks = nn.ModuleList([Block() for _ in range(L)])
        self.norm = nn.LayerNorm(D)
        self.register_buffer("scale", torch.ones(1))

    def forward(self, ids: Tensor, mask: Tensor) -> Tuple[List[Tensor], List[Tensor]]:
        t = ids.size(1)
        past = torch.ones(t, t, dtype=torch.bool, device=ids.device).tril()
        unseen = ~(past[None, None] & mask[:, None, None, :].ne(0))
        x = self.embed(ids) * self.scale
        hidden: List[Tensor] = []
        attentions: List[Tensor] = []
        for block in self.blocks:
            hidden.append(x)
            x, attention = block(x, unseen)
            attentions.append(attention)
        hidden.append(self.norm(x))
        return hidden, attentions


class Base(nn.Module):
    def __init__(self, tied: bool = False):
        super().__init__()
        self.body = Body()
        self.head = nn.Linear(D, V, bias=False)
        if tied:
            self.head.weight = self.body.embed.weight


class LogitsOnly(Base):
    def forward(self, input_ids: Tensor) -> Tensor:
        hidden, _ = self.body(input_ids, torch.ones_like(input_ids))
        return self.head(hidden[-1])


class Everything(Base):
    """(logits, hidden states, attentions), as transformers' models with torchscript=True."""

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tuple[Tensor, List[Tensor], List[Tensor]]:
        hidden, attentions = self.body(input_ids, attention_mask)
        return self.head(hidden[-1]), hidden, attentions


class Dictionary(Base):
    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Dict[str, Tensor]:
        hidden, attentions = self.body(input_ids, attention_mask)
        return {"hidden_states": torch.stack(hidden), "logits": self.head(hidden[-1]), "attentions": torch.stack(attentions)}


class Answer(NamedTuple):
    attentions: List[Tensor]
    logits: Tensor


class Named(Base):
    def forward(self, tokens: Tensor, position_ids: Tensor, scale: float = 1.0) -> Answer:
        hidden, attentions = self.body(tokens, torch.ones_like(position_ids))
        return Answer(attentions, self.head(hidden[-1]) * scale)


class Traced(Base):
    """Flat: (logits, layer 0, layer 1, layer 2); tracing keeps it for every length."""

    def forward(self, input_ids, attention_mask):
        hidden, _ = self.body(input_ids, attention_mask)
        return (self.head(hidden[-1]), *hidden)


class Nonsense(nn.Module):
    def forward(self, input_ids: Tensor) -> int:
        return int(input_ids.size(0))


class LastPosition(Base):
    """Logits of the last position alone."""

    def forward(self, input_ids: Tensor) -> Tensor:
        hidden, _ = self.body(input_ids, torch.ones_like(input_ids))
        return self.head(hidden[-1][:, -1])


class OneLength(Base):
    def forward(self, input_ids: Tensor) -> Tensor:
        hidden, _ = self.body(input_ids.view(2, 5), torch.ones(2, 5, dtype=torch.long))
        return self.head(hidden[-1])


class WantsMore(Base):
    def forward(self, input_ids: Tensor, images: Tensor) -> Tensor:
        hidden, _ = self.body(input_ids, torch.ones_like(input_ids))
        return self.head(hidden[-1]) + images.sum()


def with_weights(kind, state, **options):
    model = kind(**options)
    if state:
        missing = model.load_state_dict(state, strict=False)
        assert not missing.missing_keys, missing
    return model.eval()


CPU, CUDA = b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0"  # in a pickle a place is a short string


def rewritten(data: bytes, on_cuda: bool) -> bytes:
    """The same file without the debug entries, which hold the paths of this machine; on demand with every tensor on cuda:0."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as target:
        for info in source.infolist():
            content = source.read(info)
            if info.filename.endswith(".debug_pkl"):
                continue
            if on_cuda and info.filename.endswith("/data.pkl"):
                assert CPU in content
                content = content.replace(CPU, CUDA)
            target.writestr(zipfile.ZipInfo(info.filename), content)
    return out.getvalue()


def save(name, module, on_cuda=False):
    buffer = io.BytesIO()
    torch.jit.save(module, buffer)
    (FOLDER / f"{name}.pt").write_bytes(rewritten(buffer.getvalue(), on_cuda))


def main():
    torch.manual_seed(5)
    FOLDER.mkdir(parents=True, exist_ok=True)
    base = Base()
    for parameter in base.parameters():
        nn.init.normal_(parameter, std=0.4)
    state = base.state_dict()
    ids = torch.randint(3, V, (2, 7))
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0

    everything = with_weights(Everything, state)
    save("everything", torch.jit.script(everything))
    save("logits", torch.jit.script(with_weights(LogitsOnly, state)))
    save("dictionary", torch.jit.script(with_weights(Dictionary, state)))
    save("named", torch.jit.script(with_weights(Named, state)))
    traced = with_weights(Traced, state)
    save("traced", torch.jit.trace(traced, (ids, mask), check_trace=False))
    tied = with_weights(LogitsOnly, {k: v for k, v in state.items() if k != "head.weight"} | {"head.weight": state["body.embed.weight"]}, tied=True)
    save("tied", torch.jit.script(tied))
    save("half", torch.jit.script(with_weights(LogitsOnly, state).half()))
    save("frozen", torch.jit.freeze(torch.jit.script(with_weights(LogitsOnly, state))))
    save("nonsense", torch.jit.script(Nonsense()))
    save("last_position", torch.jit.script(with_weights(LastPosition, state)))
    save("one_length", torch.jit.script(with_weights(OneLength, state)))
    save("wants_more", torch.jit.script(with_weights(WantsMore, state)))
    save("cuda", torch.jit.script(with_weights(LogitsOnly, state)), on_cuda=True)
    torch.save({"weight": torch.zeros(2)}, FOLDER / "no_script.pt")

    # Expected answers, and the gradients of one step: kl at temperature 2 from `everything` into `tied` on the kept positions.
    logits, hidden, attentions = everything(ids, mask)
    golden = {"ids": ids, "mask": mask, "logits": logits.detach()}
    for layer, tensor in enumerate(hidden):
        golden[f"hidden.{layer}"] = tensor.detach().clone()
    for layer, tensor in enumerate(attentions):
        golden[f"attention.{layer + 1}"] = tensor.detach().clone()
    kept = torch.tensor([0, 1, 4, 7, 9, 10])
    tied.double()
    teacher = with_weights(Everything, state).double()
    student_rows = tied(ids).reshape(-1, V)[kept]
    teacher_rows = teacher(ids, mask)[0].detach().reshape(-1, V)[kept]
    loss = 4 * F.kl_div(F.log_softmax(student_rows / 2, -1), F.log_softmax(teacher_rows / 2, -1), reduction="sum", log_target=True)
    loss = loss / len(kept)
    loss.backward()
    golden["kept"] = kept
    golden["kl"] = loss.detach().reshape(1)
    for name, parameter in tied.named_parameters():
        golden["gradient." + name] = parameter.grad
    save_file(golden, FOLDER / "golden.safetensors")
    (FOLDER / "versions.json").write_text(json.dumps({"torch": torch.__version__}, indent=2) + "\n")


if __name__ == "__main__":
    main()
