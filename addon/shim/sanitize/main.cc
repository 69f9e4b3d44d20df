// The shim's modes beside a program (init and pump) as an executable of their own, static and without sanitizers: see executable.cc.
#include <cstring>

#include "../modes/pump.h"
#include "../modes/reaper.h"

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[0], nacelle::kPumpName) == 0) nacelle::pump_main(argv[1]);
  nacelle::reaper_main(argv[1]);
}
