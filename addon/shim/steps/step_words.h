#pragma once

#include <string>

#include "context.h"
#include "ops.h"

namespace nacelle {

// What a step does, in the words of steps.def with its fields filled in, as Node has them for the steps that it knows.
std::string step_words(const StepHead& step);

// Puts these words before those about a failure: Node knows the step that stands for a list, and not which one of the list has failed.
void name_failure(Context& context, const StepHead& step);

}  // namespace nacelle
