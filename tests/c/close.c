/* close WHAT HOST [IMAGE]: a handle that is closed while calls run on it. */
#include "check.h"
#include <pthread.h>

static refit *r;
static const char *image;
static int reports;

struct call { pthread_t thread; refit_code code; double ended; };

static void *exists(void *arg) {
  struct call *call = arg;
  int32_t found;
  call->code = img_exists(r, "refit-abi.invalid/nothing:1", NULL, NULL, &found, NULL);
  call->ended = seconds();
  return NULL;
}

/* Closes 0.3 s into a call on another thread; answers how long the closing took. */
static double close_during(struct call *call) {
  CHECK(pthread_create(&call->thread, NULL, exists, call) == 0);
  usleep(300000);
  double begun = seconds();
  refit_close(r);
  double ended = seconds();
  CHECK(pthread_join(call->thread, NULL) == 0);
  CHECK(call->ended <= ended + 0.05); /* close had waited for it */
  return ended - begun;
}

static int32_t close_in_callback(const refit_progress *p, void *u) {
  (void)p;
  CHECK(u == &reports);
  if (reports++ == 0) refit_close(r);
  int32_t found = 7;
  refit_error *err = NULL;
  expect("a call on the closed handle", REFIT_E_CANCELLED, img_exists(r, image, NULL, NULL, &found, &err), err);
  CHECK(found == 0);
  return 0;
}

static int32_t call_in_callback(const refit_progress *p, void *u) {
  (void)u;
  int32_t found;
  char *status = NULL;
  refit_error *err = NULL;
  expect("img_exists in a callback", REFIT_OK, img_exists(r, image, NULL, NULL, &found, &err), err);
  expect("img_status in a callback", REFIT_OK, img_status(r, image, NULL, NULL, &status, &err), err);
  CHECK(strstr(status, "\"exists\""));
  refit_string_free(status);
  CHECK(p->permille <= 1000 && p->struct_size == sizeof *p && !strcmp(p->subject, image) && !strcmp(p->operation, "pull"));
  reports++;
  return 0;
}

static volatile int settling;

static int32_t tell_settling(const refit_progress *p, void *u) {
  (void)u;
  if (!strcmp(p->phase, "waiting")) settling = 1;
  return 0;
}

static void *update(void *arg) {
  struct call *call = arg;
  char *report = NULL;
  call->code = img_update(r, image, "{\"settle_s\":60}", tell_settling, NULL, NULL, &report, NULL);
  call->ended = seconds();
  CHECK(report && strstr(report, "\"rolled_back\"") && strstr(report, "\"restored\""));
  refit_string_free(report);
  return NULL;
}

static int32_t stop_in_callback(const refit_progress *p, void *u) {
  (void)p;
  (void)u;
  return ++reports;
}

int main(int argc, char **argv) {
  CHECK(argc >= 3);
  const char *what = argv[1];
  image = argv[3];
  refit_error *err = NULL;
  r = open_at(argv[2], ",\"connect\":\"lazy\"");
  if (!strcmp(what, "hanging")) { /* 2 s of grace, then the call is cancelled */
    struct call call = {0};
    double took = close_during(&call);
    CHECK(call.code == REFIT_E_CANCELLED);
    CHECK(took > 1.9 && took < 2.6);
  } else if (!strcmp(what, "ending")) { /* the call ends by itself within the grace */
    struct call call = {0};
    double took = close_during(&call);
    CHECK(call.code == REFIT_OK);
    CHECK(took < 1.5);
  } else if (!strcmp(what, "in-callback")) {
    refit_code code = img_pull(r, image, NULL, close_in_callback, &reports, NULL, NULL, &err);
    CHECK(reports == 1 || code == REFIT_OK);
    expect("img_pull whose callback closed", REFIT_E_CANCELLED, code, err);
  } else if (!strcmp(what, "call-in-callback")) {
    expect("img_pull", REFIT_OK, img_pull(r, image, NULL, call_in_callback, NULL, NULL, NULL, &err), err);
    CHECK(reports > 2);
    refit_close(r);
  } else if (!strcmp(what, "stop-in-callback")) {
    expect("img_pull", REFIT_E_STOPPED, img_pull(r, image, NULL, stop_in_callback, NULL, NULL, NULL, &err), err);
    CHECK(reports == 1); /* it is not called again */
    refit_close(r);
  } else if (!strcmp(what, "updating")) { /* the container that is being replaced is rolled back before close returns */
    struct call call = {0};
    CHECK(pthread_create(&call.thread, NULL, update, &call) == 0);
    while (!settling) usleep(10000);
    double begun = seconds();
    refit_close(r);
    double ended = seconds();
    CHECK(pthread_join(call.thread, NULL) == 0);
    CHECK(call.ended <= ended + 0.05 && ended - begun > 1.9 && ended - begun < 30);
    CHECK(call.code == REFIT_E_CANCELLED);
  } else CHECK(!"a known word");
  return 0;
}
