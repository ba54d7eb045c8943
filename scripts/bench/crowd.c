/*
 * Attaches many pods at one moment, each by a chain of plugins in a process of its own: what a node does after
 * a drain. Static and small, so that what is measured is the plugins.
 *
 *     crowd EXECUTABLE...         the chain, in order
 *
 * A line on stdin is a pod, its fields separated by tabs:
 *     directory  NAME=value ...
 * In the directory `config-0`, `config-1` ... hold the configurations without their final brace; what a plugin
 * prints is the next one's prevResult. When stdin ends, all begin. A line is printed for each pod in order,
 * nanoseconds from the beginning to the end of its last plugin and the status of the first that failed, and one
 * for all: nanoseconds from the beginning until the last one's end.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FIELDS = 32, PODS = 4096 };

static struct outcome {
  int64_t nanoseconds;
  int status;
} *outcomes;

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Whom the kernel ends first where memory is short; ours must not be among them. */
static void spare(const char *score) {
  int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  if (write(fd, score, strlen(score)) < 0) errno = 0; /* not root: no harm */
  close(fd);
}

static int file(const char *directory, const char *name, int number, int flags) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s-%d", directory, name, number);
  int fd = open(path, flags | O_CLOEXEC, 0600);
  if (fd < 0) _exit(126);
  return fd;
}

static void append(int to, int from) {
  struct stat about;
  if (fstat(from, &about) < 0) _exit(126);
  for (off_t left = about.st_size; left > 0;) {
    ssize_t sent = sendfile(to, from, NULL, (size_t)left);
    if (sent <= 0) _exit(126);
    left -= sent;
  }
  close(from);
}

static void say(int to, const char *text) {
  if (write(to, text, strlen(text)) < 0) _exit(126);
}

static int step(char *executable, char *fields[], int number) {
  int in = file(fields[0], "stdin", number, O_RDWR | O_CREAT | O_TRUNC);
  append(in, file(fields[0], "config", number, O_RDONLY));
  if (number > 0) {
    say(in, ",\"prevResult\":");
    append(in, file(fields[0], "stdout", number - 1, O_RDONLY));
  }
  say(in, "}");
  lseek(in, 0, SEEK_SET);
  int out = file(fields[0], "stdout", number, O_WRONLY | O_CREAT | O_TRUNC);
  int status = -1;
  pid_t child = fork();
  if (child == 0) {
    char *const arguments[] = {executable, NULL};
    spare("0");
    if (dup2(in, 0) < 0 || dup2(out, 1) < 0) _exit(126);
    execve(executable, arguments, fields + 1);
    _exit(127);
  }
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  close(in);
  close(out);
  return status;
}

static void pod(struct outcome *outcome, int gate, char *chain[], char *line) {
  char *fields[FIELDS + 1] = {0}, nothing;
  for (int i = 0; i < FIELDS && line != NULL; i++) fields[i] = strsep(&line, "\t");
  if (read(gate, &nothing, 1) < 0) _exit(126);
  int64_t start = now();
  for (int i = 0; chain[i] != NULL && outcome->status == 0; i++) outcome->status = step(chain[i], fields, i);
  outcome->nanoseconds = now() - start;
  _exit(0);
}

int main(int count, char *arguments[]) {
  char *line = NULL;
  size_t room = 0;
  ssize_t length;
  int gate[2], pods = 0;
  if (count < 2 || pipe2(gate, O_CLOEXEC) < 0) return 2;
  outcomes = mmap(NULL, PODS * sizeof *outcomes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (outcomes == MAP_FAILED) return 2;
  spare("-1000");
  while (pods < PODS && (length = getline(&line, &room, stdin)) > 0) {
    if (line[length - 1] == '\n') line[length - 1] = 0;
    struct outcome *outcome = &outcomes[pods++];
    pid_t child = fork();
    if (child < 0) return 2;
    if (child > 0) continue;
    close(gate[1]);
    pod(outcome, gate[0], arguments + 1, line);
  }
  close(gate[0]);
  int64_t start = now();
  close(gate[1]);
  while (wait(NULL) > 0 || errno == EINTR) {
  }
  int64_t end = now();
  for (int i = 0; i < pods; i++) printf("%lld %d\n", (long long)outcomes[i].nanoseconds, outcomes[i].status);
  printf("%lld\n", (long long)(end - start));
  return 0;
}
