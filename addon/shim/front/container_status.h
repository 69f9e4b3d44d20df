#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "../kernel/unique_fd.h"

// What a container does now, as the kernel tells.
namespace nacelle {

enum class Status : uint8_t { kCreated, kRunning, kPaused, kStopped };

// False for a name that is none of these. Containers that are only being made have no plans.
bool status_named(std::string_view name, Status& status);

// By what a container is known.
struct ContainerSeen {
  pid_t pid = 0;
  uint64_t start_time = 0;  // clock ticks since boot, of proc_pid_stat(5): a pid that another process has got has another one
  int freezer_version = 0;
  std::string freezer;  // the group by which the container is paused
  std::string created;  // the file in the folder of its state that is there as long as nobody has started it
};

// A container's status, and a pidfd of its first process where that lives. 0 or -errno.
int status_of(int state_folder, const ContainerSeen& container, Status& status, unique_fd& process);

// Pauses the container, and waits until all of it stands still. -EBUSY: it does not, and is thawed again. 0 or -errno.
int freeze(const ContainerSeen& container);
int thaw(const ContainerSeen& container);

}  // namespace nacelle
