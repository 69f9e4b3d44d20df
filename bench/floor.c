// The bare system calls of one container, again and again: what no library can be faster than.
//
//   floor ROOTFS COUNT v1 MEMORY PIDS DEVICES UNIFIED    (folders below which the groups are made)
//   floor ROOTFS COUNT v2 UNIFIED
//
// Prints the nanoseconds of each run, one a line: make the groups, clone, mount, pivot, execve of /bin/true, wait,
// remove the groups. Every check that a library owes its users is missing here.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_GROUPS 4
#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *const masked[] = {
    "proc/acpi",        "proc/asound", "proc/interrupts", "proc/kcore",       "proc/keys",
    "proc/latency_stats", "proc/sched_debug", "proc/scsi", "proc/timer_list", "proc/timer_stats",
    "sys/devices/virtual/powercap", "sys/firmware",
};
static const char *const readonly[] = {"proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger"};
static const struct {
  const char *path;
  unsigned major, minor;
} devices[] = {
    {"dev/null", 1, 3}, {"dev/zero", 1, 5}, {"dev/full", 1, 7}, {"dev/random", 1, 8}, {"dev/urandom", 1, 9}, {"dev/tty", 5, 0},
};
static const char *const links[][2] = {
    {"pts/ptmx", "dev/ptmx"},
    {"/proc/self/fd", "dev/fd"},
    {"/proc/self/fd/0", "dev/stdin"},
    {"/proc/self/fd/1", "dev/stdout"},
    {"/proc/self/fd/2", "dev/stderr"},
};


struct groups {
  int count;     // those of v1 first, the unified one last
  int memory, pids;
  const char *memory_file;
  char path[MAX_GROUPS][4096];
  int fd[MAX_GROUPS];
};

static void die(const char *what) {
  fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
  _exit(1);
}

static void check(long result, const char *what) {
  if (result < 0) die(what);
}

static void put(int folder, const char *file, const char *value) {
  const int fd = openat(folder, file, O_WRONLY | O_CLOEXEC);
  check(fd, file);
  check(write(fd, value, strlen(value)), file);
  close(fd);
}

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void make_groups(struct groups *groups) {
  for (int i = 0; i < groups->count; ++i) {
    check(mkdir(groups->path[i], 0755), groups->path[i]);
    check(groups->fd[i] = open(groups->path[i], O_PATH | O_DIRECTORY | O_CLOEXEC), groups->path[i]);
  }
  put(groups->fd[groups->memory], groups->memory_file, "268435456");
  put(groups->fd[groups->pids], "pids.max", "64");
}

static void remove_groups(const struct groups *groups) {
  for (int i = groups->count - 1; i >= 0; --i) {
    close(groups->fd[i]);
    while (rmdir(groups->path[i]) < 0) {
      if (errno != EBUSY) die(groups->path[i]);
    }
  }
}

static void mount_root(const char *rootfs) {
  check(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "make the mounts private");
  check(chdir(rootfs), rootfs);  // below the tmpfs that hides it, `.` stays the rootfs
  check(mount("tmpfs", rootfs, "tmpfs", MS_NOSUID | MS_NODEV, "size=50%,mode=755"), "mount the upper");
  const int upper = open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
  check(upper, rootfs);
  check(mkdirat(upper, "upper", 0755), "upper");
  check(mkdirat(upper, "work", 0755), "work");
  check(mkdirat(upper, "root", 0755), "root");
  char options[16384], root[4200];
  snprintf(options, sizeof options, "lowerdir=.,upperdir=%s/upper,workdir=%s/work", rootfs, rootfs);
  snprintf(root, sizeof root, "%s/root", rootfs);
  check(mount("overlay", root, "overlay", 0, options), "mount the overlay");
  check(chdir(root), root);
}

static void mount_inside(void) {
  const unsigned long quiet = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  check(mount("proc", "proc", "proc", quiet, NULL), "proc");
  check(mount("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=755,size=64k"), "dev");
  umask(0);
  for (size_t i = 0; i < COUNT(devices); ++i) {
    check(mknod(devices[i].path, S_IFCHR | 0666, makedev(devices[i].major, devices[i].minor)), devices[i].path);
  }
  umask(022);
  for (size_t i = 0; i < COUNT(links); ++i) check(symlink(links[i][0], links[i][1]), links[i][1]);
  check(mkdir("dev/pts", 0755), "dev/pts");
  check(mkdir("dev/shm", 0755), "dev/shm");
  check(mkdir("dev/mqueue", 0755), "dev/mqueue");
  check(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"), "dev/pts");
  check(mount("shm", "dev/shm", "tmpfs", quiet, "mode=1777,size=64m"), "dev/shm");
  check(mount("mqueue", "dev/mqueue", "mqueue", quiet, NULL), "dev/mqueue");
  check(mount("sysfs", "sys", "sysfs", quiet | MS_RDONLY, NULL), "sys");
}

static void hide(void) {
  const char *empty = NULL;  // the first folder that was masked: the others are bound to it
  struct stat status;
  for (size_t i = 0; i < COUNT(masked); ++i) {
    if (stat(masked[i], &status) < 0) continue;
    if (!S_ISDIR(status.st_mode)) {
      check(mount("dev/null", masked[i], NULL, MS_BIND, NULL), masked[i]);
    } else if (empty != NULL) {
      check(mount(empty, masked[i], NULL, MS_BIND, NULL), masked[i]);
    } else {
      check(mount("tmpfs", empty = masked[i], "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=0"), masked[i]);
    }
  }
  for (size_t i = 0; i < COUNT(readonly); ++i) {
    if (mount(readonly[i], readonly[i], NULL, MS_BIND | MS_REC, NULL) < 0) {
      if (errno == ENOENT) continue;
      die(readonly[i]);
    }
    check(mount(NULL, readonly[i], NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL), readonly[i]);
  }
}

static void loopback_up(void) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  check(fd, "socket");
  struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
  check(ioctl(fd, SIOCSIFFLAGS, &request), "bring up lo");
  close(fd);
}

static void become_container(const struct groups *groups, const char *rootfs) {
  // `tasks`: moving oneself by it takes no lock, `cgroup.procs` may wait for a grace period of RCU
  for (int i = 0; i + 1 < groups->count; ++i) put(groups->fd[i], "tasks", "0");
  check(unshare(CLONE_NEWCGROUP), "unshare the cgroup namespace");  // after joining, so that its root is the group
  mount_root(rootfs);
  mount_inside();
  hide();
  loopback_up();
  check(syscall(SYS_pivot_root, ".", "."), "pivot_root");
  check(umount2(".", MNT_DETACH), "unmount the old root");
  check(chdir("/"), "/");
  char *argv[] = {"/bin/true", NULL}, *environment[] = {"PATH=/usr/bin:/bin", NULL};
  execve(argv[0], argv, environment);
  die(argv[0]);
}

static uint64_t run(struct groups *groups, const char *rootfs) {
  const uint64_t started = now();
  make_groups(groups);
  int pidfd = -1;
  struct clone_args arguments = {
      .flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_PIDFD | CLONE_INTO_CGROUP,
      .pidfd = (uintptr_t)&pidfd,
      .exit_signal = SIGCHLD,
      .cgroup = (uint64_t)groups->fd[groups->count - 1],
  };
  const pid_t pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
  check(pid, "clone3");
  if (pid == 0) become_container(groups, rootfs);
  siginfo_t info = {0};
  check(waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED), "waitid");
  close(pidfd);
  remove_groups(groups);
  if (info.si_code != CLD_EXITED || info.si_status != 0) {
    fprintf(stderr, "floor: the container ended with %d\n", info.si_status);
    _exit(1);
  }
  return now() - started;
}

int main(int argc, char **argv) {
  const int v1 = argc == 8 && strcmp(argv[3], "v1") == 0;
  if (!v1 && !(argc == 5 && strcmp(argv[3], "v2") == 0)) {
    fprintf(stderr, "usage: floor ROOTFS COUNT v1 MEMORY PIDS DEVICES UNIFIED | floor ROOTFS COUNT v2 UNIFIED\n");
    return 2;
  }
  static struct groups groups;
  groups.count = argc - 4;
  groups.memory = 0;
  groups.pids = v1 ? 1 : 0;
  groups.memory_file = v1 ? "memory.limit_in_bytes" : "memory.max";
  for (int i = 0; i < groups.count; ++i) {
    snprintf(groups.path[i], sizeof groups.path[i], "%s/nacelle-bench-floor-%d", argv[4 + i], (int)getpid());
  }
  for (long left = strtol(argv[2], NULL, 10); left > 0; --left) printf("%llu\n", (unsigned long long)run(&groups, argv[1]));
  return 0;
}
