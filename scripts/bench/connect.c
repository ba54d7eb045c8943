/*
 * TCP connections, one after another: made and ended, nothing sent.
 *
 *     connect serve PORT              prints a line when it listens; ends with its stdin
 *     connect call ADDRESS PORT COUNT prints the nanoseconds that all of them took
 *
 * The caller ends each with a reset, so that ports do not run out.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct sockaddr_in at(const char *address, const char *port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  inet_pton(AF_INET, address, &to.sin_addr);
  return to;
}

static int serve(const char *port) {
  struct sockaddr_in to = at("0.0.0.0", port);
  struct pollfd all[2] = {{.fd = 0, .events = POLLIN}, {.events = POLLIN}};
  int s = all[1].fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(s, (struct sockaddr *)&to, sizeof to) < 0 || listen(s, 1024) < 0) return errno;
  puts("listening");
  fflush(stdout);
  while (poll(all, 2, -1) > 0 && all[0].revents == 0) {
    int one = accept(s, NULL, NULL);
    if (one >= 0) close(one);
  }
  return 0;
}

static int call(const char *address, const char *port, int count) {
  struct sockaddr_in to = at(address, port);
  const struct linger reset = {.l_onoff = 1, .l_linger = 0};
  struct timespec start, end;
  clock_gettime(CLOCK_MONOTONIC, &start);
  for (int i = 0; i < count; i++) {
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(s, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    if (connect(s, (struct sockaddr *)&to, sizeof to) < 0) return errno;
    close(s);
  }
  clock_gettime(CLOCK_MONOTONIC, &end);
  printf("%lld\n", (long long)(end.tv_sec - start.tv_sec) * 1000000000 + end.tv_nsec - start.tv_nsec);
  return 0;
}

int main(int count, char *words[]) {
  if (count == 3 && strcmp(words[1], "serve") == 0) return serve(words[2]);
  if (count == 5 && strcmp(words[1], "call") == 0) return call(words[2], words[3], atoi(words[4]));
  return 2;
}
