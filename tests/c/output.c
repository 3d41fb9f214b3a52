/* output WHAT HOST CONTAINER: callbacks that take a log, and calls that are ended while they wait. */
#include "check.h"
#include <pthread.h>

static refit *r;
static const char *container;
static int lines, bytes, partial;
static double fired;

static int32_t on_line(const refit_log_line *line, void *u) {
  CHECK(u == &lines && line->struct_size == sizeof *line && (line->stream == 1 || line->stream == 2));
  CHECK(line->text[line->length] == 0);
  lines += !line->partial;
  partial += line->partial;
  bytes += (int)line->length;
  return 0;
}

static int32_t on_timed_line(const refit_log_line *line, void *u) {
  (void)u;
  CHECK(line->timestamp && strlen(line->timestamp) == strlen("2026-11-29T01:30:10.123456789Z"));
  lines++;
  return 0;
}

static int32_t stop_at_two(const refit_log_line *line, void *u) {
  (void)line;
  (void)u;
  return ++lines == 2;
}

static int32_t on_data(const uint8_t *data, size_t length, void *u) {
  CHECK(u == &bytes && data && length > 0);
  bytes += (int)length;
  return 0;
}

static int32_t stop_data(const uint8_t *data, size_t length, void *u) {
  (void)data;
  (void)length;
  (void)u;
  return ++lines;
}

static int32_t call_inside(const refit_log_line *line, void *u) {
  (void)line;
  (void)u;
  char *logs = NULL;
  refit_error *err = NULL;
  expect("container_logs in a callback", REFIT_OK, container_logs(r, container, "{\"tail\":1}", NULL, &logs, &err), err);
  CHECK(strstr(logs, "\"lines\":1"));
  refit_string_free(logs);
  lines++;
  return 0;
}

static int32_t close_inside(const refit_log_line *line, void *u) {
  (void)line;
  (void)u;
  if (lines++ == 0) refit_close(r);
  return 0;
}

static void *fire_later(void *token) {
  usleep(700000);
  fired = seconds();
  refit_cancel_fire(token);
  return NULL;
}

/* What a call that waits does when its token is fired on another thread. */
static void cancelled(const char *what) {
  refit_cancel *token = refit_cancel_new();
  pthread_t thread;
  refit_error *err = NULL;
  char *out = NULL;
  CHECK(pthread_create(&thread, NULL, fire_later, token) == 0);
  refit_code code;
  if (!strcmp(what, "lines")) code = container_follow_logs(r, container, "{\"tail\":3}", on_line, &lines, token, &out, &err);
  else if (!strcmp(what, "data")) code = container_raw_logs(r, container, "{\"follow\":true}", on_data, &bytes, token, &out, &err);
  else code = container_exec(r, container, "[\"sleep\",\"1000\"]", NULL, token, &out, &err);
  double took = seconds() - fired;
  expect(what, REFIT_E_CANCELLED, code, err);
  CHECK(took < 2); /* 0.1 s on a machine that has nothing else to do */
  CHECK(strcmp(what, "exec") ? out && strstr(out, "\"bytes\":") : !out);
  refit_string_free(out);
  CHECK(pthread_join(thread, NULL) == 0);
  refit_cancel_free(token);
}

int main(int argc, char **argv) {
  CHECK(argc == 4);
  const char *what = argv[1];
  container = argv[3];
  refit_error *err = NULL;
  char *out = NULL;
  r = open_at(argv[2], "");
  const char *all = "{\"follow\":false}";
  if (!strcmp(what, "callbacks")) { /* three lines, one of which has 300000 bytes */
    expect("lines", REFIT_OK, container_follow_logs(r, container, all, on_line, &lines, NULL, &out, &err), err);
    CHECK(lines == 3 && partial == 1 && bytes == 300000 + 3 + 5 && strstr(out, "\"lines\":3,\"bytes\":300008"));
    refit_string_free(out);
    lines = 0;
    const char *timed = "{\"follow\":false,\"timestamps\":true,\"tail\":\"all\",\"since\":\"2020-01-01T00:00:00+02:00\"}";
    expect("times", REFIT_OK, container_follow_logs(r, container, timed, on_timed_line, NULL, NULL, NULL, &err), err);
    CHECK(lines == 4);
    bytes = 0;
    expect("data", REFIT_OK, container_raw_logs(r, container, NULL, on_data, &bytes, NULL, &out, &err), err);
    CHECK(bytes > 300008 + 3 * 8 && strstr(out, "\"lines\":null"));
    refit_string_free(out);
    lines = 0;
    expect("stop", REFIT_E_STOPPED, container_follow_logs(r, container, all, stop_at_two, NULL, NULL, &out, &err), err);
    CHECK(lines == 2 && strstr(out, "\"bytes\":"));
    refit_string_free(out);
    lines = 0;
    expect("stop data", REFIT_E_STOPPED, container_raw_logs(r, container, NULL, stop_data, NULL, NULL, NULL, &err), err);
    CHECK(lines == 1);
    lines = 0;
    expect("inside", REFIT_OK, container_follow_logs(r, container, all, call_inside, NULL, NULL, NULL, &err), err);
    CHECK(lines == 4);
    lines = 0;
    expect("close", REFIT_E_CANCELLED, container_follow_logs(r, container, all, close_inside, NULL, NULL, NULL, &err), err);
    CHECK(lines == 1);
    return 0;
  }
  if (!strcmp(what, "cancel")) {
    cancelled("lines");
    cancelled("data");
    cancelled("exec");
    expect("timeout", REFIT_E_TIMEOUT, container_follow_logs(r, container, "{\"timeout_s\":0.5}", on_line, &lines, NULL, NULL, &err), err);
  } else CHECK(!"a known word");
  refit_close(r);
  return 0;
}
