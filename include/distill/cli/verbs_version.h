// `distill version`: what was built, against what.
#pragma once

namespace distill {
int run_version(bool json);
}
