#include "distill/core/units.h"

#include <gtest/gtest.h>

namespace distill {
namespace {

TEST(Units, QuantitiesOfTheRecipeAreRead) {
  EXPECT_EQ(parse_duration("10k steps"), steps(10000));
  EXPECT_EQ(parse_duration("30M tokens"), tokens(30e6));
  EXPECT_EQ(parse_duration("2 epochs"), epochs(2));
  EXPECT_EQ(parse_duration("3%"), percent(3));
  EXPECT_EQ(parse_duration("10 minutes"), minutes(10));
  EXPECT_EQ(parse_duration("2 hours"), minutes(120));
  EXPECT_EQ(parse_duration("200"), (Duration{200, Unit::none}));
}

TEST(Units, WhatIsNoQuantityIsRefused) {
  for (const char* text : {"", "steps", "ten steps", "10 stepz", "1e999 steps", "5 k k", "nan", "inf steps"})
    EXPECT_FALSE(parse_duration(text)) << text;
}

TEST(Units, DurationsPrintToTextThatReadsBack) {
  for (const Duration& value : {steps(10000), tokens(3e7), epochs(0.5), percent(3), minutes(10), Duration{7, Unit::seconds}})
    EXPECT_EQ(parse_duration(to_string(value)), value) << to_string(value);
}

TEST(Units, BytesAreRead) {
  EXPECT_EQ(parse_bytes("24 GiB"), uint64_t{24} << 30);
  EXPECT_EQ(parse_bytes("512MB"), 512000000u);
  EXPECT_FALSE(parse_bytes("12 parsecs"));
}

}  // namespace
}  // namespace distill
