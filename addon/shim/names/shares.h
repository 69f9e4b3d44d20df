#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>

namespace nacelle::names {

// Bounds how many there are of a thing that clients can make, in a fair way: where there is no room for one more, the client with the most
// loses its oldest. So whoever wants many harms only itself.
class Shares {
 public:
  explicit Shares(size_t most) : most_(most) {}

  // One more for the owner; later ones have greater numbers. `lose` ends it, and has called remove() when it returns. That may be now.
  void add(uint64_t owner, uint64_t number, std::function<void()> lose);
  void remove(uint64_t owner, uint64_t number);
  // The owner loses all.
  void remove_all(uint64_t owner);

 private:
  void lose_one();

  size_t most_, count_ = 0;
  std::map<uint64_t, std::map<uint64_t, std::function<void()>>> owners_;
};

}  // namespace nacelle::names
