// The shim's modes beside a program as an executable of their own, static and without sanitizers: see executable.cc.
#include "../modes/by_name.h"

int main(int argc, char** argv) {
  nacelle::run_by_name(argc, argv);
  return 2;
}
