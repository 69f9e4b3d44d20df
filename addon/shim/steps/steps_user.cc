#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "../kernel/memfd.h"
#include "../kernel/syscalls.h"
#include "resolve.h"
#include "steps.h"

// Who a process is: users and groups, which are looked up in the files of the container's root.
namespace nacelle {
namespace {

// Reads a regular file of the container's root, whole and of bounded size: the image may have put a FIFO, a link or an endless file there
// (CVE-2024-9676). A missing file counts as empty. A file in another mount counts as unreadable, since the user may have no right to it.
int read_account_file(const char* path, const Ground& ground, char* data, size_t room, size_t& size) {
  size = 0;  // this holds also when the function fails, since half a file must not be used
  unique_fd root, file;
  int result = opened(checked_int(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)), root);
  // the first round only looks at it by O_PATH: to open what is no regular file may have an effect
  for (const int flags : {O_PATH, O_RDONLY | O_NONBLOCK | O_NOCTTY}) {
    if (result == 0) result = open_in_root(root.get(), path, flags, file);
    if (result == 0) result = ground.holds(file.get(), root.get(), path);
    if (result == -ENOENT || result == -ENOTDIR) return 0;
    if (result < 0) return result;
    struct stat status {};
    if (fstat(file.get(), &status) < 0) return -errno;
    if (!S_ISREG(status.st_mode)) return -EINVAL;
  }
  size_t done = 0;
  while (done < room) {
    const ssize_t count = read(file.get(), data + done, room - done);
    if (count < 0) return -errno;
    if (count == 0) {
      size = done;
      return 0;
    }
    done += static_cast<size_t>(count);
  }
  return -EFBIG;
}

int account_failed(Context& context, const char* path, int error) {
  return error == -EXDEV ? leads_elsewhere(context, path) : context.on(path, error);
}

// Big enough for any real file. This memory is not allocated until it is used.
char passwd_text[kMaxAccountFile], group_text[kMaxAccountFile];

bool is_number(const char* group) { return group[std::strspn(group, "0123456789")] == '\0'; }

bool is_two_numbers(const char* user) { return std::strchr(user, ':') != nullptr && user[std::strspn(user, "0123456789:")] == '\0'; }

// Uses the system calls, since setgroups, setresgid and setresuid of libc would look for other threads.
int set_groups(const Account& account) { return checked_int(syscall(SYS_setgroups, account.group_count, account.groups)); }

int become(const Context& context) {
  const Account& account = context.account;
  if (!context.keeps_groups) {
    if (const int result = set_groups(account); result < 0) return result;
  }
  if (syscall(SYS_setresgid, account.gid, account.gid, account.gid) < 0) return -errno;
  return checked_int(syscall(SYS_setresuid, account.uid, account.uid, account.uid));
}

int become_found(Context& context) {
  const int result = become(context);
  return result == -EINVAL ? context.failed(result, "the user or one of its groups is not in the map of the user namespace") : result;
}

}  // namespace

int run(Context& context, const args::user& a) {
  if (!context.account.known) {
    AccountFiles files;
    files.passwd = passwd_text;
    files.group = group_text;
    const Ground ground(context.slots, a.on, a.mounts);
    const int passwd = read_account_file("/etc/passwd", ground, passwd_text, sizeof passwd_text, files.passwd_size);
    const int group = read_account_file("/etc/group", ground, group_text, sizeof group_text, files.group_size);
    // UID:GID needs no file. Any other user would lack groups, or have root's, when a file could not be read
    if (!is_two_numbers(a.user.text)) {
      if (passwd < 0) return account_failed(context, "/etc/passwd", passwd);
      if (group < 0) return account_failed(context, "/etc/group", group);
    }
    const int result = find_account(a.user.text, files, context.account);
    if (result == -ENOENT) return context.failed(result, "no such user or group in the container's files");
    if (result < 0) return result;
  }
  return a.apply == 0 ? 0 : become_found(context);
}

int run(Context& context, const args::add_groups& a) {
  if (a.apply == 0 && !context.account.known) return -EPROTO;
  Account own;
  if (a.apply != 0) {
    const int count = getgroups(kMaxGroups, own.groups);
    if (count < 0) return -errno;
    own.group_count = static_cast<size_t>(count);
  }
  Account& account = a.apply == 0 ? context.account : own;
  AccountFiles files;
  files.group = group_text;
  const int read = read_account_file("/etc/group", Ground(context.slots, a.on, a.mounts), group_text, sizeof group_text, files.group_size);
  for (const Str& group : a.groups) {
    // a number needs no file
    if (read < 0 && !is_number(group.text)) return account_failed(context, "/etc/group", read);
    const int result = add_group(group.text, files, account);
    if (result == -ENOENT) {
      std::snprintf(context.text, sizeof context.text, "unable to find group %s: no matching entries in group file", group.text);
    } else if (result == -E2BIG) {
      std::snprintf(context.text, sizeof context.text, "a process has at most %zu groups here", kMaxGroups);
    }
    if (result < 0) return result;
  }
  return a.apply == 0 ? 0 : set_groups(account);
}

int run(Context& context, const args::only_groups& a) {
  Account& account = context.account;
  if (!account.known) return -EPROTO;
  account.group_count = 0;
  for (const Str& group : a.groups) {
    // without the text of a file there are no names
    const int result = is_number(group.text) ? add_group(group.text, AccountFiles{}, account) : -EINVAL;
    if (result == -E2BIG) std::snprintf(context.text, sizeof context.text, "a process has at most %zu groups here", kMaxGroups);
    if (result < 0) return result;
  }
  return 0;
}

int run(Context& context, const args::not_root& a) {
  Account& account = context.account;
  if (!account.known) return -EPROTO;
  if (account.uid == 0) {
    account.uid = static_cast<uid_t>(a.id);
    std::strcpy(account.home, "/");
  }
  gid_t* const end = std::remove(account.groups, account.groups + account.group_count, gid_t{0});
  account.group_count = static_cast<size_t>(end - account.groups);
  if (account.gid == 0) account.gid = static_cast<gid_t>(a.id);
  return add_group(account.gid, account);
}

int run(Context&, const args::become_root& a) {
  if (a.groups != 0) {
    if (const int result = checked_int(syscall(SYS_setgroups, 0, nullptr)); result < 0) return result;
  }
  if (syscall(SYS_setresgid, 0, 0, 0) < 0) return -errno;
  return checked_int(syscall(SYS_setresuid, 0, 0, 0));
}

int run(Context& context, const args::save_user& a) {
  if (!context.account.known) return -EPROTO;
  unique_fd saved;
  const int result = sealed_memfd(reinterpret_cast<const char*>(&context.account), sizeof context.account, saved);
  return result < 0 ? result : context.slots.put(a.out, std::move(saved));
}

int run(Context& context, const args::restore_user& a) {
  const int result = read_memfd(context.slots.get(a.saved), reinterpret_cast<char*>(&context.account), sizeof context.account);
  return result < 0 || a.apply == 0 ? result : become_found(context);
}

int run(Context& context, const args::keep_groups&) {
  context.keeps_groups = true;
  return 0;
}

}  // namespace nacelle
