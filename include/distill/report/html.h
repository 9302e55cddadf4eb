// report.html: one page without scripts or network that shows how a run went, drawn from log.jsonl.
#pragma once

#include <filesystem>
#include <string>

namespace distill {

// `title`: e.g. the output folder. `card`: lines of plain text shown above the curves. If a step appears twice in the log, the
// last line counts. InputError when the log cannot be read.
void write_html_report(const std::filesystem::path& log_file, const std::filesystem::path& html_file, const std::string& title,
                       const std::string& card);

}  // namespace distill
