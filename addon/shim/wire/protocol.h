#pragma once

#include <cstdint>

// What travels between Node and the shim: SOCK_SEQPACKET messages, little-endian.
//
//    0        2        4                 8                 12                16
//    +--------+--------+-----------------+-----------------+-----------------+----------
//    | version|  type  |   task's id     |  bytes of body  |      flags      |  body …
//    +--------+--------+-----------------+-----------------+-----------------+----------
//
// A body past kInlineBody travels in a sealed memfd, which is then the message's first descriptor.
// The id is chosen by Node and is unique on its socket. In bodies: num = u64, str and bytes = u32
// length + bytes (str with a NUL behind it), list = u32 count + items, slot = i32.
//
//   Node → shim                                             shim → Node
//   kStart        slots of the descriptors, plan            kStarted, then kEnded; or kFailed
//   kStartLater   the same; its first process waits for kGo -
//                 or kRest
//   kGo           -; of a pool that, or how many (u32) from as for kStart; of a pool -
//                 now on
//   kDescriptors  descriptors sent ahead                    -
//   kRest         as kStart, for the second part of a plan  -
//   kRelease      -                                         kRunning, or kFailed
//   kCall         sequence, descriptors, steps, returns     kCalled
//   kKill         sequence, cause, signal, tree             kCalled
//   kClose        -                                         kEnded; for a task that is kept then kRemoved
//   kAgain        signal, time until SIGKILL (ns)           ends the run; the end is followed by another run, at once: kDied, kRunning
//   kStatus       sequence                                  kCalled; its output: see Task::status
//   kPool         how many (u32), a name (str), the first   kReady for each that waits for its rest: its number (u32), the name that
//                 part of a plan                            stands in its plan in that one's place (str). From then on the number is
//                                                           a task's. kSpent: one that nobody has taken has gone, and its undo steps
//                                                           have been tried: its name (str), whether it had been begun (u8), and, as in
//                                                           kFailed, why it could not be made and what could not be undone. kFailed: no
//                                                           plan could be had for one. After either failure none is begun before kGo.
//                                                           kClose undoes those that wait, and kRelease says that no run is waited for
//                                                           any more: kRemoved, when the mounts of the runs have gone too; its list is
//                                                           empty. The numbers are from 2^31 on. A pool without a name and a first part
//                                                           has those that kPart brings, each once
//   kPart         a name (str), the first part of a plan,   kReady or kSpent with that name
//                 for the pool of this id
//
// A message has up to kMaxDescriptors. More go ahead of it by kDescriptors, to the shim, and by kAhead, to Node, with the same id.
//
// One whose plan has the part `tells_end_first` tells its end, when its program has run, in two messages in place of kEnded: kOver, as
// kEnded, when the tree is gone, and kUndone, as kRemoved, when the undo steps have run. What is made of the first lies beside what the
// shim undoes.
//
// A task whose plan says how it starts again tells each end that another run follows by kDied (as kEnded; behind it in how many ns, num),
// and each next run by kRunning; one that keeps watch on its health tells each change by kHealth (HealthStatus, u8). One whose plan asks
// for it tells of calls that its filter has refused by kDenied (Denial of modes/denials.h, and what is behind it). One with the part
// `trace` tells by kTraced, just before its end, when each step began and ended: list of where (i32), index (u32), begin and end (num: ns
// of the monotonic clock; an end of 0: none is known).
//
// A shim of its own, which a detached container has, is found by others, which may be of another version. So these messages, the header
// and the bodies of kKill and kClose never change, but that bytes are added at the end of a body, which others don't read:
//
//   kHello        -                                         kWelcome: lowest and highest version of plans (u32), owner (str), version
//                                                           of the package (str), table of steps (bytes, see steps/shim_table.h), which
//                                                           shim of the process this is, counted from 0 (u32)
//   kSpeak        that count (u32)                          -; from here on the client's plans have the numbers of that shim's table,
//                                                           before that those of the shim that had accepted the client
//   kUpgrade      version (str), the shim's executable      kUpgraded: errno (u32), 0 from the newer shim; why not (str). See upgrade.h
//   kList         -                                         kListed: list of key (u32), state (u8), pid (num)
//   kAttach       key                                       kAttached: error (u8); when that is 0: state, pid, times of the start.
//                                                           From then on the id stands for that task: kEnded follows, at once if it has
//                                                           ended
//   kWatch        since (num): ns of the monotonic clock    kNotice of kThere for each task, then for each thing that has happened
//                                                           since, as far as the shim remembers, and for all that happens: lost
//                                                           (u32), key (u32), kind (u8), when (num: ns since the epoch), body (bytes);
//                                                           see NoticeKind. `lost` of them came before this one and were left out,
//                                                           since the client read too slowly
//   kTell         at the end (u8), words (bytes)            -; whoever watches gets kNotice of kTold, with `at the end` when the task ends.
//                                                           Words of more than kMaxWords bytes are left out
//
// The channel between the shim and a container's process is such a socket too (channel.h). scripts/generate.mjs reads the numbers below,
// and writes lib/native/protocol.ts.
namespace nacelle {

constexpr uint16_t kProtocolVersion = 1;  // in each header; it never changes
constexpr uint32_t kPlanVersion = 1;      // how plans travel, as kWelcome tells
constexpr uint32_t kInlineBody = 64 * 1024;
constexpr uint32_t kMaxBody = 64 * 1024 * 1024;
constexpr int kMaxDescriptors = 253;  // SCM_MAX_FD of the kernel
constexpr uint32_t kMaxSlots = 4096;

constexpr uint32_t kBodyInMemfd = 1;

struct Header {
  uint16_t version;
  uint16_t type;
  uint32_t id;
  uint32_t size;
  uint32_t flags;
};
static_assert(sizeof(Header) == 16);

enum class Request : uint16_t {
  kStart = 1,
  kDescriptors,
  kRelease,
  kCall,
  kKill,
  kClose,
  kRest,
  kStartLater,
  kGo,
  kAgain,
  kStatus,
  kPool,
  kPart,
  kHello = 256,
  kList,
  kAttach,
  kWatch,
  kTell,
  kSpeak,
  kUpgrade
};

enum class Event : uint16_t {
  kStarted = 1,
  kRunning,
  kCalled,
  kEnded,
  kFailed,
  kRemoved,
  kDied,
  kHealth,
  kDenied,
  kAhead,
  kRefused,
  kTraced,
  kReady,
  kOver,
  kUndone,
  kSpent,
  kWelcome = 256,
  kListed,
  kAttached,
  kNotice,
  kUpgraded
};

// What a task is at, as others see it.
enum class TaskState : uint8_t { kSetUp, kCreated, kRunning, kEnding, kEnded, kBetween };

// What happened to a task that others may attach to, with the body of its notice. Those who don't know a kind leave the notice out.
//   kThere                         state (u8), of a task that is there when the watch begins
//   kCreated, kStarted, kRemoved   -
//   kEnded                         that of the event kEnded, also at the end of a run that another one follows
//   kKilled                        signal (u32), of a caller's kKill
//   kTold                          words of a client, or the shim's: JSON, see lib/container/events/words.ts
//   kProgramStarted                words of the plan of a program beside the task's own
//   kProgramEnded                  those words (bytes), that of the event kEnded without reports (bytes)
enum class NoticeKind : uint8_t { kThere, kCreated, kStarted, kEnded, kKilled, kRemoved, kTold, kProgramStarted, kProgramEnded };

constexpr uint32_t kMaxWords = 4 * 1024;

// Why a task was killed.
enum class Cause : uint8_t { kNone, kCaller, kWallTime, kCpuTime, kOutput, kCancel, kOwner, kHealth };

// How a program is, as its health check tells.
enum class HealthStatus : uint8_t { kStarting, kHealthy, kUnhealthy };

// Where a step failed: the number of its stage (of a later run: beyond those of the first), or one of these. A trace has further marks of
// the shim's: kInPlan when it took a plan, kInClone a clone, kInRun from when the program was known to run until its end was known, and
// kInEnd, 0: from there until the tree was empty, 1: while the reports were read.
constexpr int32_t kInPrepare = -1, kInCall = -2, kInUndo = -3, kInClone = -4, kInPlan = -5, kInEnd = -6, kInRemoval = -7,
                  kInPrepareAgain = -8, kInRun = -9, kInStagesAgain = 16;

// A message on the control socket, from the addon that started the shim: it brings one descriptor, the socket of a new client.
struct NewClient {
  uint32_t version;
};

}  // namespace nacelle
