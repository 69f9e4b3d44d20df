// The bare requests by which a container gets its link to a bridge: what no library can be faster than. It all is in a network namespace of
// the program's own.
//
//   veth COUNT     the nanoseconds of each, one a line: the pair into a new namespace, its address, up
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { kBridge = 1000, kFirst = 100000, kInside = 100 };

static struct {
  struct nlmsghdr head;
  char rest[1024];
} request;

static void check(long result, const char* what) {
  if (result >= 0) return;
  perror(what);
  exit(1);
}

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void* append(const void* bytes, size_t size) {
  void* at = (char*)&request + request.head.nlmsg_len;
  if (size > 0) memcpy(at, bytes, size);
  request.head.nlmsg_len += (uint32_t)NLMSG_ALIGN(size);
  return at;
}

static void begin(uint16_t type, uint16_t flags, const void* header, size_t size) {
  memset(&request, 0, sizeof request);
  request.head = (struct nlmsghdr){.nlmsg_len = NLMSG_HDRLEN, .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags};
  append(header, size);
}

static struct rtattr* attribute(uint16_t type, const void* bytes, size_t size) {
  const struct rtattr head = {.rta_len = (uint16_t)RTA_LENGTH(size), .rta_type = type};
  struct rtattr* at = append(&head, sizeof head);
  append(bytes, size);
  return at;
}

static void close_nest(struct rtattr* nest) { nest->rta_len = (uint16_t)((char*)&request + request.head.nlmsg_len - (char*)nest); }

static void send_by(int fd, const char* what) {
  char answer[2048];
  check(send(fd, &request, request.head.nlmsg_len, 0), what);
  check(recv(fd, answer, sizeof answer, 0), what);
  const struct nlmsgerr* error = NLMSG_DATA((struct nlmsghdr*)answer);
  errno = -error->error;
  check(error->error, what);
}

static int rtnetlink(void) {
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  check(fd, "socket");
  return fd;
}

static void bring_up(int fd, int index) {
  const struct ifinfomsg link = {.ifi_index = index, .ifi_flags = 1, .ifi_change = 1};
  begin(RTM_NEWLINK, 0, &link, sizeof link);
  send_by(fd, "bring up a link");
}

static void make_bridge(int fd) {
  const struct ifinfomsg link = {.ifi_index = kBridge, .ifi_flags = 1, .ifi_change = 1};
  begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &link, sizeof link);
  struct rtattr* info = attribute(IFLA_LINKINFO, NULL, 0);
  attribute(IFLA_INFO_KIND, "bridge", sizeof "bridge");
  close_nest(info);
  send_by(fd, "make the bridge");
}

static void queues(void) {
  const uint32_t one = 1;
  attribute(IFLA_NUM_TX_QUEUES, &one, sizeof one);
  attribute(IFLA_NUM_RX_QUEUES, &one, sizeof one);
}

static void make_pair(int fd, int index, int namespace) {
  const uint32_t bridge = kBridge;
  const struct ifinfomsg link = {.ifi_index = index, .ifi_flags = 1, .ifi_change = 1}, peer = {.ifi_index = kInside};
  begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &link, sizeof link);
  attribute(IFLA_MASTER, &bridge, sizeof bridge);
  queues();
  struct rtattr* info = attribute(IFLA_LINKINFO, NULL, 0);
  attribute(IFLA_INFO_KIND, "veth", sizeof "veth");
  struct rtattr* data = attribute(IFLA_INFO_DATA, NULL, 0);
  struct rtattr* end = attribute(VETH_INFO_PEER, NULL, 0);
  append(&peer, sizeof peer);
  queues();
  attribute(IFLA_IFNAME, "eth0", sizeof "eth0");
  attribute(IFLA_NET_NS_FD, &namespace, sizeof namespace);
  close_nest(end);
  close_nest(data);
  close_nest(info);
  send_by(fd, "make a pair");
}

static void add_address(int fd, int number) {
  const struct ifaddrmsg head = {.ifa_family = AF_INET, .ifa_prefixlen = 16, .ifa_index = kInside};
  const uint32_t address = htonl(0x0a010000u + (uint32_t)number);
  begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof head);
  attribute(IFA_LOCAL, &address, sizeof address);
  attribute(IFA_ADDRESS, &address, sizeof address);
  send_by(fd, "add an address");
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const int count = atoi(argv[1]);
  check(unshare(CLONE_NEWNET), "unshare");
  const int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  check(home, "open the namespace");
  const int outside = rtnetlink();
  make_bridge(outside);
  for (int i = 0; i < count; ++i) {
    check(unshare(CLONE_NEWNET), "unshare");
    const int there = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    check(there, "open the namespace");
    const int inside = rtnetlink();
    const int64_t started = now();
    make_pair(outside, kFirst + i, there);
    add_address(inside, 2 + i);
    bring_up(inside, kInside);
    printf("%lld\n", (long long)(now() - started));
    close(inside);
    close(there);
    check(setns(home, CLONE_NEWNET), "come back");
  }
  return 0;
}
