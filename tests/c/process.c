/* process WHAT HOST: what the library leaves alone in the process that loads it. */
#include "check.h"
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

extern char **environ;
static int reading_is_allowed = 1, reads;

/* In the place of the C library's, for everything that the process loads. */
char *getenv(const char *name) {
  if (!reading_is_allowed) { reads++; return NULL; }
  size_t length = strlen(name);
  for (char **entry = environ; entry && *entry; entry++)
    if (!strncmp(*entry, name, length) && (*entry)[length] == '=') return *entry + length + 1;
  return NULL;
}

static void some_calls(refit *r, refit_code expected) {
  char *json = NULL;
  refit_error *err = NULL;
  int32_t found;
  expect("refit_engine_info", expected, refit_engine_info(r, NULL, NULL, &json, &err), err);
  refit_string_free(json);
  expect("img_list", expected, img_list(r, NULL, NULL, &json, &err), err);
  refit_string_free(json);
  expect("img_exists", expected, img_exists(r, "refit-abi.invalid/nothing:1", NULL, NULL, &found, &err), err);
}

static void handlers(struct sigaction *all) {
  for (int signal = 1; signal < 65; signal++) {
    memset(&all[signal], 0, sizeof all[signal]);
    sigaction(signal, NULL, &all[signal]);
  }
}

/* The library's own threads, and whether each has SIGPIPE blocked. */
static int threads_of_the_library(void) {
  DIR *tasks = opendir("/proc/self/task");
  int count = 0;
  for (struct dirent *task; (task = readdir(tasks));) {
    char path[300], line[300];
    unsigned long long blocked = 0;
    int ours = 0;
    snprintf(path, sizeof path, "/proc/self/task/%s/status", task->d_name);
    FILE *status = fopen(path, "r");
    while (status && fgets(line, sizeof line, status)) {
      if (!strncmp(line, "Name:\trefit", 11)) ours = 1;
      sscanf(line, "SigBlk: %llx", &blocked);
    }
    if (status) fclose(status);
    if (ours && getpid() != atoi(task->d_name)) { count++; CHECK(blocked & (1ull << (SIGPIPE - 1))); }
  }
  closedir(tasks);
  return count;
}

static void signals(const char *host) {
  struct sigaction before[65], after[65];
  sigset_t mask_before, mask_after;
  handlers(before);
  pthread_sigmask(SIG_BLOCK, NULL, &mask_before);
  refit *r = open_at(host, ",\"worker_threads\":3");
  some_calls(r, REFIT_OK);
  CHECK(threads_of_the_library() >= 3);
  handlers(after);
  pthread_sigmask(SIG_BLOCK, NULL, &mask_after);
  for (int signal = 1; signal < 65; signal++) {
    if (before[signal].sa_handler != after[signal].sa_handler) fprintf(stderr, "signal %d has another handler\n", signal);
    CHECK(before[signal].sa_handler == after[signal].sa_handler && before[signal].sa_flags == after[signal].sa_flags);
  }
  CHECK(!memcmp(&mask_before, &mask_after, sizeof mask_before));
  CHECK(after[SIGPIPE].sa_handler == SIG_DFL);
  refit_close(r);
  CHECK(threads_of_the_library() == 0);
}

static void environment(const char *host) {
  setenv("DOCKER_HOST", host, 1);
  refit *r = NULL;
  expect("refit_open", REFIT_OK, refit_open(NULL, &r, NULL), NULL);
  reading_is_allowed = 0;
  char **kept = environ;
  environ = (char **)8; /* whoever reads a variable from here on dies */
  some_calls(r, REFIT_OK);
  char *json;
  expect("img_pull", REFIT_E_UNREACHABLE, img_pull(r, "127.0.0.1:1/nothing:1", NULL, NULL, NULL, NULL, &json, NULL), NULL);
  environ = kept;
  CHECK(reads == 0);
  refit_close(r);
}

static void without_home(const char *host) {
  unsetenv("HOME");
  unsetenv("DOCKER_CONFIG");
  refit *r = open_at(host, "");
  some_calls(r, REFIT_OK);
  refit_close(r);
}

static void forked(const char *host) {
  refit *r = open_at(host, "");
  some_calls(r, REFIT_OK);
  pid_t child = fork();
  if (child == 0) {
    alarm(20); /* a child that hangs is a failure */
    some_calls(r, REFIT_E_UNSUPPORTED);
    refit *other = NULL;
    expect("refit_open in a child", REFIT_E_UNSUPPORTED, refit_open("{\"connect\":\"lazy\"}", &other, NULL), NULL);
    CHECK(other == NULL);
    refit_close(r);
    _exit(0);
  }
  int status = 1;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  some_calls(r, REFIT_OK);
  refit_close(r);
}

/* The host reaps every child itself, as one that ignores SIGCHLD or is the first process of its container does. */
static void reaped(const char *host) {
  CHECK(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
  refit *r = open_at(host, "");
  for (int call = 0; call < 20; call++) {
    char *json = NULL;
    refit_error *err = NULL;
    expect("img_check_update", REFIT_OK, img_check_update(r, getenv("IMAGE"), NULL, NULL, &json, &err), err);
    CHECK(strstr(json, "\"credential\":\"used\"") && !strstr(json, "helper_failed"));
    refit_string_free(json);
  }
  refit_close(r);
}

int main(int argc, char **argv) {
  CHECK(argc == 3);
  if (!strcmp(argv[1], "signals")) signals(argv[2]);
  else if (!strcmp(argv[1], "environment")) environment(argv[2]);
  else if (!strcmp(argv[1], "without-home")) without_home(argv[2]);
  else if (!strcmp(argv[1], "forked")) forked(argv[2]);
  else if (!strcmp(argv[1], "reaped")) reaped(argv[2]);
  else CHECK(!"a known word");
  return 0;
}
