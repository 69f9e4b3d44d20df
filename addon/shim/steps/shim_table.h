#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "../wire/plan.h"
#include "../wire/wire.h"

// What a shim knows, as it tells those who may be of another version: a line for each step, then for each part of a plan, in the order of
// their numbers. lib/native/shim-table.ts reads and writes the same.
//
//   step open OUT(out) SLOT(at) STR(path) NUM(flags) NUM(mode)
//   part timeout NUM(wait)
namespace nacelle {

extern const char kOwnTable[];
// Of the package that this shim was built with: major.minor.patch.
extern const char kOwnVersion[];

// The number that a translated step has which this shim does not know: it fails when it is run.
constexpr uint16_t kUnknown = 0xffff;

// Makes plans that were written with another shim's table ours, by writing our numbers over that shim's.
class Translation {
 public:
  void read(const std::string& table);

  // Each is false for bytes that can't be read; what was written then is of no use.
  bool plan(char* data, size_t size) const { return plan(data, size, true); }
  // The body of a kCall.
  bool call(char* data, size_t size) const;
  // Steps that a task has kept.
  bool list(char* data, size_t size) const { return steps(data, Reader(data, size), false); }

 private:
  // `outer`: it may have a check of health, which is a plan that has none.
  bool plan(char* data, size_t size, bool outer) const;
  // `outer`: some of them may have a list of steps, of which none has one.
  bool steps(char* data, const Reader& steps, bool outer) const;
  bool part(char* data, const Item& item, uint16_t number, bool outer) const;

  std::vector<uint16_t> steps_, parts_;
};

// Whether each of the steps is one that this shim knows.
bool are_known(Reader steps);
// Whether this shim knows all steps and parts of a plan that are still to be run: those of the stages only where the first run is to come.
bool is_known(const Plan& plan, bool with_stages);

}  // namespace nacelle
