#pragma once

#include <cstdint>
#include <string>

#include "front_file.h"

// The resident planner: a process of Node that stays for a while after a command and does the next ones, so that none waits for Node's
// start. It listens in the folder of all states (lib/runtime-cli/resident). The front hands it the command line, its descriptors and its
// environment, and starts the shim that carries the plans out, so that the processes of containers are the children of whoever called.
//
// Messages are those of wire/protocol.h, of these types, and their bodies strings that end with NUL:
//
//   front → planner                                             planner → front
//   kAsk    what the package's files are, the working folder,   kSpawn    where the shim keeps its files, its name; its executable and
//           the numbers of the descriptors beside it, the                 its control socket; another one comes where the
//           count of the arguments, these, the environment                first has ended
//                                                               kDecline  the command is none for the planner, which has done nothing
//   kGo     the shim was started: nothing was made before       kWait     until the shim has ended
//   kEnded  it has                                              kDone     the exit status, once the shim has ended, and what is to be
//                                                                         told on standard error
//   kHears  no signal of kForward ends this process any more    kForward  the numbers of the signals that are for the program
//   kSignal the number of one that has come
namespace nacelle {

enum class ResidentMessage : uint16_t {
  kAsk = 1,
  kSpawn = 2,
  kGo = 3,
  kWait = 4,
  kEnded = 5,
  kDone = 6,
  kDecline = 7,
  kForward = 8,
  kSignal = 9,
  kHears = 10
};

constexpr char kResidentSocket[] = "@planner";  // no id of a container is such a name

// A command that the resident planner can do.
struct PlannedCall {
  std::string root;  // of all states
  std::string command;
  int command_at = 0;  // the index of its word in the command line
};

// Reads as much of a command line as tells that. False for all others.
bool read_planned_call(int argc, const char* const* argv, const std::string& default_root, PlannedCall& call);

// Starts a resident planner where there is none.
void begin_resident(const FrontFile& file, const std::string& root);

// Has the resident planner do a command, and starts one for the next where there is none. False: nothing was done, and the command is
// for a planner of its own.
bool ask_resident(const FrontFile& file, const PlannedCall& call, int argc, char** argv, int& exit_status);

}  // namespace nacelle
