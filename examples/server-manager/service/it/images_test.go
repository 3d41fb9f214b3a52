package it

import (
	"strings"
	"testing"
)

func TestTheWholePlanOfAnImage(t *testing.T) {
	t.Parallel()
	name := scope(t, "plan")
	image := publish(t, name, "1.0", game, "--random-mb", "5")
	s := start(t, name, []string{image})
	admin := s.admin()

	// Nothing was pulled by the start, and a server needs the image.
	status := admin.must("GET", "/api/servers/images/status", nil, 200)
	if status["can_start_server"] != false || status["overall_status"] != "missing" || status["missing"].([]any)[0] != image || status["any_pulling"] != false || status["total_images"] != 1.0 {
		t.Fatalf("%v", status)
	}
	refusal := admin.refused("POST", "/api/servers", serverBody("one", image), 409, "IMAGE_MISSING")
	if refusal["missing"].([]any)[0] != image || !strings.Contains(refusal["error"].(string), "download") {
		t.Errorf("%v", refusal)
	}
	for _, path := range []string{"update", "rollback"} {
		admin.refused("POST", "/api/servers/images/"+path, object{"image_name": image}, 409, "IMAGE_MISSING")
	}
	admin.refused("POST", "/api/servers/images/update-all", object{}, 409, "IMAGE_MISSING")
	admin.refused("POST", "/api/servers/images/update-all", object{"image_names": []string{image}}, 409, "IMAGE_MISSING")
	checked := object{}
	admin.ask("GET", "/api/servers/images/check-updates", nil, 200, &checked)
	if checked["data"].(object)[image] != true || checked["details"].(object)[image].(object)["state"] != "not_local" {
		t.Errorf("%v", checked)
	}

	admin.pulled(image)
	if one := admin.image(image); one["ready"] != true || one["has_update"] != false || one["info"].(object)["version"] != "1.0" || one["operation_id"] != nil {
		t.Errorf("%v", one)
	}
	id := admin.server("one", image)
	admin.server("two", image)
	admin.must("POST", path("/api/servers/%d/start", id), nil, 200)
	container := admin.must("GET", path("/api/servers/%d", id), nil, 200)["container"].(string)
	eventually(t, "the game has written", func() bool {
		logs := admin.must("GET", path("/api/servers/%d/logs", id), nil, 200)
		return strings.Contains(logs["text"].(string), "version 1.0 runs")
	})
	admin.must("PUT", path("/api/servers/%d/config/Game.ini", id), object{"content": "by=hand"}, 200)
	admin.refused("POST", "/api/servers/images/rollback", object{"image_name": image, "to": "x"}, 400, "INVALID_ARGUMENT")
	if o := admin.finished(admin.must("POST", "/api/servers/images/rollback", object{"image_name": image}, 202)); o["state"] != "failed" || o["error"].(object)["code"] != "NOT_FOUND" {
		t.Errorf("%v", o)
	}

	// A newer version: check, plan, update.
	publish(t, name, "2.0", game, "--random-mb", "5")
	one := object{}
	admin.ask("GET", path("/api/images/check-updates?image_name=%s", image), nil, 200, &one)
	if one["data"].(object)[image] != true || one["details"].(object)[image].(object)["state"] != "update_available" {
		t.Errorf("%v", one)
	}
	if now := admin.image(image); now["has_update"] != true || now["last_check"] == nil {
		t.Errorf("%v", now)
	}
	if affected := admin.must("GET", path("/api/servers/images/affected?image_name=%s", image), nil, 200)["servers"].([]any); len(affected) != 2 || affected[0].(object)["session_name"] == "" {
		t.Errorf("%v", affected)
	}
	plan := admin.must("GET", path("/api/servers/images/plan?image_name=%s", image), nil, 200)
	actions := map[string]string{}
	for _, server := range plan["servers"].([]any) {
		actions[server.(object)["identifier"].(string)] = server.(object)["action"].(string)
	}
	if plan["pull"] != true || actions["one"] != "recreate_and_start" || actions["two"] != "recreate" || plan["download_bytes"].(float64) < 5<<20 {
		t.Errorf("%v", plan)
	}
	begun := admin.must("POST", "/api/servers/images/update", object{"image_name": image, "expect_digest": plan["expect_digest"], "backup": true}, 202)
	second := admin.must("POST", "/api/images/update", object{"image_name": image}, 202)
	if second["joined"] != true || second["operation"].(object)["id"] != begun["operation"].(object)["id"] || len(begun["affected_servers"].([]any)) != 2 {
		t.Errorf("%v", second)
	}
	admin.must("POST", "/api/images/pull", object{"image_name": image}, 202)
	admin.refused("POST", "/api/images/rollback", object{"image_name": image}, 409, "BUSY")
	admin.refused("POST", "/api/images/update-all", object{"image_names": []string{image}}, 409, "BUSY")
	done := admin.finished(begun)
	if done["state"] != "done" || done["tag"] != "moved" || done["changed"] != true || len(done["servers"].([]any)) != 2 || len(done["backups"].([]any)) != 4 {
		t.Fatalf("%v", done)
	}
	admin.refused("POST", path("/api/servers/images/operations/%s/cancel", done["id"]), nil, 409, "CONFLICT")
	server := admin.must("GET", path("/api/servers/%d", id), nil, 200)
	if server["status"] != "running" || server["image"].(object)["version"] != "2.0" || server["outdated"] != false {
		t.Errorf("%v", server)
	}
	if first := containerFile(t, container, "/data/first"); first != "1.0" {
		t.Errorf("the data was written by version %q first", first)
	}
	if content := admin.must("GET", path("/api/servers/%d/config/Game.ini", id), nil, 200)["content"]; content != "by=hand" {
		t.Errorf("%v", content)
	}

	// A broken version is rolled back, with the reason.
	publish(t, name, "3.0", broken)
	failed := admin.finished(admin.must("POST", "/api/servers/images/update", object{"image_name": image}, 202))
	if failed["state"] != "rolled_back" || failed["tag"] != "restored" || failed["error"].(object)["code"] != "ROLLED_BACK" {
		t.Fatalf("%v", failed)
	}
	why := ""
	for _, part := range failed["servers"].([]any) {
		if part.(object)["identifier"] == "one" && part.(object)["state"] == "rolled_back" {
			why, _ = part.(object)["logs_tail"].(string)
		}
	}
	if !strings.Contains(why, "the level file is corrupt") {
		t.Errorf("%v", failed["servers"])
	}
	if server := admin.must("GET", path("/api/servers/%d", id), nil, 200); server["status"] != "running" || server["image"].(object)["version"] != "2.0" {
		t.Errorf("%v", server)
	}
	if now := admin.image(image); now["error_code"] != "ROLLED_BACK" || now["can_go_back"] != true {
		t.Errorf("%v", now)
	}

	// Back to the version before, by hand.
	back := admin.finished(admin.must("POST", "/api/servers/images/rollback", object{"image_name": image}, 202))
	if back["state"] != "done" || back["to"].(object)["version"] != "1.0" {
		t.Fatalf("%v", back)
	}
	if server := admin.must("GET", path("/api/servers/%d", id), nil, 200); server["status"] != "running" || server["image"].(object)["version"] != "1.0" {
		t.Errorf("%v", server)
	}
	entries := admin.must("GET", path("/api/servers/images/history?image_name=%s", image), nil, 200)["entries"].([]any)
	kinds := []string{}
	for _, entry := range entries {
		e := entry.(object)
		kinds = append(kinds, e["kind"].(string)+" "+e["result"].(string))
		if e["actor"] != "admin" || e["image"] != image {
			t.Errorf("%v", e)
		}
	}
	if got := strings.Join(kinds, ", "); got != "rollback done, update rolled_back, update done, rollback failed, pull done" {
		t.Errorf("%s", got)
	}
	for filter, want := range map[string]int{"kind=update": 2, "kind=update&result=rolled_back": 1, "actor=nobody": 0, "limit=1": 1, "since=2099-01-01T00:00:00Z": 0, path("server_id=%d", id): 3} {
		if found := admin.must("GET", "/api/servers/images/history?"+filter, nil, 200)["entries"].([]any); len(found) != want {
			t.Errorf("%s: %d entries and not %d", filter, len(found), want)
		}
	}
	if operations := admin.must("GET", "/api/servers/images/operations", nil, 200)["operations"].([]any); len(operations) != 5 {
		t.Errorf("%d operations", len(operations))
	}
	if operations := admin.must("GET", "/api/servers/images/operations?active=true", nil, 200)["operations"].([]any); len(operations) != 0 {
		t.Errorf("%v", operations)
	}
}

func TestImagesAreUpdatedOneAfterAnotherAndOneAlone(t *testing.T) {
	t.Parallel()
	name := scope(t, "batch")
	first, second := publish(t, name+"-a", "1.0", game), publish(t, name+"-b", "1.0", game)
	absent := strings.Replace(first, name+"-a", name+"-none", 1)
	s := start(t, name, []string{first, second, absent})
	admin := s.admin()
	admin.pulled(first)
	admin.pulled(second)
	if o := admin.finished(admin.must("POST", "/api/images/pull", object{"image_name": absent}, 202)); o["state"] != "failed" || admin.image(absent)["error"] == "" {
		t.Errorf("%v", o)
	}
	one := admin.server("one", first)
	admin.server("two", second)
	admin.must("POST", path("/api/servers/%d/start", one), nil, 200)
	publish(t, name+"-a", "2.0", game)
	publish(t, name+"-b", "2.0", game)

	// Pulled alone, the server is outdated until it is recreated.
	alone := admin.finished(admin.must("POST", "/api/servers/images/update", object{"image_name": first, "update_image_only": true}, 202))
	if alone["state"] != "done" || alone["tag"] != "moved" || len(alone["servers"].([]any)) != 0 {
		t.Fatalf("%v", alone)
	}
	if server := admin.must("GET", path("/api/servers/%d", one), nil, 200); server["outdated"] != true || server["image"].(object)["version"] != "1.0" {
		t.Errorf("%v", server)
	}
	if outdated := admin.image(first)["outdated_servers"].([]any); len(outdated) != 1 {
		t.Errorf("%v", outdated)
	}
	recreated := admin.must("POST", path("/api/servers/%d/recreate", one), nil, 202)
	if again := admin.must("POST", path("/api/servers/%d/recreate", one), nil, 202); again["joined"] != true {
		t.Errorf("%v", again)
	}
	admin.refused("DELETE", path("/api/servers/%d", one), nil, 409, "BUSY")
	if o := admin.finished(recreated); o["state"] != "done" || o["servers"].([]any)[0].(object)["state"] != "recreated" || o["servers"].([]any)[0].(object)["downtime_ms"] == nil {
		t.Fatalf("%v", o)
	}
	if server := admin.must("GET", path("/api/servers/%d", one), nil, 200); server["outdated"] != false || server["status"] != "running" || server["image"].(object)["version"] != "2.0" {
		t.Errorf("%v", server)
	}

	publish(t, name+"-a", "3.0", game)
	batch := admin.must("POST", "/api/servers/images/update-all", object{}, 202)
	operations := batch["operations"].([]any)
	if len(operations) != 2 {
		t.Fatalf("%v", batch)
	}
	for _, o := range operations {
		if done := admin.finished(object{"operation": o}); done["state"] != "done" || done["batch_id"] != batch["batch_id"] {
			t.Errorf("%v", done)
		}
	}
	for _, server := range admin.must("GET", "/api/servers", nil, 200)["servers"].([]any) {
		want := map[string]string{"one": "3.0", "two": "2.0"}[server.(object)["identifier"].(string)]
		if version := server.(object)["image"].(object)["version"]; version != want {
			t.Errorf("%v: %v and not %s", server, version, want)
		}
	}
}

func TestAnUpdateIsCancelled(t *testing.T) {
	t.Parallel()
	// The new container has to run for a while before it counts, so that there is a middle.
	admin, name, image := withLocalImage(t, "cancel", object{"settle": "6s"})
	id := admin.server("one", image)
	admin.must("POST", path("/api/servers/%d/start", id), nil, 200)
	publish(t, name, "2.0", game)
	waiting := func(answer object) string {
		where := path("/api/images/operations/%s", answer["operation"].(object)["id"])
		eventually(t, "the new container runs", func() bool {
			return admin.must("GET", where, nil, 200)["operation"].(object)["phase"] == "waiting"
		})
		return where
	}
	begun := admin.must("POST", "/api/images/update", object{"image_name": image}, 202)
	where := waiting(begun)
	admin.member("ann").refused("POST", where+"/cancel", nil, 403, "FORBIDDEN")
	admin.must("POST", where+"/cancel", nil, 202)
	if o := admin.finished(begun); o["state"] != "cancelled" || o["servers"].([]any)[0].(object)["state"] != "rolled_back" {
		t.Errorf("%v", o)
	}
	if server := admin.must("GET", path("/api/servers/%d", id), nil, 200); server["status"] != "running" || server["image"].(object)["version"] != "1.0" {
		t.Errorf("%v", server)
	}

	if o := admin.finished(admin.must("POST", "/api/images/update", object{"image_name": image}, 202)); o["state"] != "done" {
		t.Errorf("%v", o)
	}
	back := admin.must("POST", "/api/images/rollback", object{"image_name": image}, 202)
	waiting(back)
	// What would pull the newer image again is refused while the older one is gone back to.
	admin.refused("POST", "/api/servers/images/pull", object{"image_name": image}, 409, "BUSY")
	admin.refused("POST", "/api/servers/images/update", object{"image_name": image}, 409, "BUSY")
	if again := admin.must("POST", "/api/servers/images/rollback", object{"image_name": image}, 202); again["joined"] != true {
		t.Errorf("%v", again)
	}
	if o := admin.finished(back); o["state"] != "done" || o["to"].(object)["version"] != "1.0" {
		t.Errorf("%v", o)
	}
}
