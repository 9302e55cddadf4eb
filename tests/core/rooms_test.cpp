// The walls of the project: every include must follow an arrow of src/rooms.txt, and each library stays in its room.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "paths.h"

namespace distill {
namespace {

namespace fs = std::filesystem;

using Arrows = std::map<std::string, std::set<std::string>>;  // room -> rooms, or headers `room/x.h`
using Sources = std::map<std::string, std::string>;           // path below the root -> contents

struct Include {
  std::string path;
  bool quoted = false;
};

Arrows read_arrows(const std::string& text) {
  Arrows arrows;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string room, arrow, target;
    if (!(words >> room >> arrow)) continue;
    std::set<std::string>& targets = arrows[room];
    while (words >> target) targets.insert(target);
  }
  return arrows;
}

std::vector<Include> includes_of(const std::string& text) {
  static const std::regex kInclude(R"(^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"])");
  std::vector<Include> found;
  std::istringstream lines(text);
  std::smatch match;
  for (std::string line; std::getline(lines, line);)
    if (std::regex_search(line, match, kInclude)) found.push_back({match[2], match[1] == "\""});
  return found;
}

bool starts_with_any(const std::string& text, const std::vector<std::string>& starts) {
  return std::any_of(starts.begin(), starts.end(), [&](const std::string& start) { return text.rfind(start, 0) == 0; });
}

bool is_torch(const std::string& include) { return starts_with_any(include, {"ATen/", "c10/", "torch/", "caffe2/"}); }

// `include/distill/data/pack.h`, `src/data/pack.cpp` -> `data`; "" for files outside the rooms (src/main.cpp).
std::string room_of(const std::string& path) {
  static const std::regex kRoom("^(?:include/distill|src)/([^/]+)/");
  std::smatch match;
  return std::regex_search(path, match, kRoom) ? match[1].str() : "";
}

// Everything that a room may include: `first` rooms, `second` single headers (`model/output.h`), through all drawn arrows.
std::pair<std::set<std::string>, std::set<std::string>> reachable(const Arrows& arrows, const std::string& from) {
  std::set<std::string> rooms, headers;
  std::vector<std::string> open = {from};
  while (!open.empty()) {
    const std::string room = open.back();
    open.pop_back();
    if (!rooms.insert(room).second || !arrows.count(room)) continue;
    for (const std::string& target : arrows.at(room)) {
      if (target.find('/') == std::string::npos) {
        open.push_back(target);
      } else {
        headers.insert(target);
        open.push_back("core");  // as the build does: one header of plain structs, and core beneath it
      }
    }
  }
  return {rooms, headers};
}

// The headers of ours that `path` sees through its includes, itself left out.
std::set<std::string> closure(const Sources& sources, const std::string& path) {
  std::set<std::string> seen;
  std::vector<std::string> open = {path};
  while (!open.empty()) {
    const std::string current = open.back();
    open.pop_back();
    if (!sources.count(current)) continue;
    for (const Include& include : includes_of(sources.at(current))) {
      const std::string target = "include/" + include.path;
      if (include.quoted && sources.count(target) && seen.insert(target).second) open.push_back(target);
    }
  }
  return seen;
}

// A header arrow also allows what that header includes from its own room (its plain structs may share small values).
void widen_header_arrows(const Sources& sources, std::set<std::string>& headers) {
  for (const std::string& header : std::set<std::string>(headers)) {
    const std::string path = "include/distill/" + header;
    for (const std::string& seen : closure(sources, path))
      if (room_of(seen) == room_of(path)) headers.insert(seen.substr(std::string("include/distill/").size()));
  }
}

std::vector<std::string> wrong_arrows(const Arrows& arrows, const Sources& sources) {
  std::vector<std::string> wrong;
  std::map<std::string, std::pair<std::set<std::string>, std::set<std::string>>> allowed;
  for (const auto& [room, targets] : arrows) {
    allowed[room] = reachable(arrows, room);
    widen_header_arrows(sources, allowed[room].second);
  }
  for (const auto& [path, text] : sources) {
    const std::string room = room_of(path);
    if (room.empty()) continue;
    if (!arrows.count(room)) {
      wrong.push_back(path + ": the room `" + room + "` is not in src/rooms.txt");
      continue;
    }
    for (const Include& include : includes_of(text)) {
      if (!include.quoted) continue;
      if (include.path.rfind("distill/", 0) != 0) {
        const std::string target = (fs::path(path).parent_path() / include.path).lexically_normal().string();
        if (room_of(target) != room) wrong.push_back(path + ": \"" + include.path + "\" leaves the room");
        continue;
      }
      const std::string header = include.path.substr(std::string("distill/").size());
      const std::string target_room = header.substr(0, header.find('/'));
      const auto& [rooms, headers] = allowed[room];
      if (!rooms.count(target_room) && !headers.count(header))
        wrong.push_back(path + ": no arrow from `" + room + "` to `" + header + "`");
      if (!sources.count("include/" + include.path)) wrong.push_back(path + ": \"" + include.path + "\" does not exist");
    }
  }
  return wrong;
}

std::vector<std::string> cycles(const Arrows& arrows) {
  std::vector<std::string> wrong;
  Arrows whole_rooms;  // an arrow to one header counts as one to its room
  for (const auto& [room, targets] : arrows)
    for (const std::string& target : targets) whole_rooms[room].insert(target.substr(0, target.find('/')));
  for (const auto& [room, targets] : arrows) {
    for (const std::string& target : targets) {
      const std::string next = target.substr(0, target.find('/'));
      if (!arrows.count(next)) wrong.push_back(room + " -> " + target + ": no such room");
      if (reachable(whole_rooms, next).first.count(room)) wrong.push_back(room + " -> " + target + " closes a circle");
    }
  }
  return wrong;
}

std::vector<std::string> strayed_libraries(const Sources& sources) {
  static const std::map<std::string, std::string> kHomes = {
      {"yaml-cpp/", "recipe"}, {"CLI/", "cli"}, {"oniguruma.h", "text"}, {"utf8proc.h", "text"}, {"openssl/", "core"}};
  static const std::set<std::string> kTorchFree = {"core", "recipe", "spec", "text"};
  std::vector<std::string> wrong;
  for (const auto& [path, text] : sources) {
    const std::string room = room_of(path);
    for (const Include& include : includes_of(text)) {
      const auto complain = [&](const std::string& rule) { wrong.push_back(path + ": <" + include.path + "> " + rule); };
      if (starts_with_any(include.path, {"spdlog/", "fmt/"}) && path != "src/core/log.cpp")
        complain("belongs to src/core/log.cpp");
      for (const auto& [library, home] : kHomes)
        if (include.path.rfind(library, 0) == 0 && room != home) complain("belongs to the room `" + home + "`");
      if (is_torch(include.path) && kTorchFree.count(room)) complain("in a room without torch");
      if (include.path == "torch/torch.h") complain("costs 11 to 17 s per file: include single ATen headers");
    }
  }
  return wrong;
}

// nvcc must not read torch's headers, neither directly nor through ours.
std::vector<std::string> torch_in_cuda_files(const Sources& sources) {
  std::vector<std::string> wrong;
  for (const auto& [path, text] : sources) {
    const std::string extension = fs::path(path).extension().string();
    if (extension != ".cu" && extension != ".cuh") continue;
    std::set<std::string> seen = closure(sources, path);
    seen.insert(path);
    for (const std::string& file : seen)
      for (const Include& include : includes_of(sources.at(file)))
        if (is_torch(include.path)) wrong.push_back(path + ": sees <" + include.path + "> through " + file);
  }
  return wrong;
}

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

const Sources& checkout() {
  static const Sources kSources = [] {
    Sources sources;
    for (const char* folder : {"include/distill", "src", "tests"})
      for (const auto& entry : fs::recursive_directory_iterator(test::source_folder() / folder)) {
        const std::string extension = entry.path().extension().string();
        if (extension == ".h" || extension == ".cpp" || extension == ".cu" || extension == ".cuh")
          sources[fs::relative(entry.path(), test::source_folder()).string()] = read(entry.path());
      }
    return sources;
  }();
  return kSources;
}

Arrows drawn_arrows() { return read_arrows(read(test::source_folder() / "src" / "rooms.txt")); }

std::string listing(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += "\n  " + line;
  return text;
}

#define EXPECT_NONE(found) EXPECT_TRUE((found).empty()) << listing(found)

TEST(Rooms, EveryIncludeFollowsADrawnArrow) {
  ASSERT_GT(checkout().size(), 20u);
  EXPECT_NONE(wrong_arrows(drawn_arrows(), checkout()));
}

TEST(Rooms, ArrowsCloseNoCircle) {
  ASSERT_TRUE(drawn_arrows().count("core"));
  EXPECT_NONE(cycles(drawn_arrows()));
}

TEST(Rooms, LibrariesStayInTheirRooms) { EXPECT_NONE(strayed_libraries(checkout())); }

TEST(Rooms, CudaFilesSeeNoTorchHeaders) { EXPECT_NONE(torch_in_cuda_files(checkout())); }

// The rules themselves, on made-up projects.

const char kSmallRooms[] = "# a comment\ncore ->\nrecipe -> core\ntensor -> core\ndata -> tensor recipe/data.h\n";

Sources small_project() {
  return {
      {"include/distill/core/error.h", ""},
      {"include/distill/tensor/dtype.h", "#include <ATen/core/TensorBody.h>\n"},
      {"include/distill/recipe/values.h", "#include \"distill/core/error.h\"\n"},
      {"include/distill/recipe/data.h", "#include \"distill/recipe/values.h\"\n"},
      {"include/distill/recipe/train.h", ""},
      {"include/distill/data/pack.h", "#include \"distill/recipe/data.h\"\n"},
      {"src/data/pack.cpp", "#include \"distill/core/error.h\"\n#include \"distill/recipe/values.h\"\n#include \"order.h\"\n"}};
}

TEST(Rooms, ASoundProjectPasses) {
  EXPECT_NONE(wrong_arrows(read_arrows(kSmallRooms), small_project()));
  EXPECT_NONE(cycles(read_arrows(kSmallRooms)));
  EXPECT_NONE(strayed_libraries(small_project()));
}

void expect_caught(const std::string& path, const std::string& text, const std::string& words) {
  Sources sources = small_project();
  sources[path] = text;
  const auto wrong = wrong_arrows(read_arrows(kSmallRooms), sources);
  ASSERT_EQ(wrong.size(), 1u) << listing(wrong);
  EXPECT_NE(wrong[0].find(path), std::string::npos) << wrong[0];
  EXPECT_NE(wrong[0].find(words), std::string::npos) << wrong[0];
}

TEST(Rooms, AnArrowThatIsNotDrawnIsCaught) {
  expect_caught("src/core/error.cpp", "#include \"distill/recipe/data.h\"\n", "no arrow from `core` to `recipe/data.h`");
}
TEST(Rooms, AHeaderArrowAllowsNoOtherHeaderOfThatRoom) {
  expect_caught("src/data/mix.cpp", "  #  include \"distill/recipe/train.h\"\n", "no arrow from `data` to `recipe/train.h`");
}
TEST(Rooms, APrivateHeaderOfAnotherRoomIsCaught) {
  expect_caught("src/data/mix.cpp", "#include \"../recipe/yaml.h\"\n", "leaves the room");
}
TEST(Rooms, AnUnknownRoomIsCaught) { expect_caught("src/attic/box.cpp", "", "not in src/rooms.txt"); }
TEST(Rooms, AHeaderThatDoesNotExistIsCaught) {
  expect_caught("src/data/mix.cpp", "#include \"distill/core/errors.h\"\n", "does not exist");
}

TEST(Rooms, ACircleIsCaught) {
  EXPECT_EQ(cycles(read_arrows("core -> data\ntensor -> core\ndata -> tensor\n")).size(), 3u);
  EXPECT_EQ(cycles(read_arrows("core -> data/pack.h\ndata -> core\n")).size(), 2u);
}

TEST(Rooms, AStrayedLibraryIsCaught) {
  EXPECT_EQ(strayed_libraries({{"src/data/a.cpp", "#include <spdlog/spdlog.h>\n"}}).size(), 1u);
  EXPECT_EQ(strayed_libraries({{"src/core/a.cpp", "#include <ATen/ops/add.h>\n"}}).size(), 1u);
  EXPECT_EQ(strayed_libraries({{"src/model/a.cpp", "#include <torch/torch.h>\n"}}).size(), 1u);
  EXPECT_EQ(strayed_libraries({{"src/cli/a.cpp", "#include <yaml-cpp/yaml.h>\n"}}).size(), 1u);
}

TEST(Rooms, TorchBehindOurHeaderIsCaughtInACudaFile) {
  Sources sources = small_project();
  sources["src/data/a.cu"] = "#include \"distill/tensor/dtype.h\"\n";
  EXPECT_EQ(torch_in_cuda_files(sources).size(), 1u);
}

}  // namespace
}  // namespace distill
