#pragma once

namespace nacelle {

// The argument after which the shim's executable is the command `nacelle-oci`.
constexpr char kFrontArgument[] = "nacelle-oci";

// The command `nacelle-oci`, from the file of `nacelle-oci install` on: argv[0] is its path, the rest its arguments. What `create` has left
// plans for is done here; all else, and whatever does not go as it should, is for Node. Returns the exit status.
int front_main(int argc, char** argv);

}  // namespace nacelle
