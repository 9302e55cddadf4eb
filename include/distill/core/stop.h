// Ctrl-C and SIGTERM: the handler only sets a flag, and every long loop asks for it. A second signal leaves at once.
#pragma once

#include "distill/core/error.h"

namespace distill {

// The work ended early because a signal asked for it. Exit code 130 (SIGINT) or 143 (SIGTERM).
struct Stopped : Error {
  explicit Stopped(int signal);
};

// From now on SIGINT and SIGTERM set the flag; a second one ends the process with 128 + its number, without clean-up.
void install_stop_handlers();
// 0 while nobody asked to stop, else SIGINT or SIGTERM (the first that came).
int stop_signal();
// Throws Stopped when a signal came. Cheap: one atomic load.
void check_stop();

}  // namespace distill
