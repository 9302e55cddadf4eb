// Sources to rows: prepared one by one, packed, counted, and refused when nothing is left to learn.
#include <algorithm>
#include <chrono>

#include "distill/core/error.h"
#include "distill/core/log.h"
#include "distill/core/random.h"
#include "distill/core/units.h"
#include "distill/data/order.h"
#include "distill/data/prepare.h"
#include "distill/data/rows.h"

namespace distill {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kTruncatedWarningShare = 0.05;
constexpr double kPairedWarningShare = 0.25;

void count_epoch(Rows& rows, uint64_t seed) {
  const EpochOrder order(rows, seed, 0, /*shuffle=*/false);
  rows.counts.rows = order.size();
  if (rows.teacher) rows.counts.paired_tokens = 0;
  for (int64_t index = 0; index < order.size(); ++index) {
    const PackedRow& row = rows.row(order.at(index));
    rows.counts.input_tokens += row.num_tokens;
    rows.counts.kept_tokens += row.num_kept;
    if (rows.teacher) *rows.counts.paired_tokens += rows.teacher->row(order.at(index)).num_kept;
  }
}

std::string paths_of(const std::vector<SourceRecipe>& sources) {
  std::string text;
  for (const SourceRecipe& source : sources) text += (text.empty() ? "" : ", ") + source.path;
  return text;
}

const char* what_to_learn(const TaskRules& task) {
  switch (task.targets) {
    case Targets::next_token:
      return "Check labels and completions: a document needs two tokens or more, and one label after its first token that is "
             "not -100.";
    case Targets::masked_tokens:
      return "A document needs one token that is not special and whose label is not -100.";
    case Targets::row_class:
      return "Give every row a \"label\", the number of its class; or train without cross_entropy, which alone reads labels.";
    case Targets::row_vector:
      break;
  }
  return "A document needs one token.";
}

[[noreturn]] void refuse_nothing_left(const std::vector<SourceRecipe>& sources, const std::string& name, const Rows& rows,
                                      int64_t sequence_length) {
  const std::string expected = "at least one document with something to learn";
  const std::string where = name + " (" + paths_of(sources) + ")";
  const DataCounts& counts = rows.counts;
  if (counts.documents == 0) throw InputError({where, expected, "no document at all", "Put one document on each line.", ""});
  const bool have_rows = std::any_of(rows.sources.begin(), rows.sources.end(), [](const auto& s) { return !s.rows.empty(); });
  if (have_rows)
    throw InputError({where, expected, "weights so small that no row comes into an epoch", "Raise `weight` of a source.", ""});
  std::string found = std::to_string(counts.documents) + " documents, all without one";
  if (counts.truncated > 0)
    found += "; " + std::to_string(counts.truncated) + " were cut to " + std::to_string(sequence_length) + " tokens";
  throw InputError({where, expected, found,
                    counts.truncated > 0 ? "Raise data.sequence_length, or shorten the prompts." : what_to_learn(rows.task), ""});
}

void warn_about(const Rows& rows, const std::vector<SourceRecipe>& sources, const std::string& name, int64_t sequence_length) {
  for (size_t s = 0; s < rows.sources.size(); ++s) {
    if (rows.sources[s].rows.empty()) log::warn(name + ": " + sources[s].path + " has no document with something to learn");
  }
  const DataCounts& counts = rows.counts;
  const double share = static_cast<double>(counts.truncated) / static_cast<double>(counts.documents);
  if (share <= kTruncatedWarningShare) return;
  log::warn(name + ": " + std::to_string(counts.truncated) + " of " + std::to_string(counts.documents) +
            " documents are longer than " + std::to_string(sequence_length) + " tokens and were cut. Raise data.sequence_length" +
            (rows.teacher ? "." : ", or set data.overflow: split to use all of them."));
}

void warn_about_teacher(const DataCounts& counts, const std::string& name, int64_t sequence_length) {
  const auto share_of = [](int64_t part, int64_t whole) { return static_cast<double>(part) / static_cast<double>(whole); };
  if (share_of(counts.teacher_truncated, counts.documents) > kTruncatedWarningShare)
    log::warn(name + ": " + std::to_string(counts.teacher_truncated) + " of " + std::to_string(counts.documents) +
              " documents are longer than " + std::to_string(sequence_length) +
              " tokens for the teacher and were cut: what it does not read is not compared. Raise data.sequence_length.");
  if (share_of(*counts.paired_tokens, counts.kept_tokens) < kPairedWarningShare)
    log::warn(name + ": uld compares only " + std::to_string(*counts.paired_tokens) + " of " +
              std::to_string(counts.kept_tokens) +
              " kept tokens: elsewhere the two tokenizers cut the text at different places, or the templates write other words");
}

ReaderRules teacher_rules(const DataRecipe& recipe, const TaskRules& task, const TeacherReader& teacher) {
  ReaderRules rules;
  rules.render = render_rules(recipe, teacher.tokenizer.get(), teacher.vocab_size, task, teacher.words);
  rules.sequence_length =
      teacher.max_positions > 0 ? std::min(recipe.sequence_length, teacher.max_positions) : recipe.sequence_length;
  return rules;
}

PrepareRules prepare_rules(const DataRecipe& recipe, const Tokenizer* tokenizer, const DataLimits& limits) {
  PrepareRules rules;
  rules.render = render_rules(recipe, tokenizer, limits.vocab_size, limits.task, limits.words);
  rules.render.tokenizer_problem = limits.tokenizer_problem;
  rules.overflow = recipe.overflow;
  rules.sequence_length =
      limits.max_positions > 0 ? std::min(recipe.sequence_length, limits.max_positions) : recipe.sequence_length;
  rules.read = {limits.vocab_size, limits.task.num_classes, rules.render.eos, rules.sequence_length};
  if (limits.teacher) rules.teacher = teacher_rules(recipe, limits.task, *limits.teacher);
  return rules;
}

// Takes the teacher's documents of a source, row for row as the student's are packed.
SourceRows second_reading(TokenStore store, const std::vector<PackedRow>& rows) {
  SourceRows second{std::move(store), {}, 1};
  second.rows = same_rows(rows, second.store.documents());
  return second;
}

void check_pairs(const Rows& rows, const std::string& name, const std::vector<SourceRecipe>& sources) {
  if (!rows.teacher || *rows.counts.paired_tokens > 0) return;
  throw InputError({name + " (" + paths_of(sources) + ")",
                    "positions at which teacher and student have read the same text, for uld to compare",
                    "none among " + std::to_string(rows.counts.kept_tokens) + " kept tokens",
                    "Compare both sides' texts: `distill tokenize --model DIR`. Where the templates write the turns differently, "
                    "or one side cuts the answers away (data.sequence_length), nothing is left to compare.",
                    ""});
}

void check_weight(const SourceRecipe& source, const std::string& name) {
  if (source.weight > 0 && source.weight <= 1e6) return;
  throw RecipeError({name + " (" + source.path + ")", "a weight above 0 and at most 1000000", number_text(source.weight),
                     "Give the number of repetitions per epoch; remove the source to leave it out.", ""});
}

}  // namespace

void DataCounts::add_documents(const DataCounts& more) {
  documents += more.documents;
  dropped += more.dropped;
  truncated += more.truncated;
  split += more.split;
  teacher_truncated += more.teacher_truncated;
}

std::string DataCounts::text() const {
  std::string text = std::to_string(documents) + (documents == 1 ? " document, " : " documents, ") + std::to_string(dropped) +
                     " dropped (nothing to learn), " + std::to_string(truncated) + " truncated";
  if (split > 0) text += ", " + std::to_string(split) + " split";
  if (teacher_truncated > 0) text += ", " + std::to_string(teacher_truncated) + " truncated for the teacher";
  text += "; " + std::to_string(rows) + (rows == 1 ? " row" : " rows") + " per epoch with " + std::to_string(input_tokens) +
          " tokens, " + std::to_string(kept_tokens) + " kept";
  if (paired_tokens) text += ", " + std::to_string(*paired_tokens) + " of them paired with the teacher's";
  return text;
}

std::shared_ptr<const Rows> load_rows(const std::vector<SourceRecipe>& sources, const DataRecipe& recipe, const std::string& name,
                                      const Tokenizer* tokenizer, const DataLimits& limits, uint64_t seed,
                                      const PreparedPlace& place) {
  const auto start = Clock::now();
  const bool evaluation = name == "data.eval";
  auto rows = std::make_shared<Rows>();
  rows->task = limits.task;
  if (limits.task.targets == Targets::masked_tokens) {
    if (limits.tokenizer_problem) throw InputError(*limits.tokenizer_problem);  // masks are made of its tokens
    rows->mask_words = mask_words(tokenizer, limits.vocab_size);
    rows->fingerprint = random_key({static_cast<uint64_t>(rows->mask_words.mask_id), rows->mask_words.ordinary_ids.size()});
  }
  if (limits.teacher && recipe.overflow == Overflow::split) throw Bug("documents split under two tokenizers");
  const PrepareRules rules = prepare_rules(recipe, tokenizer, limits);
  if (rules.teacher) rows->teacher = std::make_unique<Rows>();
  const bool packing = recipe.packing && !limits.task.one_document_per_row();
  for (const SourceRecipe& source : sources) {
    check_weight(source, name);
    PreparedSource prepared = prepare_source(source.path, rules, place, name + " " + source.path);
    SourceRows& added = rows->sources.emplace_back(SourceRows{std::move(prepared.store), {}, evaluation ? 1 : source.weight});
    std::optional<SecondReading> second;
    if (prepared.teacher) second = SecondReading{prepared.teacher->documents(), rules.teacher->sequence_length};
    added.rows = pack(added.store.documents(), rules.sequence_length, packing, second);
    rows->fingerprint = random_key({rows->fingerprint, prepared.state.hash});
    if (prepared.teacher) rows->fingerprint = random_key({rows->fingerprint, prepared.state.teacher_hash});
    if (prepared.teacher) rows->teacher->sources.push_back(second_reading(std::move(*prepared.teacher), added.rows));
    rows->counts.add_documents(prepared.state.counts);
  }
  count_epoch(*rows, seed);
  if (rows->counts.rows == 0) refuse_nothing_left(sources, name, *rows, rules.sequence_length);
  check_pairs(*rows, name, sources);
  warn_about(*rows, sources, name, rules.sequence_length);
  if (rules.teacher) warn_about_teacher(rows->counts, name, rules.teacher->sequence_length);
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  log::info(name + ": " + rows->counts.text() + " (" + seconds_text(seconds) + ")");
  return rows;
}

const DataCounts& counts_of(const Rows& rows) { return rows.counts; }
uint64_t fingerprint_of(const Rows& rows) { return rows.fingerprint; }

}  // namespace distill
