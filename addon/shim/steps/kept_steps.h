#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "../wire/wire.h"
#include "ops.h"

namespace nacelle {

// Steps that are read while others may be put in their place: their bytes stay for who reads them. Those of a plan have no bytes here.
struct KeptList {
  std::shared_ptr<const std::string> bytes;
  Reader left;
};

// Steps that a task was told to keep, by their keys: what it will have to do at its next run or its end, though its plan, which was made
// before, knows nothing of it.
class KeptSteps {
 public:
  using Lists = std::map<uint64_t, std::shared_ptr<const std::string>>;

  void put(uint64_t key, const Bytes& steps) { lists_[key] = std::make_shared<const std::string>(steps.data, steps.size); }
  // The lists that a step `run_steps` stands for.
  std::vector<KeptList> of(const args::run_steps& step) const;
  const Lists& all() const { return lists_; }

 private:
  Lists lists_;
};

// Whether a step may stand in such a list: the shim runs it, and it neither changes the lists nor stands for one.
constexpr bool may_be_kept(Op op) { return runs_in_shim(op) && op != Op::run_steps && op != Op::keep_steps; }

}  // namespace nacelle
