// The vocabulary and its parts are the class's; only the pieces, the character map and the names of tokens are the folder's.
#include "sentencepiece_folder.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "distill/core/error.h"
#include "distill/core/file.h"
#include "distill/core/json_reader.h"

#include "folder_tokens.h"
#include "sentencepiece.h"
#include "unicode.h"

namespace distill {
namespace {

constexpr const char* kSpace = "\u2581";   // SentencePiece's mark of a space
constexpr int kNumExtraIds = 100;          // T5's sentinels
constexpr size_t kMostMerges = 2'000'000;  // Gemma's 256,000 pieces have 580,000
constexpr const char* kModelNames[] = {"tokenizer.model", "spiece.model", "sentencepiece.bpe.model"};

enum class Kind { llama, gemma, t5, xlm_roberta };

struct ClassRow {
  Kind kind;
  const char* name;
  std::vector<const char*> model_types;  // with any other, transformers takes another class
  SentencePieceAlgorithm algorithm;
  RoleNames names;
};

const std::vector<ClassRow>& class_table() {
  using Algorithm = SentencePieceAlgorithm;
  static const std::vector<ClassRow> table = {{Kind::llama,
                                               "LlamaTokenizer",
                                               {"llama"},
                                               Algorithm::bpe,
                                               {{"bos_token", "<s>"}, {"eos_token", "</s>"}, {"unk_token", "<unk>"}}},
                                              {Kind::gemma,
                                               "GemmaTokenizer",
                                               {"gemma", "gemma2", "gemma3_text"},
                                               Algorithm::bpe,
                                               {{"bos_token", "<bos>"},
                                                {"eos_token", "<eos>"},
                                                {"unk_token", "<unk>"},
                                                {"pad_token", "<pad>"},
                                                {"mask_token", "<mask>"}}},
                                              {Kind::t5,
                                               "T5Tokenizer",
                                               {"t5", "mt5"},
                                               Algorithm::unigram,
                                               {{"eos_token", "</s>"}, {"unk_token", "<unk>"}, {"pad_token", "<pad>"}}},
                                              {Kind::xlm_roberta,
                                               "XLMRobertaTokenizer",
                                               {"xlm-roberta"},
                                               Algorithm::unigram,
                                               {{"bos_token", "<s>"},
                                                {"eos_token", "</s>"},
                                                {"unk_token", "<unk>"},
                                                {"sep_token", "</s>"},
                                                {"pad_token", "<pad>"},
                                                {"cls_token", "<s>"},
                                                {"mask_token", "<mask>"}}}};
  return table;
}

[[noreturn]] void refuse_class(const std::string& where, const std::string& found) {
  refuse_class_of(class_table(), "a SentencePiece model", where, found);
}

// transformers builds a llama folder that names no class from the file alone, without its first space.
const ClassRow& class_of(const SettingsFile& settings, const SettingsFile& config) {
  const std::string name = class_name(settings);
  const std::string model_type = json_string_or(config.tree, "model_type", "", config.path);
  for (const ClassRow& row : class_table()) {
    if (name.empty() ? has_model_type(row, model_type) && row.kind != Kind::llama : name == row.name) {
      if (!model_type.empty() && !has_model_type(row, model_type))
        refuse_class(config.path + ": model_type", std::string("\"").append(model_type).append("\" with ").append(name));
      return row;
    }
  }
  refuse_class(settings.path + ": tokenizer_class",
               name.empty() ? "none (model_type \"" + model_type + "\")" : "\"" + name + "\"");
}

void check_algorithm(const ClassRow& row, const SentencePieceModel& model, const std::string& path) {
  constexpr const char* kNames[] = {"", "Unigram", "BPE", "word", "character"};
  if (model.algorithm == row.algorithm) return;
  throw InputError({path, std::string("a ") + kNames[static_cast<int>(row.algorithm)] + " model for " + row.name,
                    std::string("a ") + kNames[static_cast<int>(model.algorithm)] + " model",
                    "Use the model file that belongs to the folder.", ""});
}

// Settings that change the tokenizer and are not available yet.
void check_settings(const ClassRow& row, const SettingsFile& file) {
  const auto refuse = [&](const char* key, const std::string& expected) {
    throw InputError({file.path + ": " + key, expected, dump(file.tree.at(key)) + ", which is not available yet", kSave, ""});
  };
  if (const Json* extra = find_member(file.tree, "extra_special_tokens"); extra && !extra->empty())
    refuse("extra_special_tokens", "no such tokens");
  if (json_bool_or(file.tree, "split_special_tokens", false, file.path)) refuse("split_special_tokens", "false");
  if (row.kind != Kind::llama && !json_bool_or(file.tree, "add_prefix_space", true, file.path) && row.kind != Kind::gemma)
    refuse("add_prefix_space", "true");
  if (row.kind == Kind::t5 && json_int_or(file.tree, "extra_ids", kNumExtraIds, file.path) != kNumExtraIds)
    refuse("extra_ids", "100");
  const Json* additional = find_member(file.tree, "additional_special_tokens");
  if (!additional || additional->empty()) return;
  const auto is_sentinel = [](const Json& token) {
    return token.is_string() && token.get_ref<const std::string&>().starts_with("<extra_id_");
  };
  if (row.kind != Kind::t5 || !additional->is_array() || !std::all_of(additional->begin(), additional->end(), is_sentinel))
    refuse("additional_special_tokens", "none but T5's sentinels");
}

// A listed token keeps its flags; a token with a role does not where it is a control piece, too.
void add_all_tokens(const ClassRow& row, const SentencePieceModel& model, const SettingsFile& file, const NamedTokens& named,
                    AddedTokens& added) {
  add_listed_tokens(file, added);
  std::vector<NewToken> wanted;
  for (const char* role : kRoles)
    if (const NewToken* token = named.find(role)) wanted.push_back(*token);
  for (const SentencePiece& piece : model.pieces) {
    if (piece.type == PieceType::control || piece.type == PieceType::user_defined)
      wanted.push_back({piece.text, piece.type == PieceType::control, false});
  }
  for (int i = kNumExtraIds - 1; row.kind == Kind::t5 && i >= 0; --i)
    wanted.push_back({"<extra_id_" + std::to_string(i) + ">", true, false});
  std::set<std::string> listed;
  for (const NewToken& token : wanted)
    if (added.has(token.content)) listed.insert(token.content);
  for (NewToken& token : wanted)
    if (!listed.contains(token.content)) added.add(std::move(token), std::nullopt);
}

// Whether a text may be a piece, by the hash of its bytes: a hostile model has tens of megabytes of long pieces, and every part
// of each is asked for.
class PieceFilter {
 public:
  explicit PieceFilter(const std::vector<SentencePiece>& pieces) : bits_(size_t{1} << kBits) {
    for (const SentencePiece& piece : pieces) {
      set_text(piece.text);
      bits_[place(hashes_.back())] = true;
    }
  }
  // The text whose parts are asked for next.
  void set_text(std::string_view text) {
    hashes_.assign(1, 0);
    for (const char byte : text) hashes_.push_back(hashes_.back() * kBase + static_cast<unsigned char>(byte) + 1);
    while (powers_.size() < hashes_.size()) powers_.push_back(powers_.back() * kBase);
  }
  bool may_split_at(size_t at) const {
    const uint64_t rest = hashes_.back() - hashes_[at] * powers_[hashes_.size() - 1 - at];
    return bits_[place(hashes_[at])] && bits_[place(rest)];
  }

 private:
  static constexpr int kBits = 24;
  static constexpr uint64_t kBase = 0x9E3779B97F4A7C15;
  static size_t place(uint64_t hash) { return static_cast<size_t>((hash ^ hash >> 29) * kBase >> (64 - kBits)); }

  std::vector<bool> bits_;
  std::vector<uint64_t> hashes_, powers_ = {1};  // of the text's prefixes; of kBase
};

// Every way to put a piece together from two others, the first piece of the vocabulary first, then the shortest left part.
void fill_bpe(const SentencePieceModel& model, TokenizerFile& file) {
  file.has_vocab = file.has_merges = true;
  std::unordered_set<std::string_view> texts;
  for (const SentencePiece& piece : model.pieces) {
    texts.insert(piece.text);
    file.vocab.emplace_back(piece.text, static_cast<int64_t>(file.vocab.size()));
  }
  PieceFilter filter(model.pieces);
  for (const SentencePiece& piece : model.pieces) {
    const std::string_view text = piece.text;
    filter.set_text(text);
    for (size_t at = 1; at < text.size(); ++at) {
      if (is_continuation_byte(text[at]) || !filter.may_split_at(at)) continue;
      if (!texts.contains(text.substr(0, at)) || !texts.contains(text.substr(at))) continue;
      if (file.merges.size() == kMostMerges)
        throw InputError({file.path,
                          "at most " + std::to_string(kMostMerges) + " ways to put its pieces together from two others", "more",
                          "No trained model has as many: take it again from its source.", ""});
      file.merges.emplace_back(text.substr(0, at), text.substr(at));
    }
  }
}

// XLM-R puts four tokens in the place of the model's first three, and one behind the last; T5 its sentinels.
void fill_unigram(const ClassRow& row, const SentencePieceModel& model, const NamedTokens& named, TokenizerFile& file) {
  file.has_pieces = true;
  const bool xlm = row.kind == Kind::xlm_roberta;
  for (const char* role : {"bos_token", "pad_token", "eos_token", "unk_token"})
    if (xlm) file.pieces.emplace_back(named.content(role), 0.0);
  for (size_t i = xlm ? 3 : 0; i < model.pieces.size(); ++i)
    file.pieces.emplace_back(model.pieces[i].text, double{model.pieces[i].score});
  if (xlm) file.pieces.emplace_back(named.content("mask_token"), 0.0);
  for (int i = kNumExtraIds - 1; row.kind == Kind::t5 && i >= 0; --i)
    file.pieces.emplace_back("<extra_id_" + std::to_string(i) + ">", 0.0);
  std::unordered_set<std::string> seen;
  for (const auto& [token, score] : file.pieces)
    if (!seen.insert(token).second)
      throw InputError({file.path, std::string("every token once in the vocabulary of ") + row.name, "\"" + token + "\" twice",
                        "Use the model file that belongs to the folder.", ""});
}

std::string base64(std::string_view bytes) {
  constexpr const char* kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t at = 0; at < bytes.size(); at += 3) {
    uint32_t group = 0;
    for (size_t i = 0; i < 3; ++i) group = group << 8 | (at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0U);
    for (size_t i = 0; i < 4; ++i) out += at + i <= bytes.size() ? kDigits[group >> (18 - 6 * i) & 63] : '=';
  }
  return out;
}

Json replace_step(const char* from, const char* to) {
  return {{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}};
}

Json metaspace(const char* scheme, bool split) {
  return {{"type", "Metaspace"}, {"replacement", kSpace}, {"prepend_scheme", scheme}, {"split", split}};
}

Json byte_decoder(bool strips_first_space) {
  Json steps = Json::array({replace_step(kSpace, " "), {{"type", "ByteFallback"}}, {{"type", "Fuse"}}});
  if (strips_first_space) steps.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  return {{"type", "Sequence"}, {"decoders", steps}};
}

void fill_llama(const SettingsFile& settings, Json& tree) {
  const bool prefix = json_bool_or(settings.tree, "add_prefix_space", true, settings.path);
  const bool legacy = json_bool_or(settings.tree, "legacy", false, settings.path);
  tree["model"] = {{"type", "BPE"}, {"unk_token", nullptr}, {"fuse_unk", true}, {"byte_fallback", true}};
  tree["pre_tokenizer"] = metaspace(!prefix ? "never" : legacy ? "always" : "first", false);
  tree["decoder"] = byte_decoder(prefix);
}

void fill_gemma(const NamedTokens& named, Json& tree) {
  tree["model"] = {{"type", "BPE"}, {"unk_token", named.content("unk_token")}, {"fuse_unk", true}, {"byte_fallback", true}};
  tree["normalizer"] = replace_step(" ", kSpace);
  tree["pre_tokenizer"] = {
      {"type", "Split"}, {"pattern", {{"String", " "}}}, {"behavior", "MergedWithPrevious"}, {"invert", false}};
  tree["decoder"] = byte_decoder(false);
}

void fill_unigram_parts(const ClassRow& row, const SentencePieceModel& model, Json& tree) {
  tree["model"] = {{"type", "Unigram"}, {"unk_id", row.kind == Kind::t5 ? 2 : 3}, {"byte_fallback", false}};
  if (!model.precompiled_charsmap.empty())
    tree["normalizer"] = {{"type", "Precompiled"}, {"precompiled_charsmap", base64(model.precompiled_charsmap)}};
  const Json spaces = metaspace("always", true);
  tree["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", Json::array({Json{{"type", "WhitespaceSplit"}}, spaces})}};
  tree["decoder"] = spaces;
}

// The tokens round a text: the two settings' of BPE classes, the class's own of Unigram ones.
Json post_processor(const ClassRow& row, const SettingsFile& settings, const NamedTokens& named, const AddedTokens& added) {
  const bool by_settings = row.algorithm == SentencePieceAlgorithm::bpe;
  const auto adds = [&](const char* key, bool otherwise) {
    return by_settings ? json_bool_or(settings.tree, key, false, settings.path) : otherwise;
  };
  Json single = Json::array(), special = Json::object();
  const auto append = [&](const char* role) {
    const std::string& token = named.content(role);
    single.push_back({{"SpecialToken", {{"id", token}, {"type_id", 0}}}});
    special[token] = {{"id", token}, {"ids", Json::array({added.id(token)})}, {"tokens", Json::array({token})}};
  };
  if (adds("add_bos_token", row.kind == Kind::xlm_roberta)) append("bos_token");
  single.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
  if (adds("add_eos_token", true)) append("eos_token");
  return {{"type", "TemplateProcessing"}, {"single", single}, {"pair", Json::array()}, {"special_tokens", special}};
}

// Which of several files is read is a matter of the class in transformers.
void check_single_model(const std::filesystem::path& folder, const std::filesystem::path& model) {
  for (const char* name : kModelNames)
    if (folder / name != model && std::filesystem::is_regular_file(folder / name))
      throw InputError({(folder / name).string(), "one SentencePiece model in a folder", model.filename().string() + ", too",
                        "Remove the one that is not the tokenizer's.", ""});
}

}  // namespace

std::optional<std::filesystem::path> find_sentencepiece_model(const std::filesystem::path& folder) {
  for (const char* name : kModelNames)
    if (std::filesystem::is_regular_file(folder / name)) return folder / name;
  return std::nullopt;
}

ConvertedTokenizer convert_sentencepiece_folder(const std::filesystem::path& folder, const std::filesystem::path& path) {
  constexpr uint64_t kLargestModel = uint64_t{32} << 20;
  const SettingsFile settings = read_settings(folder / "tokenizer_config.json");
  const ClassRow& row = class_of(settings, read_settings(folder / "config.json"));
  check_single_model(folder, path);
  const std::string bytes = read_file(path, kLargestModel);
  const SentencePieceModel model = parse_sentencepiece_model(bytes, path.string());
  check_algorithm(row, model, path.string());
  check_settings(row, settings);
  const NamedTokens named = read_names(row.names, folder, settings, [&](const SettingsFile& map) { check_settings(row, map); });

  ConvertedTokenizer out{};
  TokenizerFile& file = out.file;
  file.path = path.string();
  file.tree = {{"version", "1.0"}};
  if (row.algorithm == SentencePieceAlgorithm::bpe)
    fill_bpe(model, file);
  else
    fill_unigram(row, model, named, file);
  if (row.kind == Kind::llama)
    fill_llama(settings, file.tree);
  else if (row.kind == Kind::gemma)
    fill_gemma(named, file.tree);
  else
    fill_unigram_parts(row, model, file.tree);

  AddedTokens added(file, named);
  add_all_tokens(row, model, settings, named, added);
  file.tree["post_processor"] = post_processor(row, settings, named, added);
  file.tree["added_tokens"] = added.take();
  out.fingerprint = hash_text(dump(file.tree) + bytes);
  out.eos_token = named.content("eos_token");
  return out;
}

}  // namespace distill
