/* child recreate|recover OPEN_OPTIONS CONTAINER OPTIONS, child backup|restore OPEN_OPTIONS VOLUME OPTIONS FILE: one call, which a test kills in its middle; ends with the call's code. */
#include <refit.h>
#include <string.h>

int main(int argc, char **argv) {
  refit *r = NULL;
  refit_code code = argc >= 5 ? refit_open(argv[2], &r, NULL) : REFIT_E_INVALID_ARGUMENT;
  if (code != REFIT_OK) return code;
  if (!strcmp(argv[1], "recreate"))
    code = container_recreate(r, argv[3], argv[4], NULL, NULL, NULL, NULL, NULL);
  else if (!strcmp(argv[1], "backup"))
    code = volume_backup(r, argv[3], argv[5], argv[4], NULL, NULL, NULL, NULL, NULL);
  else if (!strcmp(argv[1], "restore"))
    code = volume_restore(r, argv[3], argv[5], argv[4], NULL, NULL, NULL, NULL, NULL);
  else
    code = container_recover(r, argv[3], argv[4], NULL, NULL, NULL, NULL, NULL);
  refit_close(r);
  return code;
}
