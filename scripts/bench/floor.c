/*
 * The floor: the least that attaches a container to a bridge, and the least that detaches it. One
 * process, two batches of requests for an attach, one for a detach; no configuration, no lease,
 * no result, nothing looked at before and nothing checked after.
 *
 *     attach  CNI_COMMAND=ADD  CNI_NETNS  CNI_IFNAME  PORT  BRIDGE  ADDRESS  PREFIX  GATEWAY
 *     detach  CNI_COMMAND=DEL  PORT | LINKS
 *
 * Everything comes in the environment; PORT and BRIDGE are link indexes, PORT that of the host's end to
 * be made; LINKS are names between blanks, for links that someone else made. Exit status: 0, or the errno
 * of what was refused.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * The index the container's end is given, the first after lo, so that nobody has to ask for it. The
 * kernel takes it only where the host's end is given one too (drivers/net/veth.c, veth_newlink).
 */
enum { ETH0 = 2 };

static union {
  char bytes[4096];
  struct nlmsghdr align;
} batch;
static size_t used;
static struct nlmsghdr *request;
static unsigned requests;

static void *append(const void *data, size_t size) {
  void *at = batch.bytes + used;
  if (data != NULL) memcpy(at, data, size);
  used = NLMSG_ALIGN(used + size);
  request->nlmsg_len = (uint32_t)(batch.bytes + used - (char *)request);
  return at;
}

static void begin(uint16_t type, uint16_t flags, const void *header, size_t size) {
  request = (struct nlmsghdr *)(batch.bytes + used);
  *request = (struct nlmsghdr){.nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags};
  request->nlmsg_seq = ++requests;
  used += NLMSG_HDRLEN;
  append(header, size);
}

static struct rtattr *attribute(uint16_t type, const void *data, size_t size) {
  struct rtattr *a = append(NULL, sizeof *a);
  a->rta_type = type;
  a->rta_len = (uint16_t)RTA_LENGTH(size);
  if (size > 0) append(data, size);
  return a;
}

static void end(struct rtattr *nest) { nest->rta_len = (uint16_t)(batch.bytes + used - (char *)nest); }

/* Sends the batch on a socket of the namespace we are in and waits for every answer. */
static void send_batch(void) {
  char answers[8192];
  int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (s < 0 || send(s, batch.bytes, used, 0) < 0) _exit(errno);
  while (requests > 0) {
    ssize_t length = recv(s, answers, sizeof answers, 0);
    if (length < 0) _exit(errno);
    for (struct nlmsghdr *m = (void *)answers; NLMSG_OK(m, length); m = NLMSG_NEXT(m, length)) {
      if (m->nlmsg_type != NLMSG_ERROR) continue;
      int error = ((struct nlmsgerr *)NLMSG_DATA(m))->error;
      if (error != 0) _exit(-error);
      requests--;
    }
  }
  used = 0;
}

static const char *given(const char *name) {
  const char *value = getenv(name);
  if (value == NULL) _exit(EINVAL);
  return value;
}

static void attach(void) {
  const char *name = given("CNI_IFNAME");
  char host_name[IFNAMSIZ];
  int netns = open(given("CNI_NETNS"), O_RDONLY | O_CLOEXEC);
  uint32_t bridge = (uint32_t)atoi(given("BRIDGE")), link = ETH0;
  struct ifinfomsg port = {.ifi_index = atoi(given("PORT"))}, eth0 = {.ifi_index = ETH0};
  struct ifinfomsg up = {.ifi_index = port.ifi_index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
  struct ifaddrmsg address = {.ifa_family = AF_INET, .ifa_index = ETH0};
  struct rtmsg route = {.rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_BOOT,
                        .rtm_type = RTN_UNICAST};
  struct in_addr local, gateway;
  if (netns < 0) _exit(errno);
  inet_pton(AF_INET, given("ADDRESS"), &local);
  inet_pton(AF_INET, given("GATEWAY"), &gateway);
  address.ifa_prefixlen = (uint8_t)atoi(given("PREFIX"));

  /* One that the kernel chose would cost a look at every link there is. */
  snprintf(host_name, sizeof host_name, "floor%s", given("PORT"));
  begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &port, sizeof port);
  attribute(IFLA_IFNAME, host_name, strlen(host_name) + 1);
  attribute(IFLA_MASTER, &bridge, sizeof bridge);
  struct rtattr *info = attribute(IFLA_LINKINFO, NULL, 0);
  attribute(IFLA_INFO_KIND, "veth", 4);
  struct rtattr *data = attribute(IFLA_INFO_DATA, NULL, 0);
  struct rtattr *peer = attribute(VETH_INFO_PEER, NULL, 0);
  append(&eth0, sizeof eth0);
  attribute(IFLA_IFNAME, name, strlen(name) + 1);
  attribute(IFLA_NET_NS_FD, &netns, sizeof netns);
  end(peer);
  end(data);
  end(info);
  begin(RTM_NEWLINK, 0, &up, sizeof up);
  send_batch();

  if (setns(netns, CLONE_NEWNET) < 0) _exit(errno);
  up.ifi_index = ETH0;
  begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &address, sizeof address);
  attribute(IFA_LOCAL, &local, sizeof local);
  attribute(IFA_ADDRESS, &local, sizeof local);
  begin(RTM_NEWLINK, 0, &up, sizeof up);
  begin(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &route, sizeof route);
  attribute(RTA_GATEWAY, &gateway, sizeof gateway);
  attribute(RTA_OIF, &link, sizeof link);
  send_batch();
}

static void detach(void) {
  char *links = getenv("LINKS"), *name;
  struct ifinfomsg port = {.ifi_index = links == NULL ? atoi(given("PORT")) : 0};
  if (links == NULL) begin(RTM_DELLINK, 0, &port, sizeof port);
  while (links != NULL && (name = strsep(&links, " ")) != NULL) {
    begin(RTM_DELLINK, 0, &port, sizeof port);
    attribute(IFLA_IFNAME, name, strlen(name) + 1);
  }
  send_batch();
}

int main(void) {
  if (given("CNI_COMMAND")[0] == 'A') attach();
  else detach();
  return 0;
}
