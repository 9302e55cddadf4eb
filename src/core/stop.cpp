#include "distill/core/stop.h"

#include <unistd.h>

#include <atomic>
#include <csignal>

namespace distill {
namespace {

std::atomic<int> received{0};
static_assert(std::atomic<int>::is_always_lock_free, "the handler may only touch lock-free state");

void note_signal(int signal) {
  int none = 0;
  if (!received.compare_exchange_strong(none, signal)) ::_exit(128 + signal);
}

}  // namespace

Stopped::Stopped(int signal)
    : Error(signal == SIGINT ? ExitCode::interrupted : ExitCode::terminated,
            {{"distill", "to finish the work", signal == SIGINT ? "an interrupt (SIGINT)" : "a request to end (SIGTERM)",
              "Run the same command again to go on.", ""}}) {}

void install_stop_handlers() {
  struct sigaction action {};
  action.sa_handler = note_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;  // libraries that do not expect EINTR must not lose a read or a write
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

int stop_signal() { return received.load(std::memory_order_relaxed); }

void check_stop() {
  if (const int signal = stop_signal()) throw Stopped(signal);
}

}  // namespace distill
