/*
 * Runs programs one at a time and says what each cost. A small static parent, because a process begins
 * its peak RSS with that of the process it was forked from, and because a large parent forks slowly.
 *
 * A line on stdin is one run, its fields separated by tabs:
 *     executable  file for stdin  file for stdout  NAME=value ...
 * and is answered with one line: nanoseconds from before the fork to after the wait, peak RSS of the
 * process or of a child it waited for in KiB, wait status.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FIELDS = 64 };

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void run(char *fields[]) {
  char *const arguments[] = {fields[0], NULL};
  int in = open(fields[1], O_RDONLY | O_CLOEXEC);
  int out = open(fields[2], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  struct rusage usage;
  int status = -1;

  int64_t start = now();
  pid_t child = vfork();
  if (child == 0) {
    if (dup2(in, 0) < 0 || dup2(out, 1) < 0) _exit(126);
    execve(fields[0], arguments, fields + 3);
    _exit(127);
  }
  while (wait4(child, &status, 0, &usage) < 0 && errno == EINTR) {
  }
  int64_t end = now();

  close(in);
  close(out);
  printf("%lld %ld %d\n", (long long)(end - start), usage.ru_maxrss, status);
  fflush(stdout);
}

int main(void) {
  char *line = NULL;
  size_t room = 0;
  ssize_t length;
  while ((length = getline(&line, &room, stdin)) > 0) {
    if (line[length - 1] == '\n') line[length - 1] = 0;
    char *fields[FIELDS + 1] = {0}, *rest = line;
    for (int i = 0; i < FIELDS && rest != NULL; i++) fields[i] = strsep(&rest, "\t");
    if (fields[2] == NULL) return 2;
    run(fields);
  }
  return 0;
}
