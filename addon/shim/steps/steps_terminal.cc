#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <termios.h>

#include "../kernel/syscalls.h"
#include "resolve.h"
#include "steps.h"

// Pseudo-terminals (pty(7)) of the container's own devpts.
namespace nacelle {
namespace {

// The group that gets messages to a terminal, `tty` in every distribution.
constexpr gid_t kTerminalGroup = 5;

// Opens the multiplexer of the devpts at /dev/pts. The container's root may have made that folder a link, mounted something else on it or
// on ptmx: only a file of the devpts itself is opened, since a FIFO would wait, and a device may do anything.
int open_master(Context& context, unique_fd& master) {
  unique_fd root, folder;
  int result = opened(checked_int(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)), root);
  if (result == 0) result = open_in_root(root.get(), "dev/pts", O_PATH | O_DIRECTORY, folder);
  if (result < 0) return context.on("/dev/pts", result);
  struct statfs status {};
  if (fstatfs(folder.get(), &status) < 0) return -errno;
  if (status.f_type != DEVPTS_SUPER_MAGIC) return context.failed(-ENOTTY, "it is no devpts file system");
  constexpr uint64_t kOwnFile = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  constexpr uint64_t kFlags = O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC;
  result = opened(sys_openat2(folder.get(), "ptmx", kFlags, 0, kOwnFile), master);
  return result == -EXDEV ? context.failed(result, "something is mounted on ptmx") : result;
}

int give_to_user(int slave, uid_t user) {
  int result = checked_int(fchown(slave, user, kTerminalGroup));
  // the group has no number in the user namespace of this devpts
  if (result == -EINVAL) result = checked_int(fchown(slave, user, static_cast<gid_t>(-1)));
  return result < 0 ? result : checked_int(fchmod(slave, 0620));
}

}  // namespace

int run(Context& context, const args::open_terminal& a) {
  unique_fd master;
  const int result = open_master(context, master);
  if (result < 0) return result;
  winsize size{};
  size.ws_col = static_cast<unsigned short>(a.columns);
  size.ws_row = static_cast<unsigned short>(a.rows);
  if (ioctl(master.get(), TIOCSWINSZ, &size) < 0) return -errno;
  return context.slots.put(a.out, std::move(master));
}

int run(Context& context, const args::keep_newlines& a) {
  const int master = context.slots.get(a.master);
  termios settings;
  if (tcgetattr(master, &settings) < 0) return -errno;
  settings.c_oflag &= ~static_cast<tcflag_t>(ONLCR);
  return checked_int(tcsetattr(master, TCSANOW, &settings));
}

// The slave is opened by its master, for a path could lead to another file.
int run(Context& context, const args::open_slave& a) {
  const int master = context.slots.get(a.master);
  const int unlocked = 0;
  if (ioctl(master, TIOCSPTLCK, &unlocked) < 0) return -errno;
  unique_fd slave;
  int result = opened(checked_int(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC)), slave);
  if (result == 0) result = give_to_user(slave.get(), context.account.uid);
  return result < 0 ? result : context.slots.put(a.out, std::move(slave));
}

int run(Context&, const args::control_terminal&) { return checked_int(ioctl(STDIN_FILENO, TIOCSCTTY, 0)); }

}  // namespace nacelle
