// The program: everything is in the cli room.
#include "distill/cli/main.h"

int main(int argc, char** argv) { return distill::cli_main(argc, argv); }
