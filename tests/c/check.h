/* What the C programs of the tests share. */
#include <refit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CHECK(condition) \
  do { if (!(condition)) { fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); _exit(1); } } while (0)

/* Takes the error along: the code, and its message on stderr when it is another one. */
static inline void expect_code(const char *what, refit_code expected, refit_code code, refit_error *err) {
  if (code != expected) {
    fprintf(stderr, "%s: %s, not %s: %s\n", what, refit_code_name(code), refit_code_name(expected), refit_error_message(err));
    _exit(1);
  }
  refit_error_free(err);
}

/* The call first: C may read `err` before the call among the arguments of one function. */
#define expect(what, expected, call, err) \
  do { refit_code code_ = (call); expect_code(what, expected, code_, err); } while (0)

static inline refit *open_at(const char *host, const char *more) {
  char options[600];
  refit *r = NULL;
  refit_error *err = NULL;
  snprintf(options, sizeof options, "{\"host\":\"%s\"%s}", host, more);
  expect("refit_open", REFIT_OK, refit_open(options, &r, &err), err);
  return r;
}

static inline double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}
