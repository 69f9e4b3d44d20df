#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "../wire/wire.h"

namespace nacelle {

namespace args {
struct run_steps;
}

// Steps that a task was told to keep, by their keys: what it will have to do at its next run or its end, though its plan, which was made
// before, knows nothing of it.
class KeptSteps {
 public:
  void put(uint64_t key, const Bytes& steps) { lists_[key].assign(steps.data, steps.size); }
  // The lists that a step `run_steps` stands for. They are those of this object until one is put in the place of one of them.
  std::vector<Reader> of(const args::run_steps& step) const;
  const std::map<uint64_t, std::string>& all() const { return lists_; }

 private:
  std::map<uint64_t, std::string> lists_;
};

}  // namespace nacelle
