// What a prebuild has of the C++ library's own, instead of that library: it ends the process where that would throw what nobody here can
// catch
// (-fno-exceptions), and brings no unwinder, no names of types and no locales. Hidden, as all here is but what N-API looks for.
#include <sched.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <typeinfo>

// NOLINTBEGIN(bugprone-reserved-identifier): their names are those of the library

namespace std {
const nothrow_t nothrow{};
void __throw_bad_alloc() { abort(); }
void __throw_bad_array_new_length() { abort(); }
void __throw_bad_function_call() { abort(); }
void __throw_length_error(const char*) { abort(); }
void __throw_logic_error(const char*) { abort(); }
void __throw_out_of_range(const char*) { abort(); }
void __throw_out_of_range_fmt(const char*, ...) { abort(); }
void __throw_system_error(int) { abort(); }
// Without names of types a tag is told by its address alone, as it is asked for before.
bool _Sp_make_shared_tag::_S_eq(const type_info&) noexcept { return false; }
template class basic_string<char>;
}  // namespace std

void* operator new(size_t size, const std::nothrow_t&) noexcept { return malloc(size == 0 ? 1 : size); }
void* operator new(size_t size) {
  void* memory = operator new(size, std::nothrow);
  if (memory == nullptr) abort();
  return memory;
}
void* operator new[](size_t size) { return operator new(size); }
void operator delete(void* memory) noexcept { free(memory); }
void operator delete(void* memory, size_t) noexcept { free(memory); }
void operator delete[](void* memory) noexcept { free(memory); }
void operator delete[](void* memory, size_t) noexcept { free(memory); }

extern "C" {

[[noreturn]] void __cxa_pure_virtual() { abort(); }

// A variable of a function, made by the first thread that comes (Itanium C++ ABI 3.3.3): the first byte says that it is there, the second
// that one makes it.
int __cxa_guard_acquire(uint64_t* guard) {
  auto* bytes = reinterpret_cast<std::atomic<uint8_t>*>(guard);
  while (bytes[0].load(std::memory_order_acquire) == 0) {
    if (bytes[1].exchange(1, std::memory_order_acquire) == 0) {
      // another may have made it between the two looks
      if (bytes[0].load(std::memory_order_acquire) == 0) return 1;
      bytes[1].store(0, std::memory_order_release);
      return 0;
    }
    sched_yield();
  }
  return 0;
}

void __cxa_guard_release(uint64_t* guard) {
  auto* bytes = reinterpret_cast<std::atomic<uint8_t>*>(guard);
  bytes[0].store(1, std::memory_order_release);
  bytes[1].store(0, std::memory_order_release);
}

}  // extern "C"

// NOLINTEND(bugprone-reserved-identifier)
