// Times this project's tokenizer for scripts/bench/tokenizer.py: encode_bench FOLDER DOCUMENTS, where every line of DOCUMENTS
// is a JSON string. Prints how long loading took, then obeys lines of its standard input:
//   encode THREADS   encodes all documents once and prints the seconds
//   ids FILE         writes the ids of all documents, 32 bits each
#include <atomic>
#include <chrono>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "distill/text/tokenizer.h"

#include "peak_memory.h"

namespace {

using distill::Tokenizer;

double seconds_of(const auto& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::vector<std::string> read_documents(const std::string& path) {
  std::vector<std::string> documents;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) documents.push_back(nlohmann::json::parse(line).get<std::string>());
  return documents;
}

void encode_all(const Tokenizer& tokenizer, const std::vector<std::string>& documents, size_t num_threads) {
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i = next++; i < documents.size(); i = next++) tokenizer.encode(documents[i], false);
  };
  std::vector<std::jthread> threads;
  for (size_t i = 1; i < num_threads; ++i) threads.emplace_back(work);
  work();
}

void write_ids(const Tokenizer& tokenizer, const std::vector<std::string>& documents, const std::string& path) {
  std::ofstream file(path, std::ios::binary);
  for (const std::string& document : documents) {
    const std::vector<int32_t> ids = tokenizer.encode(document, false).ids;
    file.write(reinterpret_cast<const char*>(ids.data()), static_cast<std::streamsize>(ids.size() * sizeof(int32_t)));
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  std::unique_ptr<Tokenizer> tokenizer;
  const double loading = seconds_of([&] { tokenizer = distill::load_tokenizer(argv[1]); });
  std::cout << loading << " " << peak_kilobytes() << std::endl;
  const std::vector<std::string> documents = read_documents(argv[2]);
  for (std::string command, argument; std::cin >> command >> argument;) {
    if (command == "encode")
      std::cout << seconds_of([&] { encode_all(*tokenizer, documents, std::stoul(argument)); }) << std::endl;
    else if (command == "ids")
      std::cout << seconds_of([&] { write_ids(*tokenizer, documents, argument); }) << std::endl;
    else
      return 2;
  }
}
