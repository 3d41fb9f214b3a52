/* child recreate|recover OPEN_OPTIONS CONTAINER OPTIONS, child backup|restore|write|import OPEN_OPTIONS VOLUME OPTIONS FILE: one call, which a test kills in its middle; ends with the call's code. */
#include <refit.h>
#include <stdio.h>
#include <string.h>

static int64_t read_file(uint8_t *buffer, size_t capacity, void *file) {
  return (int64_t)fread(buffer, 1, capacity, file);
}

/* The content of a small file. */
static size_t content(const char *path, uint8_t *buffer, size_t capacity) {
  FILE *file = fopen(path, "rb");
  size_t length = file ? fread(buffer, 1, capacity, file) : 0;
  if (file) fclose(file);
  return length;
}

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
  else if (!strcmp(argv[1], "write")) {
    static uint8_t data[4096];
    size_t length = content(argv[5], data, sizeof data);
    code = volume_write_file(r, argv[3], "f", data, length, argv[4], NULL, NULL, NULL);
  } else if (!strcmp(argv[1], "import")) {
    FILE *archive = fopen(argv[5], "rb");
    code = archive ? volume_import(r, argv[3], "/", argv[4], read_file, archive, NULL, NULL, NULL) : REFIT_E_IO;
  } else
    code = container_recover(r, argv[3], argv[4], NULL, NULL, NULL, NULL, NULL);
  refit_close(r);
  return code;
}
