// The init mode of the shim as a program of its own, static and without sanitizers: see executable.cc.
#include "shim/reaper.h"

int main(int, char** argv) { nacelle::reaper_main(argv[1]); }
