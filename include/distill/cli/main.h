// The entry of the command line; returns the exit code of DESIGN section 2. Never throws.
#pragma once

namespace distill {
int cli_main(int argc, char** argv);
}
