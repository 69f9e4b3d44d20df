// The bare system calls of one control group, again and again: what no library can be faster than.
//
//   groups COUNT MEMORY_FOLDER MEMORY_FILE PIDS_FOLDER {FOLDER HOME}… -- {FOLDER FILE}…
//
// Prints the nanoseconds of each run, one a line: make the group below each FOLDER, put two limits, move a process into it,
// read each FILE, move the process to its HOME again, remove the group.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void check(long result, const char *what) {
  if (result >= 0) return;
  fprintf(stderr, "groups: %s: %s\n", what, strerror(errno));
  _exit(1);
}

static const char *in(const char *folder, const char *name) {
  static char path[16384];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

static void put(const char *path, const char *value) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  check(fd, path);
  check(write(fd, value, strlen(value)), path);
  close(fd);
}

static void get(const char *path) {
  char text[4096];
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return;  // an older kernel
  check(fd, path);
  check(read(fd, text, sizeof text), path);
  close(fd);
}

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

int main(int argc, char **argv) {
  char **places = argv + 5, name[64], pid[16];
  int count = 0;  // of pairs
  while (5 + 2 * count + 1 < argc && strcmp(places[2 * count], "--") != 0) ++count;
  if (count < 1) {
    fprintf(stderr, "usage: groups COUNT MEMORY_FOLDER MEMORY_FILE PIDS_FOLDER {FOLDER HOME}... -- {FOLDER FILE}...\n");
    return 2;
  }
  snprintf(name, sizeof name, "nacelle-bench-groups-%d", (int)getpid());
  const pid_t child = fork();
  check(child, "fork");
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pause();
    _exit(0);
  }
  snprintf(pid, sizeof pid, "%d", (int)child);
  char group[count][4096], memory[4096], pids[4096];
  for (int i = 0; i < count; ++i) snprintf(group[i], sizeof group[i], "%s/%s", places[2 * i], name);
  snprintf(memory, sizeof memory, "%s/%s", argv[2], name);
  snprintf(pids, sizeof pids, "%s/%s", argv[4], name);

  for (long left = strtol(argv[1], NULL, 10); left > 0; --left) {
    const uint64_t started = now();
    for (int i = 0; i < count; ++i) check(mkdir(group[i], 0755), group[i]);
    put(in(memory, argv[3]), "268435456");
    put(in(pids, "pids.max"), "64");
    for (int i = 0; i < count; ++i) put(in(group[i], "cgroup.procs"), pid);
    for (int i = 5 + 2 * count + 1; i + 1 < argc; i += 2) {
      char folder[4096];
      snprintf(folder, sizeof folder, "%s/%s", argv[i], name);
      get(in(folder, argv[i + 1]));
    }
    for (int i = 0; i < count; ++i) put(in(places[2 * i + 1], "cgroup.procs"), pid);
    for (int i = 0; i < count; ++i) {
      while (rmdir(group[i]) < 0) {
        if (errno != EBUSY) check(-1, group[i]);
      }
    }
    printf("%llu\n", (unsigned long long)(now() - started));
  }
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  return 0;
}
