#pragma once

#include <string>
#include <string_view>

// A command line of nacelle-oci, as far as the front knows such.
namespace nacelle {

struct FrontCall {
  std::string root;  // of all states; absolute, without '.' and '..'
  std::string log;   // empty: none
  bool is_json = false;
  std::string command;  // as plans have it: 'start', 'kill --all KILL'
  int command_at = 0;   // the index of its word in the command line
  std::string id;
  int signal = 0;
  bool forgives = false;  // a container that is not there is success
};

// Reads the arguments, without those by which the front was started. False for whatever the front does not know, or would refuse: that is
// for the planner, whose words are told.
bool read_front_call(int argc, const char* const* argv, const std::string& default_root, FrontCall& call);

// The value of the last flag --resources of `update`, the command at an index; empty without one.
std::string_view resources_of(int argc, const char* const* argv, int command_at);

}  // namespace nacelle
