#include "distill/spec/parts.h"

namespace distill {

bool part_holds(const std::string& part, const std::string& ours) {
  const auto begins = [&](const char* start) { return ours.rfind(start, 0) == 0; };
  if (part == "embeddings")
    return begins("embedding.") || begins("position_embedding.") || begins("token_type_embedding.") || begins("embedding_norm.");
  if (part == "head") return begins("head") || begins("tied_head.") || begins("classifier.") || begins("pooler.");
  if (part == "norms") return ours.find("norm.") != std::string::npos;
  return part.rfind("layers.", 0) == 0 && ours.rfind(part + ".", 0) == 0;
}

}  // namespace distill
