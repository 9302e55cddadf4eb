"""Does transformers load what `distill export` and `distill shrink` save? A cross-check, no part of the tests.

    python scripts/goldens/check_saved.py build/distill tests/data/model

For every golden folder: the exported model must load without missing or unexpected weights and give the golden's logits within 2e-4
of the largest; the model cut down in depth and in every width must load so too and give finite logits, equal to those of
`distill forward` on the same folder.
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import safetensors.torch
import torch
import transformers

TOLERANCE = 2e-4


def load(folder):
    config = json.loads((folder / "config.json").read_text())
    model_class = getattr(transformers, config["architectures"][0])
    model, info = model_class.from_pretrained(folder, output_loading_info=True, attn_implementation="eager", dtype=torch.float32)
    problems = {key: list(value) for key, value in info.items() if key != "error_msgs" and value}
    # Nothing reads the pooler of an embedding model, nor the second bias of a BERT head that is not tied.
    unread = ("pooler", "cls.predictions.bias")
    problems["missing_keys"] = [name for name in problems.get("missing_keys", []) if not any(part in name for part in unread)]
    problems = {key: names for key, names in problems.items() if names}
    assert not problems, (folder, problems)
    return model.eval()


def answer(model, ids):
    with torch.no_grad():
        output = model(input_ids=ids.view(1, -1))
    return output.logits[0] if hasattr(output, "logits") else output.last_hidden_state[0].mean(0)


def difference(found, expected):
    return ((found - expected).abs().max() / expected.abs().max()).item()


def smaller_sizes(program, folder):
    facts = json.loads(subprocess.run([program, "inspect", folder, "--json"], check=True, capture_output=True).stdout)["config"]
    heads, kv_heads, size = facts["num_heads"], facts["num_kv_heads"], facts["head_size"]
    kept = kv_heads if heads > kv_heads else heads - 1
    hidden = kept * size if kept * size < facts["hidden_size"] else facts["hidden_size"] - 2
    return ["--layers", "0", "--heads", str(kept), "--hidden-size", str(hidden), "--intermediate-size", "9"]


def forward(program, folder, ids, scratch):
    rows, output = scratch / "rows.jsonl", scratch / "out.safetensors"
    rows.write_text(json.dumps({"input_ids": ids.tolist()}) + "\n")
    subprocess.run([program, "forward", "--model", folder, "--input", rows, "--output", output, "--device", "cpu"], check=True,
                   capture_output=True)
    tensors = safetensors.torch.load_file(output)
    return tensors.get("row0.logits", tensors.get("row0.embedding"))


def check(program, folder, scratch):
    golden = safetensors.torch.load_file(folder / "golden.safetensors")
    exported, cut = scratch / "exported", scratch / "cut"
    subprocess.run([program, "export", folder, "--out", exported], check=True, capture_output=True)
    expected = golden.get("logits.0", golden.get("embedding.0"))
    export_error = difference(answer(load(exported), golden["ids.0"]), expected)
    assert export_error < TOLERANCE, (folder, export_error)
    subprocess.run([program, "shrink", "--model", folder, "--out", cut] + smaller_sizes(program, folder), check=True,
                   capture_output=True)
    found = answer(load(cut), golden["ids.0"])
    cut_error = difference(forward(program, cut, golden["ids.0"], scratch), found)
    assert torch.isfinite(found).all() and cut_error < TOLERANCE, (folder, cut_error)
    return export_error, cut_error


def main():
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    program, models = str(Path(sys.argv[1]).resolve()), Path(sys.argv[2]).resolve()
    folders = sorted(path for path in models.iterdir() if (path / "golden.safetensors").exists())
    worst = [0.0, 0.0]
    for folder in folders:
        with tempfile.TemporaryDirectory() as scratch:
            errors = check(program, folder, Path(scratch))
        worst = [max(pair) for pair in zip(worst, errors)]
        print(f"{folder.name:24} export {errors[0]:.1e}  cut {errors[1]:.1e}", flush=True)
    print(f"{len(folders)} models load; largest difference: export {worst[0]:.1e}, cut {worst[1]:.1e}")


if __name__ == "__main__":
    main()
