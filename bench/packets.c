// What carries packets between two programs: round trips of UDP, and streams of TCP. IPv4.
//
//   packets serve PORT                  answers each datagram; to who connects it sends zeros until that one has had enough
//   packets ask COUNT ADDRESS PORT      so many round trips: the nanoseconds of each, one a line
//   packets read COUNT ADDRESS PORT     so many streams of 256 MiB: the nanoseconds of each, one a line
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const long kBytes = 256L << 20;
static char buffer[256 * 1024];

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void fail(const char* what) {
  perror(what);
  exit(1);
}

static int socket_at(int type, const char* address, const char* port, int (*use)(int, const struct sockaddr*, socklen_t)) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  inet_pton(AF_INET, address, &at.sin_addr);
  const int fd = socket(AF_INET, type, 0);
  const struct timeval patience = {.tv_sec = 10};
  if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0) fail("setsockopt");
  if (use(fd, (struct sockaddr*)&at, sizeof at) < 0) fail(address);
  return fd;
}

static void answer(int fd) {
  struct sockaddr_in from;
  socklen_t size = sizeof from;
  const ssize_t count = recvfrom(fd, buffer, sizeof buffer, 0, (struct sockaddr*)&from, &size);
  if (count > 0) sendto(fd, buffer, (size_t)count, 0, (struct sockaddr*)&from, size);
}

_Noreturn static void serve(const char* port) {
  struct pollfd at[2] = {{.fd = socket_at(SOCK_DGRAM, "0.0.0.0", port, bind), .events = POLLIN},
                         {.fd = socket_at(SOCK_STREAM, "0.0.0.0", port, bind), .events = POLLIN}};
  if (listen(at[1].fd, 8) < 0) fail("listen");
  signal(SIGPIPE, SIG_IGN);
  puts("serves");
  fflush(stdout);
  for (;;) {
    if (poll(at, 2, -1) < 0) fail("poll");
    if (at[0].revents & POLLIN) answer(at[0].fd);
    if (!(at[1].revents & POLLIN)) continue;
    const int stream = accept(at[1].fd, NULL, NULL);
    if (stream < 0) fail("accept");
    while (write(stream, buffer, sizeof buffer) > 0) {
    }
    close(stream);
  }
}

static void ask(int fd) {
  if (send(fd, "asked", 5, 0) < 0 || recv(fd, buffer, sizeof buffer, 0) != 5) fail("ask");
}

static void read_all(int fd) {
  for (long left = kBytes; left > 0;) {
    const ssize_t count = read(fd, buffer, sizeof buffer);
    if (count <= 0) fail("read");
    left -= count;
  }
}

int main(int argc, char** argv) {
  if (argc == 3 && strcmp(argv[1], "serve") == 0) serve(argv[2]);
  if (argc != 5) return 2;
  const int asks = strcmp(argv[1], "ask") == 0;
  const int socket = asks ? socket_at(SOCK_DGRAM, argv[3], argv[4], connect) : -1;
  for (long i = atol(argv[2]); i > 0; --i) {
    const int64_t started = now();
    if (asks) {
      ask(socket);
    } else {
      const int stream = socket_at(SOCK_STREAM, argv[3], argv[4], connect);
      read_all(stream);
      close(stream);
    }
    printf("%lld\n", (long long)(now() - started));
  }
  return 0;
}
