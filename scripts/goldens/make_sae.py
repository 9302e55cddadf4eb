"""Writes tests/data/objective/sae: folders as SAELens saves them, and what its encoders answer.

Run with a Python that has torch and sae-lens:  python scripts/goldens/make_sae.py
Every case is a folder with cfg.json, sae_weights.safetensors (both written by SAELens, or by hand where an older version is meant)
and golden.safetensors: rows [n, D], their features [n, F] in float64, and the gradient of (features * probe).sum() by the rows.
"""
import importlib.metadata
import json
import pathlib
import shutil

import torch
from safetensors.torch import save_file
from sae_lens.registry import get_sae_class
from sae_lens.saes.sae import SAE, SAEMetadata
from sae_lens.training.activation_scaler import ActivationScaler

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "tests" / "data" / "objective" / "sae"
WIDTH, FEATURES, ROWS = 7, 13, 9
SCALE = 0.37
CASES = {
    "standard": ("standard", {}),
    "standard_uncentered": ("standard", {"apply_b_dec_to_input": False}),
    "topk": ("topk", {"k": 3}),
    "topk_by_decoder_norm": ("topk", {"k": 4, "rescale_acts_by_decoder_norm": True}),
    "jumprelu": ("jumprelu", {"apply_b_dec_to_input": False}),
    "jumprelu_centered": ("jumprelu", {}),
    "gated": ("gated", {}),
    "gated_uncentered": ("gated", {"apply_b_dec_to_input": False}),
    "constant_norm_rescale": ("standard", {"normalize_activations": "constant_norm_rescale"}),
    "layer_norm": ("jumprelu", {"normalize_activations": "layer_norm"}),
    "expected_average": ("standard", {"normalize_activations": "expected_average_only_in"}),
    "expected_average_gated": ("gated", {"normalize_activations": "expected_average_only_in"}),
}
# What version 3 wrote: flat, an activation instead of an architecture, the hook under its old name.
OLD = {"architecture": "standard", "d_in": WIDTH, "d_sae": FEATURES, "dtype": "torch.float32", "device": "cpu", "hook_point": "blocks.1.hook_resid_pre",
       "hook_layer": 1, "hook_head_index": None, "activation_fn_str": "topk", "activation_fn_kwargs": {"k": 5}, "normalize_activations": False,
       "apply_b_dec_to_input": True, "finetuning_scaling_factor": False, "sae_lens_training_version": None, "prepend_bos": True}


def draw(sae):
    with torch.no_grad():
        for name, parameter in sae.named_parameters():
            parameter.copy_(torch.rand_like(parameter) if name == "threshold" else torch.randn_like(parameter) * 0.7)


def save_golden(folder, scale):
    sae = SAE.load_from_disk(folder, dtype="float64")
    if scale != 1:
        sae.fold_activation_norm_scaling_factor(scale)
    rows = (torch.randn(ROWS, WIDTH, dtype=torch.float64) * 2 + 0.3).requires_grad_()
    features = sae.encode(rows)
    probe = torch.randn_like(features)
    (gradient,) = torch.autograd.grad((features * probe).sum(), rows)
    active = (features > 0).double().mean().item()
    assert 0.05 < active < 0.95, (folder, active)
    save_file({"rows": rows.detach(), "features": features.detach().contiguous(), "probe": probe, "gradient": gradient.contiguous()},
              folder / "golden.safetensors", metadata={name: importlib.metadata.version(name) for name in ("sae-lens", "torch")})
    print(f"{folder.name:24} {active:.2f} of the features active")


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    torch.manual_seed(12)
    for name, (architecture, settings) in CASES.items():
        kind, config = get_sae_class(architecture)
        made = config(d_in=WIDTH, d_sae=FEATURES, metadata=SAEMetadata(hook_name="blocks.1.hook_resid_post", model_name="test"), **settings)
        sae = kind(made)
        draw(sae)
        sae.save_model(FOLDER / name)
        scale = SCALE if settings.get("normalize_activations") == "expected_average_only_in" else 1
        if scale != 1:
            ActivationScaler(scaling_factor=scale).save(str(FOLDER / name / "activation_scaler.json"))
        save_golden(FOLDER / name, scale)
    shutil.copytree(FOLDER / "topk", FOLDER / "old_topk")
    (FOLDER / "old_topk" / "cfg.json").write_text(json.dumps(OLD, indent=1) + "\n")
    save_golden(FOLDER / "old_topk", 1)


if __name__ == "__main__":
    main()
