/*
 * One SCTP association, for the guest, whose busybox speaks TCP and UDP only.
 *   sctp serve ADDRESS PORT NAME          answers every association with NAME and who asked, for ever
 *   sctp ask ADDRESS PORT [SOURCE-PORT]   prints the answer; fails after some seconds without one
 * Both ends are bound to one address: INIT chunks list all addresses of a socket that is not, and no NAT knows them.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void die(const char *what) {
  perror(what);
  exit(1);
}

struct end {
  struct sockaddr_storage address;
  socklen_t length;
};

static struct end parse(const char *address, const char *port) {
  struct end end = {0};
  struct sockaddr_in *four = (struct sockaddr_in *)&end.address;
  struct sockaddr_in6 *six = (struct sockaddr_in6 *)&end.address;
  if (inet_pton(AF_INET, address, &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    end.length = sizeof *four;
  } else if (inet_pton(AF_INET6, address, &six->sin6_addr) == 1) {
    six->sin6_family = AF_INET6;
    end.length = sizeof *six;
  } else {
    fprintf(stderr, "no address: %s\n", address);
    exit(2);
  }
  /* The port is at the same place in both families. */
  four->sin_port = htons(atoi(port));
  return end;
}

static int sctp_socket(int family) {
  int fd = socket(family, SOCK_STREAM, IPPROTO_SCTP), on = 1;
  if (fd < 0) die("socket");
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  return fd;
}

static void serve(struct end at, const char *name) {
  int fd = sctp_socket(at.address.ss_family);
  if (bind(fd, (struct sockaddr *)&at.address, at.length) < 0 || listen(fd, 16) < 0) die("listen");
  for (;;) {
    struct end peer = {.length = sizeof peer.address};
    int client = accept(fd, (struct sockaddr *)&peer.address, &peer.length);
    if (client < 0) continue;
    char who[INET6_ADDRSTRLEN] = "", line[160];
    const void *bytes = peer.address.ss_family == AF_INET ? (void *)&((struct sockaddr_in *)&peer.address)->sin_addr
                                                          : (void *)&((struct sockaddr_in6 *)&peer.address)->sin6_addr;
    inet_ntop(peer.address.ss_family, bytes, who, sizeof who);
    snprintf(line, sizeof line, "%s, asked by %s\n", name, who);
    send(client, line, strlen(line), MSG_NOSIGNAL);
    close(client);
  }
}

static int ask(struct end to, const char *source_port) {
  /* A datagram socket tells from where the kernel would send. */
  struct end source = {.length = sizeof source.address};
  int probe = socket(to.address.ss_family, SOCK_DGRAM, 0);
  if (connect(probe, (struct sockaddr *)&to.address, to.length) < 0) die("no route");
  if (getsockname(probe, (struct sockaddr *)&source.address, &source.length) < 0) die("getsockname");
  ((struct sockaddr_in *)&source.address)->sin_port = htons(atoi(source_port));

  alarm(4);
  int fd = sctp_socket(to.address.ss_family);
  if (bind(fd, (struct sockaddr *)&source.address, source.length) < 0) die("bind");
  if (connect(fd, (struct sockaddr *)&to.address, to.length) < 0) die("connect");
  char line[160];
  ssize_t size = recv(fd, line, sizeof line, 0);
  if (size <= 0) die("recv");
  return fwrite(line, 1, size, stdout) != (size_t)size;
}

int main(int argc, char **argv) {
  if (argc == 5 && strcmp(argv[1], "serve") == 0) serve(parse(argv[2], argv[3]), argv[4]);
  if ((argc == 4 || argc == 5) && strcmp(argv[1], "ask") == 0)
    return ask(parse(argv[2], argv[3]), argc == 5 ? argv[4] : "0");
  fprintf(stderr, "usage: sctp serve ADDRESS PORT NAME | sctp ask ADDRESS PORT [SOURCE-PORT]\n");
  return 2;
}
