// Asks a server of names over UDP, from one socket. One query at a time: the nanoseconds of each, one a line. Several: those that each took
// in the mean, since they overlap.
//
//   names COUNT ADDRESS NAME AT_A_TIME
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void fail(const char* what) {
  perror(what);
  exit(1);
}

static size_t write_query(unsigned char* query, const char* name) {
  static const unsigned char head[] = {0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0};
  static const unsigned char end[] = {0, 0, 1, 0, 1};
  const size_t size = strlen(name);
  memcpy(query, head, sizeof head);
  query[sizeof head] = (unsigned char)size;
  memcpy(query + sizeof head + 1, name, size);
  memcpy(query + sizeof head + 1 + size, end, sizeof end);
  return sizeof head + 1 + size + sizeof end;
}

static void receive(int fd) {
  unsigned char answer[512];
  if (recv(fd, answer, sizeof answer, 0) < 12) fail("recv");
  // one address, and no error
  if ((answer[3] & 15) != 0 || answer[7] != 1) fail("answer");
}

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  const long count = atol(argv[1]), window = atol(argv[4]);
  unsigned char query[128];
  const size_t size = write_query(query, argv[3]);
  struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(53)};
  inet_pton(AF_INET, argv[2], &server.sin_addr);
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  const struct timeval patience = {.tv_sec = 10};
  if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0) fail("setsockopt");
  if (connect(fd, (struct sockaddr*)&server, sizeof server) < 0) fail("connect");
  for (long done = 0; done < count; ++done) {
    const int64_t started = now();
    for (long i = 0; i < window; ++i) {
      query[0] = (unsigned char)(i >> 8);
      query[1] = (unsigned char)i;
      if (send(fd, query, size, 0) < 0) fail("send");
    }
    for (long i = 0; i < window; ++i) receive(fd);
    printf("%lld\n", (long long)((now() - started) / window));
  }
  return 0;
}
