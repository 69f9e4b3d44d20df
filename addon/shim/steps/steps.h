#pragma once

#include "context.h"
#include "ops.h"

// The steps, one function each: 0 or -errno. Files: steps_descriptor, steps_namespace, steps_mount, steps_file, steps_group, steps_devices,
// steps_network, steps_process, steps_user, steps_exec, steps_pump, steps_work.
namespace nacelle {

#define RUN_child(name) int run(Context& context, const args::name& a);
#define RUN_host(name) RUN_child(name)
#define RUN_both(name) RUN_child(name)
#define RUN_flow(name)
#define STEP(name, side, call, what, ...) RUN_##side(name)
#include "steps.def"
#undef STEP
#undef RUN_child
#undef RUN_host
#undef RUN_both
#undef RUN_flow

// Reads a step's arguments and runs it. -EPROTO when they can't be read.
int interpret(Context& context, Op op, Reader arguments);

// Reads the next step; false at the end or when the message is wrong.
bool next_step(Reader& reader, StepHead& head);
// Whether there is such a step among them.
bool has_step(Reader steps, Op op);

}  // namespace nacelle
