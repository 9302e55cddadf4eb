"""Goldens of merged adapters: tiny LoRA adapters on checkpoints of make_models.py, and what peft makes of both.

    python scripts/goldens/make_adapter.py tests/data/model tests/data/adapter

Each case is a PEFT folder (adapter_config.json, adapter_model.safetensors or adapter_model.bin) with merged.safetensors beside it:
every weight of the merged model under its name, and `logits` [T, V] of it for `ids`. base.txt names the base model's folder.
Needs peft (0.21.2 made the committed ones).
"""
import json
import shutil
import sys
from pathlib import Path

import peft
import safetensors.torch
import torch
import transformers
from peft import LoraConfig, get_peft_model

CASES = {
    "llama": ("llama_grouped", dict(r=3, lora_alpha=5, target_modules=["q_proj", "v_proj", "o_proj", "down_proj"]), True),
    "llama_rslora": ("llama_tied", dict(r=4, lora_alpha=6, use_rslora=True, target_modules="all-linear"), False),
    "gpt2": ("gpt2_plain", dict(r=2, lora_alpha=8, fan_in_fan_out=True, target_modules=["c_attn", "c_proj", "c_fc"]), True),
    "gpt_neox": ("gpt_neox_parallel", dict(r=2, lora_alpha=3, target_modules=["query_key_value", "lm_head"]), True),
}


def make(name, base, settings, safe, models, out):
    torch.manual_seed(11)
    model = transformers.AutoModelForCausalLM.from_pretrained(models / base, dtype=torch.float32)
    model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **settings))
    for parameter_name, parameter in model.named_parameters():
        if "lora_" in parameter_name:
            torch.nn.init.normal_(parameter, std=0.3)
    folder = out / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder, safe_serialization=safe)
    (folder / "README.md").unlink(missing_ok=True)
    config = json.loads((folder / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = base
    if isinstance(config["target_modules"], list):
        config["target_modules"].sort()
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "base.txt").write_text(base + "\n")
    merged = model.merge_and_unload().eval()
    ids = torch.randint(0, merged.config.vocab_size, (1, 9))
    with torch.no_grad():
        logits = merged(ids).logits[0]
    merged.save_pretrained(folder / "merged")
    tensors = safetensors.torch.load_file(folder / "merged" / "model.safetensors")
    shutil.rmtree(folder / "merged")
    tensors.update({"ids": ids[0].contiguous(), "logits": logits.contiguous()})
    safetensors.torch.save_file(tensors, folder / "merged.safetensors")


def main():
    models, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    for name, (base, settings, safe) in CASES.items():
        make(name, base, settings, safe, models, out)
    versions = {"peft": peft.__version__, "torch": torch.__version__.split("+")[0], "transformers": transformers.__version__}
    (out / "versions.json").write_text(json.dumps(versions, indent=2) + "\n")


if __name__ == "__main__":
    main()
