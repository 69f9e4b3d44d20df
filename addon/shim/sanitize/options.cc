// The sanitizers' runtime, a shared library, asks the program for its options. The shim's environment is empty, so
// ASAN_OPTIONS don't reach it.
#define EXPORT extern "C" __attribute__((visibility("default")))

// Leaks are reported in the shim only, since Node frees nothing when it ends.
EXPORT const char* __asan_default_options() { return "detect_leaks=1:log_path=" NACELLE_REPORTS "/asan"; }

EXPORT const char* __ubsan_default_options() { return "print_stacktrace=1:halt_on_error=1:log_path=" NACELLE_REPORTS "/ubsan"; }
