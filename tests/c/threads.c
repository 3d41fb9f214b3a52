/* threads HOST IMAGE: 64 threads on one handle, each with calls that succeed, that are refused, and that are cancelled. */
#include "check.h"
#include <pthread.h>

enum { THREADS = 64, ROUNDS = 20 };
static refit *r;
static const char *image;
static refit_cancel *fired;

static void *work(void *arg) {
  (void)arg;
  for (int round = 0; round < ROUNDS; round++) {
    int32_t found = 0;
    char *json = NULL;
    refit_error *err = NULL;
    expect("img_exists", REFIT_OK, img_exists(r, image, NULL, NULL, &found, &err), err);
    CHECK(found == 1);
    expect("img_info", REFIT_OK, img_info(r, image, NULL, NULL, &json, &err), err);
    CHECK(strstr(json, image));
    refit_string_free(json);
    expect("container_info", REFIT_E_NOT_FOUND, container_info(r, "refit-abi-nothing", NULL, NULL, &json, &err), err);
    CHECK(json == NULL);
    expect("img_list", REFIT_E_CANCELLED, img_list(r, NULL, fired, &json, &err), err);
    expect("img_info", REFIT_E_INVALID_ARGUMENT, img_info(r, "a b", NULL, NULL, &json, &err), err);
  }
  return NULL;
}

int main(int argc, char **argv) {
  CHECK(argc == 3);
  r = open_at(argv[1], "");
  image = argv[2];
  fired = refit_cancel_new();
  refit_cancel_fire(fired);
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, work, NULL) == 0);
  for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
  refit_cancel_free(fired);
  refit_close(r);
  return 0;
}
