#pragma once

#include <cstddef>
#include <cstdint>

// The shim's file in its log mode: one process beside a detached program, which takes whatever the program writes and appends it to
// segments in a folder. So the program never waits for a reader, and a write that waits for the disk holds up nobody else.
//
//   program ══▶ pipes ──read──▶ log ──write──▶ 00000001 00000002 …      the oldest segments go when there are too many
//           ══▶ terminal ─▶
//
// A segment is a list of records, little-endian (lib/container/logs/log-records.ts reads them):
//
//    0                 8                 16          20          24
//    +-----------------+-----------------+-----------+-----------+----------
//    | time, ns since  | bytes lost      | bytes of  | stream    | data …
//    | the epoch       | before this     | data      | 1 or 2    |
//    +-----------------+-----------------+-----------+-----------+----------
//
// A write that fails (the disk is full) loses its bytes, which the next record counts; the program goes on.
namespace nacelle {

// The name under which the log is executed: argv[0].
constexpr char kLogName[] = "nacelle-log";

struct LogRecord {
  uint64_t time_ns;
  uint64_t lost;
  uint32_t size;
  uint32_t stream;
};
static_assert(sizeof(LogRecord) == 24);

constexpr size_t kMaxSources = 2;

// The log's descriptors: the socket of a pump, then the folder, then the sources: the program's pipes, or the master of its terminal. The
// shim shuts its end of the socket for writing when the program has ended: the log then writes what is left in the sources, and ends.
constexpr int kLogControl = 0, kLogFolder = 1, kLogFirst = 2;

// `sources`: how many; `bytes`: the most of a segment; `segments`: the most of them. All as text.
[[noreturn]] void log_main(const char* sources, const char* bytes, const char* segments);

}  // namespace nacelle
