#include "distill/cli/main.h"

#include <cstdio>

namespace distill {
int cli_main(int, char**) { std::puts("distill"); return 0; }
}  // namespace distill
