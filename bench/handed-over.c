// The two hand-overs that a run in a container that waits can't do without: a message to the process, and its end.
//
//   handed-over PROGRAM COUNT
//
// Prints the nanoseconds of each, one a line: from the write to a process that waits, which then executes PROGRAM, to the end of that. To
// make the process is not part of it. There is no container, no supervisor and no library.
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void check(long result, const char *what) {
  if (result >= 0) return;
  fprintf(stderr, "handed-over: %s: %s\n", what, strerror(errno));
  _exit(1);
}

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

// One message says that it waits, the next one that it is to go on.
static void become_program(int channel, const char *program) {
  char byte = 0;
  check(write(channel, &byte, 1), "write");
  check(read(channel, &byte, 1), "read");
  char *argv[] = {(char *)program, NULL}, *environment[] = {NULL};
  execve(program, argv, environment);
  check(-1, program);
}

static uint64_t run(const char *program) {
  int channel[2];
  check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel), "socketpair");
  const pid_t pid = fork();
  check(pid, "fork");
  if (pid == 0) become_program(channel[1], program);
  char byte = 0;
  check(read(channel[0], &byte, 1), "read");
  usleep(1000);  // as in a pool, where it has been asleep for a while
  const uint64_t started = now();
  check(write(channel[0], &byte, 1), "write");
  siginfo_t info = {0};
  check(waitid(P_PID, (id_t)pid, &info, WEXITED), "waitid");
  const uint64_t took = now() - started;
  close(channel[0]);
  close(channel[1]);
  if (info.si_code != CLD_EXITED || info.si_status != 0) {
    fprintf(stderr, "handed-over: the program ended with %d\n", info.si_status);
    _exit(1);
  }
  return took;
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: handed-over PROGRAM COUNT\n");
    return 2;
  }
  for (long left = strtol(argv[2], NULL, 10); left > 0; --left) printf("%llu\n", (unsigned long long)run(argv[1]));
  return 0;
}
