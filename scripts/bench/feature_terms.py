"""Feature terms of distill against eager PyTorch: the first losses, and time and peak memory, each side a fresh process in turn.

Needs a Python with torch and transformers. Rows of 1,024 tokens; llama models with random weights, 256 wide with 4 blocks from 384
wide with 6, 8 heads each. The peer is the plain loop: for attention terms transformers with eager attention and
output_attentions=True, for minilm_value hooks on the projections of the last block beside fused attention, then whole maps. The
same run without the term (cross_entropy alone) says what the term adds.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
TERMS = {
    "none": None,
    "attention_mse": "{function: attention_mse, layer_mapping: uniform}",
    "minilm_attention": "minilm_attention",
    "minilm_value": "{function: minilm_value, relations: [q, k, v]}",
}
HEADS, VOCABULARY = 8, 512
SIZES = {"student": (256, 4, 2), "teacher": (384, 6, 3)}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--distill", type=pathlib.Path, default=HERE.parent.parent / "build" / "distill")
    parser.add_argument("--terms", nargs="+", choices=list(TERMS), default=list(TERMS))
    parser.add_argument("--length", type=int, default=1024)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--steps", type=int, default=3, help="updates per process; the first is left out of the median")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--eager", help=argparse.SUPPRESS)  # the folder: this process is the peer
    return parser.parse_args()


def make_models(options, folder):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM
    for seed, (name, (hidden, layers, kv_scale)) in enumerate(SIZES.items()):
        torch.manual_seed(seed)
        config = LlamaConfig(hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=HEADS, num_key_value_heads=HEADS,
                             intermediate_size=2 * hidden, vocab_size=VOCABULARY, max_position_embeddings=options.length,
                             initializer_range=0.05 * kv_scale, tie_word_embeddings=True)
        LlamaForCausalLM(config).save_pretrained(folder / name)
    ids = torch.randint(3, VOCABULARY, (options.batch * 2, options.length))
    (folder / "rows.jsonl").write_text("".join(json.dumps({"input_ids": row.tolist()}) + "\n" for row in ids))


def write_recipe(options, folder, term):
    (folder / "recipe.yaml").write_text(f"""\
teacher: {{path: "{folder}/teacher"}}
student: {{path: "{folder}/student"}}
data: {{train: [{{path: "{folder}/rows.jsonl"}}], sequence_length: {options.length}, packing: false, shuffle: false}}
objective: [{{function: cross_entropy}}{", " + TERMS[term] if TERMS[term] else ""}]
optimizer: {{learning_rate: 1e-4, weight_decay: 0}}
schedule: {{kind: constant}}
train: {{length: {options.steps} steps, batch_size: {options.batch}, device: cpu, precision: float32, save_every: 10 hours,
         log_every: 1 steps}}
output: "{folder}/run-{term}"
""")


def run(command):
    with tempfile.TemporaryFile("w+") as out:
        environment = {**os.environ, "OMP_NUM_THREADS": str(arguments().threads)}
        process = subprocess.Popen([str(word) for word in command], stdout=out, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            sys.exit(f"{' '.join(map(str, command))} ended with {process.returncode}")
        out.seek(0)
        return out.read(), usage.ru_maxrss / 1024


def run_distill(options, folder, term):
    write_recipe(options, folder, term)
    _, peak_mb = run([options.distill, "train", folder / "recipe.yaml", "--fresh", "--progress", "none"])
    lines = (folder / f"run-{term}" / "log.jsonl").read_text().splitlines()
    updates = [event for event in map(json.loads, lines) if event["event"] == "step"]
    return {"peak_mb": peak_mb, "seconds": statistics.median(event["seconds"] for event in updates[1:]),
            "value": updates[0]["terms"].get(term, 0)}


def run_eager(options, folder, term):
    text, peak_mb = run([sys.executable, __file__, "--eager", folder, "--terms", term, "--length", options.length, "--batch",
                         options.batch, "--steps", options.steps, "--threads", options.threads])
    return {**json.loads(text.strip().splitlines()[-1]), "peak_mb": peak_mb}


def eager(options, folder, term):
    import torch
    import torch.nn.functional as F
    from transformers import AutoModelForCausalLM
    torch.set_num_threads(options.threads)
    maps = term in ("attention_mse", "minilm_attention")
    load = lambda name: AutoModelForCausalLM.from_pretrained(folder / name, dtype=torch.float32,
                                                             attn_implementation="eager" if maps else "sdpa")
    teacher, student = load("teacher").eval(), load("student").train()
    optimizer = torch.optim.AdamW(student.parameters(), lr=1e-4, weight_decay=0.0)
    rows = [json.loads(line)["input_ids"] for line in open(folder / "rows.jsonl")]
    caught = {}

    def catch(model, who):
        """The last block's queries, keys and values, after rotation."""
        from transformers.models.llama.modeling_llama import apply_rotary_pos_emb
        attention = model.model.layers[-1].self_attn
        for name in "qkv":
            getattr(attention, f"{name}_proj").register_forward_hook(lambda _m, _i, out, key=(who, name): caught.__setitem__(key, out))

        def split():
            heads = [caught[who, x].unflatten(-1, (HEADS, -1)).transpose(1, 2) for x in "qkv"]
            cos, sin = model.model.rotary_emb(heads[0], torch.arange(options.length)[None])
            return *apply_rotary_pos_emb(heads[0], heads[1], cos, sin), heads[2]
        return split

    split = {who: catch(model, who) for who, model in (("teacher", teacher), ("student", student))} if term == "minilm_value" else {}
    future = torch.ones(options.length, options.length, dtype=torch.bool).triu(1)

    def log_relation(x):
        return ((x @ x.transpose(-1, -2)) * x.shape[-1] ** -0.5).masked_fill(future, -1e30).log_softmax(-1)

    def kl(s, t):
        return (t.exp() * (t - s)).masked_fill(future, 0)[:, :, :-1].sum(-1).mean()

    def term_of(ours, theirs):
        if term == "attention_mse":
            pairs = [(i, (2 * i * len(theirs) + len(ours)) // (2 * len(ours))) for i in range(1, len(ours) + 1)]
            return sum((ours[s - 1] - theirs[t - 1])[:, :, :-1].square().sum(-1).mean() for s, t in pairs) / len(pairs)
        if term == "minilm_attention":
            log = lambda x: x.clamp_min(1e-38).log()
            return kl(log(ours[-1]), log(theirs[-1]))
        return sum(kl(log_relation(s), log_relation(t)) for s, t in zip(split["student"](), split["teacher"]()))

    values, seconds = [], []
    for step in range(options.steps):
        start = time.perf_counter()
        ids = torch.tensor([rows[(step * options.batch + i) % len(rows)] for i in range(options.batch)])
        theirs = None
        if term != "none":
            with torch.no_grad():
                theirs = teacher(input_ids=ids, use_cache=False, output_attentions=maps).attentions
        answer = student(input_ids=ids, use_cache=False, output_attentions=maps)
        loss = F.cross_entropy(answer.logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
        value = term_of(answer.attentions, theirs) if term != "none" else torch.zeros(())
        (loss + value).backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        values.append(value.item())
        seconds.append(time.perf_counter() - start)
        caught.clear()
        del loss, value, answer, theirs
    print(json.dumps({"value": values[0], "seconds": statistics.median(seconds[1:])}))


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    return f"{model}, {os.cpu_count()} cores, {datetime.date.today()}"


def main():
    options = arguments()
    if options.eager:
        return eager(options, pathlib.Path(options.eager), options.terms[0])
    options.distill = options.distill.resolve()
    print(f"{machine()}, {options.threads} threads, {options.batch} rows of {options.length}\n")
    print("| term | first value | | seconds per update | | ratio | peak MB | | ratio | added MB | | ratio |")
    print("| | distill | eager | distill | eager | | distill | eager | | distill | eager | |")
    print("| --- " * 12 + "|")
    base = None
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        make_models(options, folder)
        for term in options.terms:
            rounds = [(run_distill(options, folder, term), run_eager(options, folder, term)) for _ in range(options.rounds)]
            ours, peer = ({key: statistics.median(r[side][key] for r in rounds) for key in rounds[0][side]} for side in (0, 1))
            base = base or (ours["peak_mb"], peer["peak_mb"])
            added = (ours["peak_mb"] - base[0], peer["peak_mb"] - base[1])
            share = f"{added[0] / added[1]:.2f}" if added[1] > 0 else ""
            print(f"| {term} | {ours['value']:.6f} | {peer['value']:.6f} | {ours['seconds']:.2f} | {peer['seconds']:.2f} "
                  f"| {ours['seconds'] / peer['seconds']:.2f} | {ours['peak_mb']:.0f} | {peer['peak_mb']:.0f} "
                  f"| {ours['peak_mb'] / peer['peak_mb']:.2f} | {added[0]:.0f} | {added[1]:.0f} | {share} |", flush=True)


if __name__ == "__main__":
    main()
