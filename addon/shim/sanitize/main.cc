// The shim's modes beside a program (init, pump and log) as an executable of their own, static and without sanitizers: see executable.cc.
#include <cstring>

#include "../modes/log.h"
#include "../modes/pump.h"
#include "../modes/reaper.h"

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[0], nacelle::kPumpName) == 0) nacelle::pump_main(argv[1]);
  if (argc == 4 && std::strcmp(argv[0], nacelle::kLogName) == 0) nacelle::log_main(argv[1], argv[2], argv[3]);
  nacelle::reaper_main(argv[1]);
}
