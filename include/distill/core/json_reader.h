// Strict reading of untrusted JSON: duplicate keys and excessive nesting are errors, and every access names its path.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace distill {

using Json = nlohmann::ordered_json;  // keeps the order of keys, so that what is copied out looks like what came in

// Parses a whole document. InputError names `where` with line and column, a duplicate key, or the depth limit (128).
Json parse_json(std::string_view text, const std::string& where);
Json read_json_file(const std::string& path, uint64_t max_bytes = uint64_t{1} << 30);

// Typed access; InputError names `where` and the key. The `_or` forms take `fallback` when the key is absent or null.
const Json& json_member(const Json& object, const char* key, const std::string& where);
std::string json_string(const Json& object, const char* key, const std::string& where);
std::string json_string_or(const Json& object, const char* key, const std::string& fallback, const std::string& where);
int64_t json_int(const Json& object, const char* key, const std::string& where);
int64_t json_int_or(const Json& object, const char* key, int64_t fallback, const std::string& where);
double json_double_or(const Json& object, const char* key, double fallback, const std::string& where);
bool json_bool_or(const Json& object, const char* key, bool fallback, const std::string& where);

}  // namespace distill
