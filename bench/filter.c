// What a system call filter costs, again and again.
//
//   filter load FILE COUNT     to load it, each time in a process of its own
//   filter calls FILE COUNT    10,000 times two calls whose arguments a filter looks at, under it
//
// FILE: struct sock_filter[]. Prints the nanoseconds of each, one a line.
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct sock_filter instructions[BPF_MAXINSNS];
static struct sock_fprog program = {0, instructions};

// Of the processor, so that others who work on it count little.
static long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return time.tv_sec * 1000000000 + time.tv_nsec;
}

static void load(void) {
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0) _exit(1);
}

static long load_once(void) {
  int ends[2];
  long taken = -1;
  if (pipe(ends) < 0) return -1;
  const pid_t child = fork();
  if (child == 0) {
    const long begin = now();
    load();
    const long ns = now() - begin;
    _exit(write(ends[1], &ns, sizeof ns) != sizeof ns);
  }
  close(ends[1]);
  if (read(ends[0], &taken, sizeof taken) != sizeof taken) taken = -1;
  close(ends[0]);
  waitpid(child, NULL, 0);
  return taken;
}

static long call_often(void) {
  const long begin = now();
  for (int i = 0; i < 10000; i++) {
    personality(0xffffffff);
    // no such family: the call ends at once
    socket(1000, 0, 0);
  }
  return now() - begin;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  FILE *file = fopen(argv[2], "r");
  if (!file) return 2;
  program.len = fread(instructions, sizeof *instructions, BPF_MAXINSNS, file);
  fclose(file);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return 1;
  const int calls = strcmp(argv[1], "calls") == 0;
  if (calls) load();
  for (int left = atoi(argv[3]); left > 0; left--) {
    const long ns = calls ? call_often() : load_once();
    if (ns < 0) return 1;
    printf("%ld\n", ns);
  }
  return 0;
}
