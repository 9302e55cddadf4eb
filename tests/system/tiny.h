// A distillation that takes a second: random token rows, a fresh teacher and a fresh student, as files in a workplace.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "distill/core/json_reader.h"

#include "system/process.h"

namespace distill::test {

// A tiny llama as a YAML mapping for `student.init.config`. Large weights give a teacher with opinions to learn from.
std::string tiny_config(int64_t hidden_size, int64_t num_layers, int64_t vocab_size = 48, double initializer_range = 0.02);
// `count` rows of `input_ids` with lengths between `shortest` and `longest`, as JSONL.
std::string token_rows(int64_t count, int64_t shortest, int64_t longest, uint64_t seed, int64_t vocab_size = 48);

// The teacher's Hugging Face folder `teacher`, made by a run of one update on rows.jsonl; `init` is the inside of student.init.
void make_teacher(const Workplace& place, const std::string& init, int64_t sequence_length = 32);
// rows.jsonl, held.jsonl, and the teacher.
void prepare_tiny(const Workplace& place);

// The recipe `tiny.yaml`: the teacher above into a fresh student, kl + cross_entropy, 12 updates. `changes` are more lines.
std::string tiny_recipe(const std::string& output);

// The events `step` of a run's log: by step, the last one wins (a resumed run repeats none, a killed one may).
std::map<int64_t, Json> logged_steps(const Workplace& place, const std::string& output);

}  // namespace distill::test
