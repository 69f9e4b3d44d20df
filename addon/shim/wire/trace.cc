#include "trace.h"

#include <sys/mman.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <new>

#include "wire.h"

namespace nacelle {
namespace {

int64_t read_clock(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

// The clocks of two namespaces that are nearer to each other are the same one, which can't be read more exactly.
constexpr int64_t kLeastOffset = 1'000'000;

constexpr int kReadings = 16;

}  // namespace

int Trace::start() {
  if (is_on()) return 0;
  void* const memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return -errno;
  // no constructor of the marks: it would touch every page
  shared_ = static_cast<Shared*>(memory);
  new (&shared_->count) std::atomic<uint32_t>(0);
  return share(false);
}

void Trace::stop() {
  if (shared_ != nullptr) munmap(shared_, sizeof(Shared));
  shared_ = nullptr;
}

int Trace::share(bool shared) const {
  if (shared_ == nullptr) return 0;
  return madvise(shared_, sizeof(Shared), shared ? MADV_DOFORK : MADV_DONTFORK) < 0 ? -errno : 0;
}

size_t Trace::begin(int32_t where, uint32_t index) {
  if (shared_ == nullptr || shared_->count.load(std::memory_order_relaxed) >= kMost) return kNone;
  const size_t place = shared_->count.fetch_add(1, std::memory_order_relaxed);
  if (place >= kMost) return kNone;
  shared_->marks[place] = {where, index, now(), 0};
  return place;
}

void Trace::end(size_t place) {
  if (shared_ != nullptr && place < kMost) shared_->marks[place].ended_ns = now();
}

void Trace::note(int32_t where, uint64_t began_ns) {
  const size_t place = begin(where, 0);
  if (place == kNone) return;
  shared_->marks[place].began_ns = began_ns;
  end(place);
}

// Of several readings the one that took the shortest time: a process can wait for its turn between two clocks.
int64_t Trace::skew() {
  int64_t skew = 0;
  int64_t shortest = INT64_MAX;
  for (int i = 0; i < kReadings; ++i) {
    const int64_t before = read_clock(CLOCK_REALTIME);
    const int64_t monotonic = read_clock(CLOCK_MONOTONIC);
    const int64_t took = read_clock(CLOCK_REALTIME) - before;
    if (took < 0 || took >= shortest) continue;  // the first: somebody has set the clock
    shortest = took;
    skew = monotonic - before - took / 2;
  }
  return skew;
}

void Trace::follow_clock(int64_t skew_before) {
  if (shared_ == nullptr) return;
  const int64_t offset = skew() - skew_before;
  if (offset >= kLeastOffset || offset <= -kLeastOffset) shift_ns_ -= offset;
}

uint64_t Trace::now() const { return static_cast<uint64_t>(read_clock(CLOCK_MONOTONIC) + shift_ns_); }

void Trace::write(Writer& writer) const {
  const size_t count = shared_ == nullptr ? 0 : std::min<size_t>(shared_->count.load(std::memory_order_relaxed), kMost);
  writer.u32(static_cast<uint32_t>(count));
  for (size_t place = 0; place < count; ++place) {
    const Mark& mark = shared_->marks[place];
    writer.i32(mark.where).u32(mark.index).num(mark.began_ns).num(mark.ended_ns);
  }
}

}  // namespace nacelle
