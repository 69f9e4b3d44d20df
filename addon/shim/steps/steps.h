#pragma once

#include "context.h"
#include "ops.h"

// The steps, one function each: 0 or -errno. Files: steps_descriptor, steps_namespace, steps_mount,
// steps_file, steps_group, steps_devices, steps_network, steps_process, steps_pump, steps_work.
namespace nacelle {

#define STEP(name, what, ...) int run(Context& context, const args::name& a);
#include "steps.def"
#undef STEP

// Reads a step's arguments and runs it. -EPROTO when they can't be read.
int interpret(Context& context, Op op, Reader arguments);

// Reads the next step; false at the end or when the message is wrong.
bool next_step(Reader& reader, StepHead& head);

// Whether the child itself runs these, never the shim; and the reverse.
bool child_only(Op op);
bool host_only(Op op);

}  // namespace nacelle
