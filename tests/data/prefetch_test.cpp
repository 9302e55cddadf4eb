#include "distill/data/prefetch.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <stdexcept>

namespace distill {
namespace {

using Numbers = Prefetcher<int64_t>;

TEST(Prefetch, GivesTheValuesInOrderFromAnyPosition) {
  Numbers numbers([](int64_t i) { return i * i; }, 3);
  EXPECT_EQ(numbers.next(), 0);
  EXPECT_EQ(numbers.next(), 1);
  numbers.seek(10);
  EXPECT_EQ(numbers.next(), 100);
  EXPECT_EQ(numbers.next(), 121);
  EXPECT_EQ(numbers.position(), 12);
}

TEST(Prefetch, NeverRunsFurtherAheadThanAsked) {
  std::atomic<int64_t> made{0};
  std::promise<void> third;
  Numbers numbers(
      [&](int64_t i) {
        if (++made == 3) third.set_value();
        return i;
      },
      2);
  numbers.next();  // makes room for one more: 0 taken, 1 and 2 ready
  third.get_future().wait();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(made, 3);
}

TEST(Prefetch, AFailureTravelsToTheTakerAfterTheValuesBeforeIt) {
  bool fails = true;
  Numbers numbers(
      [&](int64_t i) {
        if (i == 2 && fails) throw std::runtime_error("row 2");
        return i;
      },
      4);
  EXPECT_EQ(numbers.next(), 0);
  EXPECT_EQ(numbers.next(), 1);
  EXPECT_THROW(numbers.next(), std::runtime_error);
  EXPECT_EQ(numbers.position(), 2);
  EXPECT_THROW(numbers.next(), std::runtime_error) << "it stays wrong while the cause stays";
  fails = false;
  EXPECT_EQ(numbers.next(), 2);
}

TEST(Prefetch, GoesAwayWhileTheQueueIsFullAndWhileAValueIsMade) {
  auto alive = std::make_shared<int>(0);
  {
    Prefetcher<std::shared_ptr<int>> full([alive](int64_t) { return alive; }, 2);
    full.next();
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_EQ(alive.use_count(), 1);
  std::promise<void> entered, released;
  auto release = std::make_unique<std::thread>();
  {
    Numbers busy(
        [&](int64_t i) {
          if (i == 1) {
            entered.set_value();
            released.get_future().wait();
          }
          return i;
        },
        2);
    busy.next();
    entered.get_future().wait();
    *release = std::thread([&] { released.set_value(); });
  }
  release->join();
}

TEST(Prefetch, GoesAwayWithoutEverHavingBeenAsked) {
  int made = 0;
  {
    Numbers idle([&](int64_t i) { return ++made, i; }, 2);
  }
  EXPECT_EQ(made, 0);
}

TEST(Prefetch, WithoutAThreadItMakesValuesOnDemand) {
  int64_t made = 0;
  Numbers direct([&](int64_t i) { return ++made, i; }, 0);
  EXPECT_EQ(direct.next(), 0);
  EXPECT_EQ(direct.next(), 1);
  EXPECT_EQ(made, 2);
  direct.seek(7);
  EXPECT_EQ(direct.next(), 7);
}

}  // namespace
}  // namespace distill
