#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include "../kernel/syscalls.h"
#include "../wire/channel.h"
#include "resolve.h"
#include "steps.h"

namespace nacelle {

int run(Context& context, const args::refuse_descriptors&) {
  context.words_alone = true;
  // there is no channel yet where the step comes before the first clone: Task::start_first_stage() then makes one that takes none
  return context.channel < 0 ? 0 : refuse_descriptors(context.channel);
}

// Only among the host steps of a process, where Task::run_host_steps_of() carries it out, and once.
int run(Context&, const args::go_on&) { return -EPROTO; }

int run(Context& context, const args::open& a) {
  const int fd =
      checked_int(openat(context.slots.get(a.at), a.path.text, static_cast<int>(a.flags) | O_CLOEXEC, static_cast<mode_t>(a.mode)));
  return fd < 0 ? fd : context.slots.put(a.out, unique_fd(fd));
}

int run(Context& context, const args::open_in_root& a) {
  unique_fd fd;
  const int result = open_in_root(context.slots.get(a.root), a.path.text, static_cast<int>(a.flags), fd);
  return result < 0 ? result : context.slots.put(a.out, std::move(fd));
}

// A container's root may have put anything in the device's place: a FIFO would wait for a writer, and a link leads elsewhere.
int run(Context& context, const args::open_null& a) {
  unique_fd fd;
  for (const int flags : {O_PATH | O_NOFOLLOW, static_cast<int>(a.flags) | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY}) {
    const int result = open_in_root(context.slots.get(a.dev), "null", flags, fd);
    if (result < 0) return result;
    struct stat status {};
    if (fstat(fd.get(), &status) < 0) return -errno;
    if (!S_ISCHR(status.st_mode) || status.st_rdev != makedev(1, 3)) return context.failed(-EXDEV, "it is not the null device");
  }
  return context.slots.put(a.out, std::move(fd));
}

int run(Context& context, const args::reopen& a) {
  const int file = context.slots.get(a.slot);
  struct stat status {};
  if (fstat(file, &status) < 0) return -errno;
  // to open anything else may block, or allow writing in spite of a read-only mount
  if (!S_ISREG(status.st_mode)) return context.failed(-EINVAL, "it is not a regular file");
  char path[32];
  std::snprintf(path, sizeof path, "/proc/self/fd/%d", file);
  const int fd = checked_int(::open(path, static_cast<int>(a.flags) | O_CLOEXEC));
  return fd < 0 ? fd : context.slots.put(a.out, unique_fd(fd));
}

int run(Context& context, const args::close& a) {
  context.slots.close(a.slot);
  return 0;
}

int run(Context& context, const args::close_from& a) {
  for (uint64_t slot = a.first; slot < context.slots.size(); ++slot) context.slots.close(static_cast<int32_t>(slot));
  return 0;
}

int run(Context& context, const args::give& a) {
  ChannelMessage message;
  message.signal = Signal::kDescriptor;
  message.stage = context.stage;
  message.index = context.index;
  message.value = a.slot;
  const int fd = context.slots.get(a.slot);
  return send_message(context.channel, message, &fd, 1);
}

int run(Context& context, const args::chown& a) {
  // the descriptor of a folder may be one by O_PATH
  const Account& account = context.account;
  const int result = checked_int(fchownat(context.slots.get(a.slot), "", account.uid, account.gid, AT_EMPTY_PATH));
  return result == -EINVAL ? context.failed(result, "the user or its group is not in the map of the user namespace") : result;
}

int run(Context& context, const args::chown_to& a) {
  return checked_int(fchown(context.slots.get(a.slot), static_cast<uid_t>(a.uid), static_cast<gid_t>(a.gid)));
}

int run(Context& context, const args::read& a) {
  const unique_fd fd(openat(context.slots.get(a.at), a.path.text, O_RDONLY | O_CLOEXEC));
  if (!fd) return -errno;
  std::string content;
  char buffer[16 * 1024];
  while (content.size() < a.max) {
    const ssize_t count = ::read(fd.get(), buffer, sizeof buffer);
    if (count < 0) return -errno;
    if (count == 0) break;
    content.append(buffer, static_cast<size_t>(count));
  }
  context.output(content.data(), content.size());
  return 0;
}

int run(Context& context, const args::require_inode& a) {
  struct stat opened {};
  if (fstat(context.slots.get(a.slot), &opened) < 0) return -errno;
  return opened.st_ino == a.inode ? 0 : -ESTALE;
}

int run(Context& context, const args::require_procfs& a) {
  struct statfs status {};
  if (fstatfs(context.slots.get(a.slot), &status) < 0) return -errno;
  return status.f_type == PROC_SUPER_MAGIC ? 0 : context.failed(-EXDEV, "not a proc file system");
}

}  // namespace nacelle
