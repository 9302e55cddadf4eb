// Stands in for arrow_rows.cpp in builds without Arrow.
#include "distill/core/error.h"

#include "row_readers.h"

namespace distill {

bool arrow_available() { return false; }

std::unique_ptr<RowReader> open_table_rows(const fs::path& source, const std::vector<fs::path>&, TableFormat format,
                                           const ReadRules&) {
  const bool parquet = format == TableFormat::parquet;
  const std::string load = parquet ? "load_dataset(\"parquet\", data_files=FILE)[\"train\"]" : "load_from_disk(FOLDER)";
  throw InputError(
      {source.string(), "a build of distill with Arrow, which reads it", "a build without it",
       "Install pyarrow and build again (`pip install pyarrow`, or -DDISTILL_ARROW_ROOT=FOLDER); or convert the data: "
       "`datasets." +
           load + ".to_json(\"train.jsonl\")`.",
       ""});
}

}  // namespace distill
