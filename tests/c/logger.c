/* logger WHAT HOST: the callback of refit_set_logger, its levels and its removal. */
#include "check.h"
#include <pthread.h>
#include <stdatomic.h>

#define NOTHING "refit-abi.invalid/nothing:1"

static refit *r;
static atomic_int records, requests, warnings, inside, removing, left;

static void exists(void) {
  int32_t found;
  refit_error *err = NULL;
  expect("img_exists", REFIT_OK, img_exists(r, NOTHING, NULL, NULL, &found, &err), err);
}

static void info(void) {
  refit_error *err = NULL;
  expect("img_info", REFIT_E_NOT_FOUND, img_info(r, NOTHING, NULL, NULL, NULL, &err), err);
}

static void on_record(const refit_log_record *record, void *u) {
  CHECK(u == &records && record->struct_size == sizeof *record && record->reserved == 0);
  CHECK(!strncmp(record->target, "refit", 5) && record->message[0] && !strchr(record->message, '\n'));
  CHECK(record->fields_json[0] == '{' && record->level >= REFIT_LOG_ERROR && record->level <= REFIT_LOG_TRACE);
  records++;
  if (!strcmp(record->target, "refit::engine::request")) {
    CHECK(record->level == REFIT_LOG_DEBUG && strstr(record->fields_json, "\"method\":\"GET\"") && strstr(record->fields_json, "\"ms\":"));
    requests += strstr(record->fields_json, "\"op\":\"img_exists\"") && strstr(record->fields_json, "\"image\":\"" NOTHING "\"") &&
                strstr(record->fields_json, "\"status\":404") && strstr(record->fields_json, "/images/");
  }
  if (record->level == REFIT_LOG_WARN) {
    CHECK(strstr(record->fields_json, "\"op\":\"img_info\"") && strstr(record->message, NOTHING));
    warnings++;
  }
}

/* Removes the logger, and says so before and after. */
static void *remover(void *u) {
  (void)u;
  while (!inside) usleep(1000);
  removing = 1;
  CHECK(refit_set_logger(0, NULL, NULL) == REFIT_OK);
  CHECK(left == 1); /* the callback had returned */
  return NULL;
}

/* Stays in its first call until another thread removes it. */
static void slow(const refit_log_record *record, void *u) {
  (void)record;
  if (records++) return;
  inside = 1;
  while (!removing) usleep(1000);
  usleep(300000);
  if (u) CHECK(refit_set_logger(0, NULL, NULL) == REFIT_OK); /* does not wait for itself, nor for the other thread */
  left = 1;
}

static void remove_inside(const refit_log_record *record, void *u) {
  (void)record;
  (void)u;
  CHECK(records++ == 0);
  CHECK(refit_set_logger(0, NULL, NULL) == REFIT_OK);
}

static void call_inside(const refit_log_record *record, void *u) {
  (void)record;
  if (records++) return;
  int32_t found;
  refit *second = NULL;
  refit_error *err = NULL;
  expect("img_exists in the callback", REFIT_E_UNSUPPORTED, img_exists(r, NOTHING, NULL, NULL, &found, &err), err);
  expect("refit_open in the callback", REFIT_E_UNSUPPORTED, refit_open(u, &second, &err), err);
  CHECK(!second && refit_version()[0]);
}

static void check_alive(const refit_log_record *record, void *u) {
  CHECK(record->level <= REFIT_LOG_DEBUG && *(atomic_int *)u == 1);
  records++;
}

static void *call_on(void *u) {
  (void)u;
  while (!left) exists();
  return NULL;
}

int main(int argc, char **argv) {
  CHECK(argc == 3);
  const char *what = argv[1];
  if (!strcmp(what, "levels")) {
    CHECK(refit_set_logger(REFIT_LOG_DEBUG, on_record, &records) == REFIT_OK); /* before the first handle */
    r = open_at(argv[2], "");
    CHECK(records > 0);
    exists();
    CHECK(requests == 1);
    CHECK(refit_set_logger(0, on_record, &records) == REFIT_E_INVALID_ARGUMENT);
    CHECK(refit_set_logger(6, on_record, &records) == REFIT_E_INVALID_ARGUMENT);
    exists();
    CHECK(requests == 2 && warnings == 0); /* the one that was set before is still there */
    CHECK(refit_set_logger(REFIT_LOG_WARN, on_record, &records) == REFIT_OK);
    int before = records;
    exists();
    info();
    CHECK(records == before + 1 && warnings == 1);
    CHECK(refit_set_logger(REFIT_LOG_ERROR, on_record, &records) == REFIT_OK);
    info();
    CHECK(refit_set_logger(REFIT_LOG_TRACE, NULL, NULL) == REFIT_OK);
    exists();
    info();
    CHECK(records == before + 1);
    CHECK(refit_set_logger(REFIT_LOG_DEBUG, on_record, &records) == REFIT_OK); /* and again */
    exists();
    CHECK(requests == 3);
  } else if (!strcmp(what, "removal-waits") || !strcmp(what, "both-remove")) {
    pthread_t thread;
    r = open_at(argv[2], "");
    CHECK(pthread_create(&thread, NULL, remover, NULL) == 0);
    CHECK(refit_set_logger(REFIT_LOG_DEBUG, slow, !strcmp(what, "both-remove") ? &records : NULL) == REFIT_OK);
    exists();
    CHECK(pthread_join(thread, NULL) == 0);
    int before = records;
    exists();
    CHECK(records == before);
  } else if (!strcmp(what, "remove-inside")) {
    r = open_at(argv[2], "");
    CHECK(refit_set_logger(REFIT_LOG_DEBUG, remove_inside, NULL) == REFIT_OK);
    exists();
    exists();
    CHECK(records == 1);
  } else if (!strcmp(what, "call-inside")) {
    r = open_at(argv[2], ",\"worker_threads\":1");
    CHECK(refit_set_logger(REFIT_LOG_DEBUG, call_inside, "{\"connect\":\"lazy\"}") == REFIT_OK);
    exists();
    CHECK(records > 0);
  } else if (!strcmp(what, "many")) { /* none is called once it was removed */
    pthread_t threads[4];
    static atomic_int alive[60];
    r = open_at(argv[2], "");
    for (int i = 0; i < 4; i++) CHECK(pthread_create(&threads[i], NULL, call_on, NULL) == 0);
    for (int i = 0; i < 60; i++) {
      int before = records;
      alive[i] = 1;
      CHECK(refit_set_logger(REFIT_LOG_DEBUG, check_alive, &alive[i]) == REFIT_OK);
      if (i) alive[i - 1] = 0;
      while (records == before) usleep(1000);
      if (i % 2 == 0) {
        CHECK(refit_set_logger(0, NULL, NULL) == REFIT_OK);
        alive[i] = 0;
      }
    }
    CHECK(refit_set_logger(0, NULL, NULL) == REFIT_OK);
    left = 1;
    for (int i = 0; i < 4; i++) CHECK(pthread_join(threads[i], NULL) == 0);
  } else CHECK(!"a known word");
  refit_set_logger(0, NULL, NULL);
  refit_close(r);
  return 0;
}
