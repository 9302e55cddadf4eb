#include "sentencepiece.h"

#include <bit>
#include <cmath>
#include <optional>
#include <unordered_set>

#include "distill/core/error.h"

#include "unicode.h"

namespace distill {
namespace {

// Longer than any piece of a trained model; splitting a piece into pairs costs the square of its length.
constexpr size_t kLongestPiece = 512;

enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct Field {
  uint32_t number;
  uint32_t wire_type;
  size_t at;               // of its tag, in the file
  uint64_t value = 0;      // of a number
  std::string_view bytes;  // of a text or a message
};

// The fields of one message, in their order.
class MessageReader {
 public:
  MessageReader(std::string_view file, std::string_view message, const std::string& path)
      : base_(static_cast<size_t>(message.data() - file.data())), file_(file), message_(message), path_(path) {}

  std::optional<Field> next() {
    if (at_ == message_.size()) return std::nullopt;
    const size_t start = at_;
    const uint64_t tag = varint();
    if (tag >> 3 == 0 || tag >> 3 > kLargestNumber)
      refuse(base_ + start, "the tag of a field", "field number " + std::to_string(tag >> 3));
    Field field{static_cast<uint32_t>(tag >> 3), static_cast<uint32_t>(tag & 7), base_ + start, 0, {}};
    read_value(field);
    return field;
  }

  MessageReader inside(const Field& field) const {
    expect(field, kBytes, "a message");
    return {file_, field.bytes, path_};
  }
  std::string_view text(const Field& field) const {
    expect(field, kBytes, "a text");
    return field.bytes;
  }
  uint64_t number(const Field& field) const {
    expect(field, kVarint, "a whole number");
    return field.value;
  }
  float real(const Field& field) const {
    expect(field, kFixed32, "a number of 32 bits");
    return std::bit_cast<float>(static_cast<uint32_t>(field.value));
  }

  [[noreturn]] void refuse(size_t at, const std::string& expected, const std::string& found) const {
    throw InputError({path_ + ", byte " + std::to_string(at), expected, found,
                      "The file may be cut or no SentencePiece model: take it again from its source.", ""});
  }

 private:
  static constexpr uint64_t kLargestNumber = (uint64_t{1} << 29) - 1;

  void expect(const Field& field, WireType type, const char* expected) const {
    if (field.wire_type != type)
      refuse(field.at, "field " + std::to_string(field.number) + " as " + expected,
             "wire type " + std::to_string(field.wire_type));
  }

  void read_value(Field& field) {
    if (field.wire_type == kVarint)
      field.value = varint();
    else if (field.wire_type == kFixed32 || field.wire_type == kFixed64)
      field.value = fixed(field.wire_type == kFixed32 ? 4 : 8);
    else if (field.wire_type == kBytes)
      field.bytes = take(varint());
    else
      refuse(field.at, "a field with wire type 0, 1, 2 or 5", "wire type " + std::to_string(field.wire_type));
  }

  uint64_t varint() {
    const size_t start = at_;
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at_ == message_.size()) refuse(base_ + start, "a number", "the end of the message inside it");
      const auto byte = static_cast<unsigned char>(message_[at_++]);
      value |= uint64_t{byte & 127U} << shift;
      if (byte < 128) return value;
    }
    refuse(base_ + start, "a number of at most 10 bytes", "a longer one");
  }

  uint64_t fixed(size_t num_bytes) {
    const std::string_view bytes = take(num_bytes);
    uint64_t value = 0;
    for (size_t i = 0; i < num_bytes; ++i) value |= uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
    return value;
  }

  std::string_view take(uint64_t num_bytes) {
    const size_t left = message_.size() - at_;
    if (num_bytes > left)
      refuse(base_ + at_, std::to_string(num_bytes) + " bytes", std::to_string(left) + " to the end of the message");
    const std::string_view bytes = message_.substr(at_, num_bytes);
    at_ += num_bytes;
    return bytes;
  }

  size_t base_;
  std::string_view file_;
  std::string_view message_;
  const std::string& path_;
  size_t at_ = 0;
};

// Numbers of the fields of SentencePiece's messages.
enum ModelField : uint32_t { kPieces = 1, kTrainer = 2, kNormalizer = 3 };
enum PieceField : uint32_t { kText = 1, kScore = 2, kType = 3 };
constexpr uint32_t kTrainerAlgorithm = 3;
constexpr uint32_t kNormalizerCharsmap = 2;

std::string piece_text(const MessageReader& message, const Field& field) {
  const std::string_view text = message.text(field);
  if (text.empty() || text.size() > kLongestPiece)
    message.refuse(field.at, "a piece of 1 to " + std::to_string(kLongestPiece) + " bytes", std::to_string(text.size()));
  if (find_invalid_utf8(text)) message.refuse(field.at, "a piece in UTF-8", "an ill-formed sequence");
  return std::string(text);
}

SentencePiece read_piece(MessageReader message, size_t at) {
  SentencePiece piece;
  while (const auto field = message.next()) {
    if (field->number == kText) piece.text = piece_text(message, *field);
    if (field->number == kScore) piece.score = message.real(*field);
    if (field->number != kType) continue;
    const uint64_t type = message.number(*field);
    if (type < 1 || type > 6) message.refuse(field->at, "a type of piece, 1 to 6", std::to_string(type));
    piece.type = static_cast<PieceType>(type);
  }
  if (piece.text.empty()) message.refuse(at, "a piece with a text", "one without");
  if (!std::isfinite(piece.score)) message.refuse(at, "a piece with a finite score", std::to_string(piece.score));
  return piece;
}

void read_trainer(MessageReader message, SentencePieceModel& model) {
  while (const auto field = message.next()) {
    if (field->number != kTrainerAlgorithm) continue;
    const uint64_t type = message.number(*field);
    if (type < 1 || type > 4) message.refuse(field->at, "a type of model, 1 to 4", std::to_string(type));
    model.algorithm = static_cast<SentencePieceAlgorithm>(type);
  }
}

void read_normalizer(MessageReader message, SentencePieceModel& model) {
  while (const auto field = message.next())
    if (field->number == kNormalizerCharsmap) model.precompiled_charsmap = message.text(*field);
}

}  // namespace

SentencePieceModel parse_sentencepiece_model(std::string_view bytes, const std::string& path) {
  SentencePieceModel model;
  std::unordered_set<std::string> seen;
  MessageReader message(bytes, bytes, path);
  while (const auto field = message.next()) {
    if (field->number == kPieces) {
      model.pieces.push_back(read_piece(message.inside(*field), field->at));
      if (!seen.insert(model.pieces.back().text).second)
        message.refuse(field->at, "every piece once", "\"" + model.pieces.back().text + "\" again");
    }
    if (field->number == kTrainer) read_trainer(message.inside(*field), model);
    if (field->number == kNormalizer) read_normalizer(message.inside(*field), model);
  }
  if (model.pieces.empty()) message.refuse(bytes.size(), "a model with pieces", "the end of the file");
  return model;
}

}  // namespace distill
