// The stories of the demo: a stochastic grammar over a small made-up world, so that the demo needs no download and the true
// distribution is rich enough for a teacher to know more than a small transfer set shows.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace distill::demo {

inline constexpr int kNumTopics = 6, kNumNouns = 12, kNumVerbs = 7, kNumAdjectives = 6, kNumPlaces = 3, kNumPeople = 20,
                     kNumTowns = 12;

// What stays true in all stories of one seed: where people come from, what they like, which objects go with which verbs.
struct World {
  explicit World(uint64_t seed);
  std::array<int, kNumPeople> town_of{};
  std::array<int, kNumPeople> trade_of{};                                          // a topic
  std::array<std::array<std::array<int, 3>, kNumVerbs>, kNumTopics> objects_of{};  // nouns that a verb prefers, best first
  std::array<std::array<int, kNumNouns>, kNumTopics> adjective_of{};               // what a noun mostly is
};

// `count` stories, a pure function of (seed, split): different splits of one seed tell different stories of the same world.
std::vector<std::string> tell_stories(uint64_t seed, const std::string& split, int64_t count);

}  // namespace distill::demo
