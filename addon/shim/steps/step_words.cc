#include "step_words.h"

namespace nacelle {
namespace {

std::string text_of(const Str& field) { return {field.text, field.size}; }
std::string text_of(uint64_t field) { return std::to_string(field); }
std::string text_of(const List<Str>& field) {
  std::string all;
  for (const Str& one : field) all += (all.empty() ? "" : ",") + text_of(one);
  return all;
}

template <typename Field>
void fill(std::string& words, const char* name, const Field& field) {
  const std::string place = std::string("{") + name + "}";
  const size_t at = words.find(place);
  if (at != std::string::npos) words.replace(at, place.size(), text_of(field));
}

}  // namespace

std::string step_words(const StepHead& step) {
  Reader reader = step.arguments;
  switch (step.op) {
#include "../wire/field_words.def"
#define STEP(name, side, call, what, ...) \
  case Op::name: {                        \
    std::string words = what;             \
    [[maybe_unused]] args::name a;        \
    if (args::decode(reader, a)) {        \
      __VA_ARGS__                         \
    }                                     \
    return words;                         \
  }
#include "steps.def"
#undef STEP
#include "../wire/field_end.def"
  }
  return "run an unknown step";
}

void name_failure(Context& context, const StepHead& step) {
  std::string words = step_words(step);
  if (context.text[0] != '\0') words += std::string(": ") + context.text;
  context.failed(0, words.c_str());
}

}  // namespace nacelle
