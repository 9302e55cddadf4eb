#include "distill/core/stop.h"

#include <gmock/gmock.h>  // testing::_ instead of a regex: Oniguruma brings another regcomp()
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

namespace distill {
namespace {

// Each case runs in its own process: the flag stays set.
[[noreturn]] void exit_with_the_code_of_a_stop(int signal) {
  install_stop_handlers();
  if (stop_signal() != 0) std::_Exit(1);
  check_stop();
  ::raise(signal);
  if (stop_signal() != signal) std::_Exit(2);
  try {
    check_stop();
  } catch (const Stopped& stopped) {
    std::_Exit(static_cast<int>(stopped.exit_code()));
  }
  std::_Exit(3);
}

TEST(Stop, SigtermSetsTheFlagAndCheckStopThrowsWithExitCode143) {
  EXPECT_EXIT(exit_with_the_code_of_a_stop(SIGTERM), testing::ExitedWithCode(143), testing::_);
}

TEST(Stop, SigintSetsTheFlagAndCheckStopThrowsWithExitCode130) {
  EXPECT_EXIT(exit_with_the_code_of_a_stop(SIGINT), testing::ExitedWithCode(130), testing::_);
}

TEST(Stop, ASecondSignalLeavesAtOnce) {
  EXPECT_EXIT(
      {
        install_stop_handlers();
        ::raise(SIGTERM);
        ::raise(SIGINT);
        std::_Exit(4);
      },
      testing::ExitedWithCode(130), testing::_);
}

}  // namespace
}  // namespace distill
