/* many WHAT HOST [OTHER]: a hundred handles in one process. */
#include "check.h"
#include <dirent.h>
#include <pthread.h>

enum { HANDLES = 100, CALLS = 20 };

static refit *handles[HANDLES];

static int threads_of_the_library(void) {
  DIR *tasks = opendir("/proc/self/task");
  int count = 0;
  for (struct dirent *task; (task = readdir(tasks));) {
    char path[300], name[64] = "";
    snprintf(path, sizeof path, "/proc/self/task/%s/comm", task->d_name);
    FILE *comm = fopen(path, "r");
    if (comm && fgets(name, sizeof name, comm) && !strncmp(name, "refit", 5)) count++;
    if (comm) fclose(comm);
  }
  closedir(tasks);
  return count;
}

static int open_files(void) {
  DIR *files = opendir("/proc/self/fd");
  int count = 0;
  while (readdir(files)) count++;
  closedir(files);
  return count;
}

/* Resident, in KiB. */
static long resident(void) {
  char line[200];
  long kib = 0;
  FILE *status = fopen("/proc/self/status", "r");
  while (status && fgets(line, sizeof line, status)) sscanf(line, "VmRSS: %ld", &kib);
  if (status) fclose(status);
  return kib;
}

static void info(refit *r) {
  char *json = NULL;
  refit_error *err = NULL;
  expect("refit_engine_info", REFIT_OK, refit_engine_info(r, NULL, NULL, &json, &err), err);
  refit_string_free(json);
}

static void list(refit *r) {
  char *json = NULL;
  refit_error *err = NULL;
  expect("img_list", REFIT_OK, img_list(r, NULL, NULL, &json, &err), err);
  refit_string_free(json);
}

static void open_all(const char *host, const char *more) {
  for (int i = 0; i < HANDLES; i++) handles[i] = open_at(host, more);
}

static void close_all(void) {
  for (int i = 0; i < HANDLES; i++) refit_close(handles[i]);
}

/* The first handle's number of threads is everybody's, and all are gone with the last handle. */
static void threads(const char *host) {
  open_all(host, ",\"connect\":\"lazy\",\"worker_threads\":3");
  CHECK(threads_of_the_library() == 3);
  for (int i = 0; i < HANDLES; i++) info(handles[i]);
  CHECK(threads_of_the_library() <= 3 + 8); /* and some for work that blocks, which end by themselves */
  for (int i = 1; i < HANDLES; i++) refit_close(handles[i]);
  info(handles[0]);
  CHECK(threads_of_the_library() >= 3);
  refit_close(handles[0]);
  CHECK(threads_of_the_library() == 0);
  refit *again = open_at(host, ",\"worker_threads\":1");
  info(again);
  refit_close(again);
  CHECK(threads_of_the_library() == 0);
}

/* Connections of a handle that was closed do not stay because another handle is open. */
static void files(const char *host) {
  refit *stays = open_at(host, "");
  info(stays);
  int before = open_files();
  open_all(host, "");
  for (int i = 0; i < HANDLES; i++) list(handles[i]);
  CHECK(open_files() >= before + HANDLES);
  close_all();
  for (int i = 0; i < 500 && open_files() > before; i++) usleep(10000);
  CHECK(open_files() <= before);
  info(stays);
  refit_close(stays);
}

static void *hanging(void *handle) {
  refit_error *err = NULL;
  int32_t found;
  refit_code code = img_exists(handle, "nothing:1", NULL, NULL, &found, &err);
  CHECK(code == REFIT_E_UNREACHABLE || code == REFIT_E_CANCELLED);
  refit_error_free(err);
  return NULL;
}

/* An engine that hangs behind many handles delays nobody else. */
static void beside(const char *host, const char *hung) {
  pthread_t callers[HANDLES];
  open_all(hung, ",\"connect\":\"lazy\",\"timeout_s\":3");
  for (int i = 0; i < HANDLES; i++) CHECK(pthread_create(&callers[i], NULL, hanging, handles[i]) == 0);
  usleep(200000);
  double begun = seconds();
  refit *other = open_at(host, "");
  for (int i = 0; i < CALLS; i++) list(other);
  CHECK(seconds() - begun < 2);
  refit_close(other);
  for (int i = 0; i < HANDLES; i++) CHECK(pthread_join(callers[i], NULL) == 0);
  close_all();
}

/* Prints what a handle costs, in bytes. */
static void memory(const char *host, const char *more, int calls) {
  refit *first = open_at(host, more);
  if (calls) list(first);
  long before = resident();
  open_all(host, more);
  for (int i = 0; i < HANDLES && calls; i++) { info(handles[i]); list(handles[i]); }
  printf("%ld\n", (resident() - before) * 1024 / HANDLES);
  close_all();
  refit_close(first);
}

int main(int count, char **word) {
  CHECK(count >= 3);
  if (!strcmp(word[1], "threads")) threads(word[2]);
  else if (!strcmp(word[1], "files")) files(word[2]);
  else if (!strcmp(word[1], "beside")) beside(word[2], word[3]);
  else if (!strcmp(word[1], "lazy")) memory(word[2], ",\"connect\":\"lazy\"", 0);
  else if (!strcmp(word[1], "connected")) memory(word[2], "", 1);
  else return 2;
  return 0;
}
