/* The main job in C: is there a newer image, pull it, rebuild its containers.
 *
 *   update list                  the local images
 *   update check IMAGE           is there a newer one?
 *   update pull IMAGE            pull it, with a moving bar
 *   update create NAME FILE      make a container from the engine's own create body
 *   update start NAME
 *   update show NAME             its state, image, address and volumes
 *   update plan IMAGE            what an update would do
 *   update run IMAGE             update the image and rebuild its containers
 *   update rollback IMAGE        back to the image before the last update
 *   update history IMAGE         who has done what, and how it ended
 *   update logs NAME             the last lines of its log
 *   update remove-old IMAGE      remove what the update has left behind
 *
 * The history is kept in the folder REFIT_STATE_DIR, if it is set.
 *
 * cc update.c $(pkg-config --cflags --libs refit libcjson) -o update */
#include <cjson/cJSON.h>
#include <refit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cJSON *part(const cJSON *object, const char *key) { return cJSON_GetObjectItemCaseSensitive(object, key); }

static const char *text(const cJSON *object, const char *key, const char *otherwise) {
  const char *value = cJSON_GetStringValue(part(object, key));
  return value ? value : otherwise;
}

static double number(const cJSON *object, const char *key) {
  const cJSON *item = part(object, key);
  return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

/* Takes over both outputs of a call: the document, parsed, and the error, printed. */
static cJSON *document(refit_code code, char *json, refit_error *err) {
  cJSON *parsed = json ? cJSON_Parse(json) : NULL;
  if (code != REFIT_OK) printf("  %s: %s\n", refit_code_name(code), refit_error_message(err));
  refit_error_free(err);
  refit_string_free(json);
  return parsed;
}

/* A bar while bytes come, and a line for each phase of each container. user_data is the last line. */
static int32_t on_progress(const refit_progress *p, void *user_data) {
  char *last = user_data, line[256];
  if (p->layer) return 0;
  if (strcmp(p->phase, "downloading") == 0 || strcmp(p->phase, "extracting") == 0) {
    int full = (int)(p->permille / 25);
    printf("\r  [%.*s%*s] %3u %%  %6.1f MB  %-11s", full, "########################################", 40 - full, "", p->permille / 10,
           (double)p->current / 1e6, p->phase);
    if (p->bytes_per_second)
      printf(" %6.1f MB/s, %llu s left ", (double)p->bytes_per_second / 1e6, (unsigned long long)p->eta_seconds);
    fflush(stdout);
    strcpy(last, "\n");
    return 0;
  }
  if (strcmp(p->operation, "pull") == 0 || strcmp(p->phase, "resolving") == 0) return 0;
  snprintf(line, sizeof line, "  %u/%u %s: %s", p->step, p->steps, p->subject, p->phase);
  if (strcmp(line, last) != 0) printf("%s%s\n", last[0] == '\n' ? "\n" : "", line);
  strcpy(last, line);
  return 0;
}

static refit_code list(const refit *r) {
  char *json = NULL;
  refit_error *err = NULL;
  refit_code code = img_list(r, NULL, NULL, &json, &err);
  cJSON *found = document(code, json, err);
  const cJSON *image;
  cJSON_ArrayForEach(image, part(found, "images")) {
    const cJSON *tag = cJSON_GetArrayItem(part(image, "tags"), 0);
    printf("  %-45s %.19s  %6.1f MB, %.0f containers\n", tag ? tag->valuestring : "(no tag)", text(image, "id", ""),
           number(image, "size") / 1e6, number(image, "containers"));
  }
  cJSON_Delete(found);
  return code;
}

static refit_code check(const refit *r, const char *image) {
  char *json = NULL;
  refit_error *err = NULL;
  refit_code code = img_check_update(r, image, NULL, NULL, &json, &err);
  cJSON *found = document(code, json, err);
  const cJSON *local = part(found, "local"), *remote = part(found, "remote");
  const char *state = text(found, "state", "unknown");
  if (strcmp(state, "update_available") == 0)
    printf("  update available: version %s -> %s, %.1f MB to download\n", text(local, "version", "?"), text(remote, "version", "?"),
           number(remote, "download_bytes") / 1e6);
  else
    printf("  %s\n", state);
  printf("  %.0f requests to the registry, %.0f ms\n", number(found, "requests"), number(found, "elapsed_ms"));
  cJSON_Delete(found);
  return code;
}

static refit_code pull(const refit *r, const char *image) {
  char *json = NULL, last[256] = "";
  refit_error *err = NULL;
  refit_code code = img_pull(r, image, NULL, on_progress, last, NULL, &json, &err);
  if (last[0] == '\n') printf("\n");
  cJSON *done = document(code, json, err);
  if (done)
    printf("  %s, %.1f MB in %.1f s\n", cJSON_IsTrue(part(done, "changed")) ? "a new image" : "no change",
           number(done, "bytes_downloaded") / 1e6, number(done, "elapsed_ms") / 1e3);
  cJSON_Delete(done);
  return code;
}

static refit_code create(const refit *r, const char *name, const char *file) {
  static char spec[65536];
  char *json = NULL;
  refit_error *err = NULL;
  FILE *in = fopen(file, "r");
  if (!in) {
    perror(file);
    return REFIT_E_IO;
  }
  spec[fread(spec, 1, sizeof spec - 1, in)] = '\0';
  fclose(in);
  refit_code code = container_create(r, name, spec, NULL, NULL, &json, &err);
  cJSON_Delete(document(code, json, err));
  return code;
}

static refit_code start(const refit *r, const char *name) {
  char *json = NULL;
  refit_error *err = NULL;
  refit_code code = container_start(r, name, NULL, NULL, &json, &err);
  cJSON_Delete(document(code, json, err));
  return code;
}

static refit_code show(const refit *r, const char *name) {
  char *json = NULL;
  refit_error *err = NULL;
  refit_code code = container_info(r, name, NULL, NULL, &json, &err);
  cJSON *info = document(code, json, err);
  if (info) {
    const cJSON *one;
    printf("  %-26s %.12s %-8s image %.19s", name, text(info, "id", ""), text(info, "state", "?"), text(info, "image_id", ""));
    cJSON_ArrayForEach(one, part(info, "networks")) printf(" %s", text(one, "ip_address", ""));
    cJSON_ArrayForEach(one, part(info, "mounts")) printf(" %s=%.20s", text(one, "destination", ""), text(one, "name", "?"));
    printf("\n");
  }
  cJSON_Delete(info);
  return code;
}

static refit_code plan(const refit *r, const char *image) {
  char *json = NULL;
  refit_error *err = NULL;
  refit_code code = img_plan_update(r, image, NULL, NULL, &json, &err);
  cJSON *plan = document(code, json, err);
  const cJSON *one;
  cJSON_ArrayForEach(one, part(plan, "containers"))
    printf("  %-26s %-8s -> %s %s\n", text(one, "container", ""), text(one, "state", ""), text(one, "action", ""), text(one, "reason", ""));
  cJSON_ArrayForEach(one, part(plan, "image_changes")) {
    char *before = cJSON_PrintUnformatted(part(one, "before")), *after = cJSON_PrintUnformatted(part(one, "after"));
    printf("  the image's %s: %.70s -> %.70s\n", text(one, "field", ""), before, after);
    cJSON_free(before);
    cJSON_free(after);
  }
  cJSON_ArrayForEach(one, part(plan, "warnings")) printf("  warning: %s\n", text(one, "message", ""));
  cJSON_Delete(plan);
  return code;
}

/* What an update and a rollback did with each container. */
static void print_update(const cJSON *done) {
  const cJSON *one;
  cJSON_ArrayForEach(one, part(done, "containers")) {
    printf("  %-26s %s", text(one, "container", ""), text(one, "result", ""));
    if (cJSON_IsNumber(part(one, "downtime_ms"))) printf(", down for %.0f ms", number(one, "downtime_ms"));
    if (cJSON_IsString(part(one, "logs_tail"))) printf(", its last words: %s", text(one, "logs_tail", ""));
    printf("\n");
  }
  if (done) printf("  the tag: %s\n", text(done, "tag", "?"));
}

/* A program with somebody to ask hands the plan's digest on as "expect_digest": what was confirmed is what is done. */
static refit_code update(const refit *r, const char *image) {
  char *json = NULL, last[256] = "";
  refit_error *err = NULL;
  refit_code code = img_update(r, image, "{\"settle_s\":1,\"actor\":\"the demo\"}", on_progress, last, NULL, &json, &err);
  cJSON *done = document(code, json, err);
  print_update(done);
  cJSON_Delete(done);
  return code;
}

static refit_code rollback(const refit *r, const char *image) {
  char *json = NULL, last[256] = "";
  refit_error *err = NULL;
  refit_code code = img_rollback(r, image, "{\"settle_s\":1,\"actor\":\"the demo\"}", on_progress, last, NULL, &json, &err);
  cJSON *done = document(code, json, err);
  print_update(done);
  if (done) printf("  the version: %s\n", text(part(done, "to"), "version", "?"));
  cJSON_Delete(done);
  return code;
}

static refit_code history(const refit *r, const char *image) {
  char *json = NULL;
  refit_error *err = NULL;
  cJSON *options = cJSON_CreateObject();
  cJSON_AddStringToObject(options, "image", image);
  char *written = cJSON_PrintUnformatted(options);
  refit_code code = refit_history_list(r, written, NULL, &json, &err);
  cJSON_free(written);
  cJSON_Delete(options);
  cJSON *found = document(code, json, err);
  const cJSON *one;
  cJSON_ArrayForEach(one, part(found, "entries")) {
    const cJSON *from = part(one, "from"), *to = part(one, "to");
    printf("  %.19s %-9s %-12s %s -> %s, %d containers, by %s\n", text(one, "at", ""), text(one, "kind", ""), text(one, "result", ""),
           text(from, "version", "(none)"), text(to, "version", "(none)"), cJSON_GetArraySize(part(one, "containers")), text(one, "actor", "nobody"));
  }
  cJSON_Delete(found);
  return code;
}

static refit_code logs(const refit *r, const char *name) {
  char *json = NULL;
  refit_error *err = NULL;
  refit_code code = container_logs(r, name, "{\"tail\":3,\"timestamps\":true}", NULL, &json, &err);
  cJSON *found = document(code, json, err);
  char *all = cJSON_GetStringValue(part(found, "text"));
  for (char *line = all ? strtok(all, "\n") : NULL; line; line = strtok(NULL, "\n")) printf("  %s\n", line);
  cJSON_Delete(found);
  return code;
}

static refit_code remove_old(const refit *r, const char *image) {
  char *json = NULL;
  refit_error *err = NULL;
  refit_code code = img_remove_old(r, image, NULL, NULL, &json, &err);
  cJSON *done = document(code, json, err);
  const cJSON *one;
  cJSON_ArrayForEach(one, part(done, "removed")) printf("  removed %.19s, %.1f MB\n", text(one, "id", ""), number(one, "bytes") / 1e6);
  cJSON_ArrayForEach(one, part(done, "kept")) printf("  kept %.19s: %s\n", text(one, "id", ""), text(one, "why", ""));
  cJSON_Delete(done);
  return code;
}

int main(int argc, char **argv) {
  const char *verb = argc > 1 ? argv[1] : "", *subject = argc > 2 ? argv[2] : "";
  refit *r = NULL;
  refit_error *err = NULL;
  const char *state_dir = getenv("REFIT_STATE_DIR");
  cJSON *options = cJSON_CreateObject();
  if (state_dir) cJSON_AddStringToObject(options, "state_dir", state_dir);
  char *written = cJSON_PrintUnformatted(options);
  refit_code code = refit_open(written, &r, &err);
  cJSON_free(written);
  cJSON_Delete(options);
  if (code != REFIT_OK) {
    document(code, NULL, err);
    return code;
  }
  if (strcmp(verb, "list") == 0) code = list(r);
  else if (strcmp(verb, "check") == 0) code = check(r, subject);
  else if (strcmp(verb, "pull") == 0) code = pull(r, subject);
  else if (strcmp(verb, "create") == 0 && argc > 3) code = create(r, subject, argv[3]);
  else if (strcmp(verb, "start") == 0) code = start(r, subject);
  else if (strcmp(verb, "show") == 0) code = show(r, subject);
  else if (strcmp(verb, "plan") == 0) code = plan(r, subject);
  else if (strcmp(verb, "run") == 0) code = update(r, subject);
  else if (strcmp(verb, "rollback") == 0) code = rollback(r, subject);
  else if (strcmp(verb, "history") == 0) code = history(r, subject);
  else if (strcmp(verb, "logs") == 0) code = logs(r, subject);
  else if (strcmp(verb, "remove-old") == 0) code = remove_old(r, subject);
  else {
    fprintf(stderr, "usage: update list | check IMAGE | pull IMAGE | ... (see the beginning of update.c)\n");
    code = REFIT_E_INVALID_ARGUMENT;
  }
  refit_close(r);
  return code;
}
