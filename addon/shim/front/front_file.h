#pragma once

#include <string>
#include <string_view>
#include <vector>

// The file that engines are given (`nacelle-oci install FILE`). Its first line has the kernel run the shim's executable as the front; the
// others say what TypeScript has decided (lib/runtime-cli/front/front-file.ts).
namespace nacelle {

struct FrontFile {
  std::string node, script;        // the planner
  std::string root;                // where states are, unless --root says so
  std::string missing;             // what is told of a container that is not there
  std::string resident;            // for how many seconds without a command the resident planner stays; empty: there is none
  std::vector<std::string> unset;  // variables that the planner does not get
  bool is_known = true;            // false: it has something that this front does not know, and all is the planner's
};

// False where it does not name a planner.
bool read_front_file(std::string_view text, FrontFile& file);

}  // namespace nacelle
