// The readers behind open_rows(), one for each family of formats.
#pragma once

#include <memory>

#include "distill/core/file.h"
#include "distill/data/reader.h"

namespace distill {

enum class TextFormat { json_lines, plain };
std::unique_ptr<RowReader> open_text_rows(const fs::path& path, TextFormat format, const ReadRules& rules);

}  // namespace distill
