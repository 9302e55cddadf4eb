"""The plain distillation loop in eager PyTorch whose losses and weights `distill` must reproduce.

Forward KL at temperature 1, AdamW without decay, constant rate, rows in file order, one global clip: what the recipe that
side_by_side.py writes says. Saves the student as a Hugging Face folder and prints its losses as one JSON line.
"""
import argparse
import json

import torch
import torch.nn.functional as F
from transformers import AutoModelForCausalLM


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--teacher", "--student", "--data", "--out"):
        parser.add_argument(name, required=True)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--accum", type=int, default=4)
    parser.add_argument("--seq", type=int, default=512)
    parser.add_argument("--lr", type=float, default=1e-4)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def main():
    a = arguments()
    torch.set_num_threads(a.threads)
    load = lambda path: AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, attn_implementation="sdpa")
    teacher, student = load(a.teacher).eval(), load(a.student).train()
    optimizer = torch.optim.AdamW(student.parameters(), lr=a.lr, weight_decay=0.0)
    with open(a.data) as lines:
        rows = [json.loads(line)["input_ids"][: a.seq] for line in lines]
    losses, next_row = [], 0
    for _ in range(a.steps):
        total = 0.0
        for _ in range(a.accum):
            ids = torch.tensor([rows[(next_row + k) % len(rows)] for k in range(a.batch)])
            next_row += a.batch
            with torch.no_grad():
                wanted = F.log_softmax(teacher(input_ids=ids, use_cache=False).logits[:, :-1], -1)
            given = F.log_softmax(student(input_ids=ids, use_cache=False).logits[:, :-1], -1)
            loss = F.kl_div(given, wanted, log_target=True, reduction="none").sum(-1).mean() / a.accum
            loss.backward()
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(total)
    student.save_pretrained(a.out)
    print(json.dumps({"losses": losses}))


if __name__ == "__main__":
    main()
