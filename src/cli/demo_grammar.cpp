// Sentences with agreement, nested relative clauses, latent topics, pronouns, sums, and facts that hold across stories.
#include "demo_grammar.h"

#include <string_view>

#include "distill/core/file.h"
#include "distill/core/random.h"

namespace distill::demo {
namespace {

struct Topic {
  std::array<std::string_view, kNumPlaces> places;
  std::array<std::string_view, kNumNouns> nouns;  // plural: + s
  std::array<std::string_view, kNumVerbs> verbs;  // singular: + s
  std::array<std::string_view, kNumAdjectives> adjectives;
};

constexpr std::array<Topic, kNumTopics> kTopics = {{
    {{"market", "square", "arcade"},
     {"basket", "coin", "trader", "ribbon", "melon", "scale", "ledger", "carpet", "customer", "lantern", "ring", "stall"},
     {"sell", "count", "weigh", "borrow", "wrap", "praise", "trade"},
     {"cheap", "bright", "heavy", "rare", "striped", "clever"}},
    {{"harbour", "pier", "lighthouse"},
     {"boat", "sailor", "net", "anchor", "gull", "rope", "captain", "barrel", "sail", "crab", "oar", "wave"},
     {"pull", "mend", "follow", "load", "row", "catch", "signal"},
     {"salty", "old", "wet", "calm", "stormy", "strong"}},
    {{"garden", "orchard", "greenhouse"},
     {"rose", "bee", "ladder", "pear", "seed", "gardener", "hedge", "snail", "root", "spade", "plum", "nest"},
     {"water", "plant", "trim", "gather", "dig", "shade", "feed"},
     {"green", "ripe", "wild", "small", "sweet", "tall"}},
    {{"kitchen", "bakery", "cellar"},
     {"roll", "cook", "kettle", "spoon", "onion", "pan", "apron", "guest", "cake", "jar", "herb", "oven"},
     {"stir", "taste", "burn", "slice", "warm", "serve", "clean"},
     {"hot", "fresh", "bitter", "round", "golden", "hungry"}},
    {{"observatory", "tower", "library"},
     {"star", "map", "comet", "scholar", "lens", "book", "planet", "clock", "letter", "candle", "chart", "owl"},
     {"watch", "draw", "name", "measure", "read", "copy", "study"},
     {"distant", "silent", "dusty", "strange", "pale", "wise"}},
    {{"workshop", "mill", "forge"},
     {"hammer", "wheel", "smith", "nail", "gear", "chain", "horse", "engine", "apprentice", "bolt", "saw", "cart"},
     {"build", "repair", "turn", "lift", "oil", "bend", "test"},
     {"rusty", "loud", "iron", "broken", "quick", "careful"}},
}};

struct Person {
  std::string_view name;
  bool female;
};
constexpr std::array<Person, kNumPeople> kPeople = {{{"Mara", true},  {"Tomas", false},  {"Ilse", true}, {"Borin", false},
                                                     {"Wenna", true}, {"Oskar", false},  {"Lida", true}, {"Pavel", false},
                                                     {"Runa", true},  {"Edmund", false}, {"Sefa", true}, {"Jory", false},
                                                     {"Nadia", true}, {"Kasper", false}, {"Thea", true}, {"Milo", false},
                                                     {"Greta", true}, {"Anton", false},  {"Yana", true}, {"Felix", false}}};
constexpr std::array<std::string_view, kNumTowns> kTowns = {"Tolen",  "Brask",  "Uverly", "Hamm",  "Quill",   "Ostrow",
                                                            "Pember", "Lindow", "Carth",  "Veyne", "Dunmore", "Sorrel"};
constexpr std::array<std::string_view, 4> kPrepositions = {"near", "behind", "inside", "beyond"};
constexpr std::array<std::string_view, 5> kTimes = {"In the morning", "At noon", "After the rain", "Before dusk", "That night"};
constexpr std::array<std::string_view, 4> kSpeech = {"says", "thinks", "hopes", "claims"};

// A stream of random choices.
class Dice {
 public:
  explicit Dice(uint64_t key) : key_(key) {}
  bool chance(double probability) { return uniform(key_, next_++) < probability; }
  int below(int count) { return static_cast<int>(uniform(key_, next_++) * count); }
  // Index below `count`, the k-th with a weight of 1 / (k + 1): few words are common, many are rare.
  int ranked(int count) {
    double total = 0;
    for (int k = 0; k < count; ++k) total += 1.0 / (k + 1);
    double left = uniform(key_, next_++) * total;
    for (int k = 0; k < count; ++k) {
      left -= 1.0 / (k + 1);
      if (left < 0) return k;
    }
    return count - 1;
  }

 private:
  uint64_t key_, next_ = 0;
};

struct Phrase {
  std::string text;
  bool plural = false;
};

class Story {
 public:
  Story(const World& world, uint64_t key) : world_(world), dice_(key), topic_index_(dice_.below(kNumTopics)) {
    hero_ = person_of_trade();
    do friend_ = dice_.below(kNumPeople);
    while (friend_ == hero_);
    place_ = topic().places[static_cast<size_t>(dice_.ranked(kNumPlaces))];
  }

  std::string tell() {
    std::string text = opening();
    const int num_sentences = 2 + dice_.below(4);
    for (int i = 0; i < num_sentences; ++i) text += " " + sentence();
    return text;
  }

 private:
  const Topic& topic() const { return kTopics[static_cast<size_t>(topic_index_)]; }
  static std::string name(int person) { return std::string(kPeople[static_cast<size_t>(person)].name); }
  static std::string pronoun(int person) { return kPeople[static_cast<size_t>(person)].female ? "she" : "he"; }
  std::string home(int person) const {
    return std::string(kTowns[static_cast<size_t>(world_.town_of[static_cast<size_t>(person)])]);
  }

  // Stories of a topic are mostly about people of that trade.
  int person_of_trade() {
    int person = dice_.below(kNumPeople);
    for (int i = 0; i < 6 && world_.trade_of[static_cast<size_t>(person)] != topic_index_; ++i) person = dice_.below(kNumPeople);
    return person;
  }

  std::string opening() {
    switch (dice_.below(3)) {
      case 0:
        return name(hero_) + " of " + home(hero_) + " is in the " + place_ + " with " + name(friend_) + ".";
      case 1:
        return name(hero_) + " comes from " + home(hero_) + " and works in the " + place_ + ".";
      default:
        return "In the " + place_ + ", " + name(hero_) + " waits for " + name(friend_) + " from " + home(friend_) + ".";
    }
  }

  std::string sentence() {
    const double kind = dice_.below(100);
    if (kind < 16) return sum();
    if (kind < 28) return speech();
    if (kind < 52) return std::string(kTimes[static_cast<size_t>(dice_.ranked(kTimes.size()))]) + ", " + clause(0) + ".";
    std::string text = clause(0) + ".";
    text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
    return text;
  }

  // The sum is always right: what it is must be computed from the two numbers before it.
  std::string sum() {
    const std::string thing(topic().nouns[static_cast<size_t>(dice_.ranked(kNumNouns))]);
    const int first = 2 + dice_.below(8), second = 2 + dice_.below(8);
    return "There are " + std::to_string(first) + " " + thing + "s and " + std::to_string(second) + " more, so " +
           pronoun(hero_) + " has " + std::to_string(first + second) + " " + thing + "s.";
  }

  std::string speech() {
    const int speaker = dice_.chance(0.5) ? hero_ : friend_;
    return name(speaker) + " " + std::string(kSpeech[static_cast<size_t>(dice_.ranked(kSpeech.size()))]) + " that " + clause(0) +
           ".";
  }

  // The verb agrees with the subject, however long the relative clause between them.
  std::string clause(int depth) {
    const Phrase subject = subject_phrase(depth);
    return subject.text + " " + predicate(subject.plural, depth);
  }

  std::string predicate(bool plural, int depth) {
    const int verb = dice_.ranked(kNumVerbs);
    std::string text = conjugated(verb, plural) + " " + object_phrase(verb, depth);
    if (dice_.chance(0.25)) {
      text += " " + std::string(kPrepositions[static_cast<size_t>(dice_.ranked(kPrepositions.size()))]) + " the " +
              (dice_.chance(0.7) ? place_ : std::string(topic().places[static_cast<size_t>(dice_.below(kNumPlaces))]));
    }
    return text;
  }

  std::string conjugated(int verb, bool plural) const {
    const std::string word(topic().verbs[static_cast<size_t>(verb)]);
    if (plural) return word;
    return word + (word.ends_with("ch") ? "es" : "s");
  }

  Phrase subject_phrase(int depth) {
    const int kind = dice_.below(10);
    if (kind < 3) return {pronoun(hero_), false};
    if (kind < 5) return {name(dice_.chance(0.6) ? friend_ : hero_), false};
    return noun_phrase(dice_.ranked(kNumNouns), depth);
  }

  std::string object_phrase(int verb, int depth) {
    const auto& preferred = world_.objects_of[static_cast<size_t>(topic_index_)][static_cast<size_t>(verb)];
    const int noun = dice_.chance(0.85) ? preferred[static_cast<size_t>(dice_.ranked(3))] : dice_.below(kNumNouns);
    return noun_phrase(noun, depth + 1).text;
  }

  Phrase noun_phrase(int noun, int depth) {
    const bool plural = dice_.chance(0.4);
    std::string text = plural ? (dice_.chance(0.5) ? "the" : "some") : (dice_.chance(0.6) ? "the" : "one");
    if (dice_.chance(0.5)) {
      const int usual = world_.adjective_of[static_cast<size_t>(topic_index_)][static_cast<size_t>(noun)];
      const int adjective = dice_.chance(0.75) ? usual : dice_.below(kNumAdjectives);
      text += " " + std::string(topic().adjectives[static_cast<size_t>(adjective)]);
    }
    text += " " + std::string(topic().nouns[static_cast<size_t>(noun)]) + (plural ? "s" : "");
    if (depth < 2 && dice_.chance(0.2)) text += " that " + relative_clause(plural, depth + 1);
    return {text, plural};
  }

  std::string relative_clause(bool plural, int depth) {
    if (dice_.chance(0.6)) return predicate(plural, depth);
    return pronoun(hero_) + " " + conjugated(dice_.ranked(kNumVerbs), false);
  }

  const World& world_;
  Dice dice_;
  int topic_index_ = 0, hero_ = 0, friend_ = 0;
  std::string place_;
};

}  // namespace

World::World(uint64_t seed) {
  Dice dice(random_key({seed, hash_text("world")}));
  for (int& town : town_of) town = dice.below(kNumTowns);
  for (int& trade : trade_of) trade = dice.below(kNumTopics);
  for (auto& verbs : objects_of)
    for (auto& objects : verbs)
      for (int& noun : objects) noun = dice.below(kNumNouns);
  for (auto& nouns : adjective_of)
    for (int& adjective : nouns) adjective = dice.below(kNumAdjectives);
}

std::vector<std::string> tell_stories(uint64_t seed, const std::string& split, int64_t count) {
  const World world(seed);
  std::vector<std::string> stories;
  for (int64_t i = 0; i < count; ++i)
    stories.push_back(Story(world, random_key({seed, hash_text(split), static_cast<uint64_t>(i)})).tell());
  return stories;
}

}  // namespace distill::demo
