#include <refit.h>
#include <stdio.h>

/* Is there a newer image? Nothing is pulled. */
int main(int argc, char **argv) {
  refit *r = NULL;
  refit_error *err = NULL;
  char *json = NULL;
  refit_code code = refit_open(NULL, &r, &err); /* the engine that `docker` would use */
  if (code == REFIT_OK) code = img_check_update(r, argc > 1 ? argv[1] : "alpine", NULL, NULL, &json, &err);
  if (json) puts(json); /* the document comes with every answer, errors too */
  if (err) fprintf(stderr, "%s: %s\n", refit_code_name(code), refit_error_message(err));
  refit_string_free(json);
  refit_error_free(err);
  refit_close(r);
  return code;
}
