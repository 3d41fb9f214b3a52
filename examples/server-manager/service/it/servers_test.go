package it

import (
	"strings"
	"testing"
)

func TestAUserSeesAndTouchesOnlyTheirOwnServers(t *testing.T) {
	t.Parallel()
	admin, name, image := withImage(t, "rights")
	ann, bob := admin.member("ann"), admin.member("bob")
	for _, path := range []string{"pull", "update", "rollback"} {
		ann.refused("POST", "/api/servers/images/"+path, object{"image_name": image}, 403, "FORBIDDEN")
	}
	ann.refused("POST", "/api/images/update-all", object{}, 403, "FORBIDDEN")
	ann.refused("GET", "/api/servers/images/check-updates", nil, 403, "FORBIDDEN")
	ann.refused("GET", path("/api/servers/images/plan?image_name=%s", image), nil, 403, "FORBIDDEN")
	ann.refused("GET", "/api/servers/recover", nil, 403, "FORBIDDEN")
	ann.refused("POST", "/api/servers/recover", nil, 403, "FORBIDDEN")
	if operations := admin.must("GET", "/api/images/operations", nil, 200)["operations"].([]any); len(operations) != 0 {
		t.Errorf("%v", operations)
	}
	admin.pulled(image)
	// That an image was pulled is everybody's business, who has asked for it is not.
	if seen := ann.must("GET", "/api/images/operations", nil, 200)["operations"].([]any); len(seen) != 1 || seen[0].(object)["actor"] != nil {
		t.Errorf("%v", seen)
	}

	anns, bobs := ann.server("anns", image), bob.server("bobs", image)
	ann.must("POST", path("/api/servers/%d/start", anns), nil, 200)
	bob.must("POST", path("/api/servers/%d/start", bobs), nil, 200)
	for _, try := range []struct{ method, path string }{
		{"GET", ""}, {"DELETE", ""}, {"DELETE", "?remove_data=true"}, {"POST", "/start"}, {"POST", "/stop"}, {"POST", "/recreate"}, {"GET", "/config"}, {"GET", "/config/Game.ini"},
		{"GET", "/logs"}, {"GET", "/logs/stream"}, {"GET", "/stats"}, {"GET", "/stats/stream"},
	} {
		ann.refused(try.method, path("/api/servers/%d%s", bobs, try.path), nil, 404, "NOT_FOUND")
		// It is the same answer as for a server that there is not.
		ann.refused(try.method, path("/api/servers/%d%s", 77, try.path), nil, 404, "NOT_FOUND")
	}
	ann.refused("PUT", path("/api/servers/%d/config/Game.ini", bobs), object{"content": "mine"}, 404, "NOT_FOUND")
	ann.refused("GET", path("/api/servers/images/history?server_id=%d", bobs), nil, 404, "NOT_FOUND")
	if servers := ann.must("GET", "/api/servers", nil, 200)["servers"].([]any); len(servers) != 1 || servers[0].(object)["identifier"] != "anns" {
		t.Errorf("%v", servers)
	}
	if servers := admin.must("GET", "/api/servers", nil, 200)["servers"].([]any); len(servers) != 2 {
		t.Errorf("%v", servers)
	}
	if server := bob.must("GET", path("/api/servers/%d", bobs), nil, 200); server["status"] != "running" {
		t.Errorf("somebody has touched it: %v", server)
	}
	if servers := ann.must("GET", path("/api/servers/images/affected?image_name=%s", image), nil, 200)["servers"].([]any); len(servers) != 1 || servers[0].(object)["identifier"] != "anns" {
		t.Errorf("%v", servers)
	}

	// Of an update of everything each sees their own server.
	publish(t, name, "2.0", game)
	begun := admin.must("POST", "/api/images/update", object{"image_name": image}, 202)
	if done := admin.finished(begun); done["state"] != "done" || len(done["servers"].([]any)) != 2 {
		t.Errorf("%v", done)
	}
	seen := ann.must("GET", path("/api/images/operations/%s", begun["operation"].(object)["id"]), nil, 200)["operation"].(object)
	if parts := seen["servers"].([]any); len(parts) != 1 || parts[0].(object)["identifier"] != "anns" || seen["actor"] != nil {
		t.Errorf("%v", seen)
	}
	if entries := ann.must("GET", "/api/images/history", nil, 200)["entries"].([]any); len(entries) != 1 || len(entries[0].(object)["servers"].([]any)) != 1 || entries[0].(object)["actor"] != nil {
		t.Errorf("%v", entries)
	}
	// Their own recreation is theirs, and nobody else's.
	own := ann.must("POST", path("/api/servers/%d/recreate", anns), nil, 202)
	if done := ann.finished(own); done["state"] != "done" || done["actor"] != "ann" {
		t.Errorf("%v", done)
	}
	bob.refused("GET", path("/api/images/operations/%s", own["operation"].(object)["id"]), nil, 404, "NOT_FOUND")
	bob.refused("POST", path("/api/images/operations/%s/cancel", own["operation"].(object)["id"]), nil, 404, "NOT_FOUND")
	if entries := admin.must("GET", "/api/images/history?actor=ann", nil, 200)["entries"].([]any); len(entries) != 1 || entries[0].(object)["kind"] != "recreate" {
		t.Errorf("%v", entries)
	}
}

func TestTheLifeOfAServer(t *testing.T) {
	t.Parallel()
	admin, name, image := withLocalImage(t, "life")
	body := serverBody("one", image)
	// What is on the engine and not this service's is neither replaced nor written into.
	if status, text := engine(t, "POST", "/volumes/create", path(`{"Name":"%s-1"}`, name)); status != 201 {
		t.Fatalf("%d %s", status, text)
	}
	admin.refused("POST", "/api/servers", body, 409, "CONFLICT")
	server := admin.must("POST", "/api/servers", body, 201)
	id, container := int(server["id"].(float64)), server["container"].(string)
	if server["status"] != "stopped" || server["can_start"] != true || server["owner"] != "admin" {
		t.Errorf("%v", server)
	}
	// Its password is in no answer, and its settings are in its container.
	if _, found := server["admin_password"]; found {
		t.Errorf("%v", server)
	}
	if status, text := engine(t, "GET", "/containers/"+container+"/json", ""); status != 200 || !strings.Contains(text, "ServerAdminPassword=secret") || !strings.Contains(text, `"Name":"unless-stopped"`) {
		t.Errorf("%d %s", status, text)
	}
	admin.refused("POST", "/api/servers", body, 409, "PORT_TAKEN")
	body["port"], body["query_port"], body["rcon_port"] = nextPort(), nextPort(), nextPort()
	admin.refused("POST", "/api/servers", body, 409, "NAME_TAKEN")
	admin.refused("GET", path("/api/servers/%d/stats", id), nil, 409, "CONFLICT")
	admin.refused("GET", path("/api/servers/%d/stats/stream", id), nil, 409, "CONFLICT")

	if files := admin.must("GET", path("/api/servers/%d/config", id), nil, 200)["files"].([]any); len(files) != 0 {
		t.Errorf("%v", files)
	}
	admin.refused("GET", path("/api/servers/%d/config/Game.ini", id), nil, 404, "NOT_FOUND")
	for _, file := range []string{".hidden", "..", "a%2fb", "a%00", strings.Repeat("a", 101)} {
		for _, method := range []string{"GET", "PUT"} {
			if answer := admin.send(method, path("/api/servers/%d/config/%s", id, file), "application/json", strings.NewReader(`{"content":"x"}`)); answer.StatusCode != 400 && answer.StatusCode != 404 {
				t.Errorf("%s %s: %d", method, file, answer.StatusCode)
			}
		}
	}
	content := "[ServerSettings]\nDifficulty=1\n中文=\"是\"\n\n"
	admin.must("PUT", path("/api/servers/%d/config/Game.ini", id), object{"content": content}, 200)
	if got := admin.must("GET", path("/api/servers/%d/config/Game.ini", id), nil, 200)["content"]; got != strings.TrimSpace(content) {
		t.Errorf("%q", got)
	}
	admin.refused("PUT", path("/api/servers/%d/config/Game.ini", id), object{}, 400, "INVALID_ARGUMENT")
	admin.refused("PUT", path("/api/servers/%d/config/Game.ini", id), object{"content": strings.Repeat("a", 1<<20+1)}, 413, "TOO_LARGE")
	admin.must("PUT", path("/api/servers/%d/config/Large.ini", id), object{"content": strings.Repeat("a", 1<<20)}, 200)
	if files := admin.must("GET", path("/api/servers/%d/config", id), nil, 200)["files"].([]any); len(files) != 2 {
		t.Errorf("%v", files)
	}

	if running := admin.must("POST", path("/api/servers/%d/start", id), nil, 200); running["status"] != "running" || running["can_start"] != false {
		t.Errorf("%v", running)
	}
	admin.must("POST", path("/api/servers/%d/start", id), nil, 200)
	if stats := admin.must("GET", path("/api/servers/%d/stats", id), nil, 200); stats["memory_limit_mb"].(float64) <= 0 {
		t.Errorf("%v", stats)
	}
	for _, tail := range []string{"0", "x", "10001"} {
		admin.refused("GET", path("/api/servers/%d/logs?tail=%s", id, tail), nil, 400, "INVALID_ARGUMENT")
	}
	if stopped := admin.must("POST", path("/api/servers/%d/stop", id), nil, 200); stopped["status"] != "stopped" {
		t.Errorf("%v", stopped)
	}
	admin.must("POST", path("/api/servers/%d/stop", id), nil, 200)

	// Somebody removes the container by hand.
	if status, text := engine(t, "DELETE", "/containers/"+container, ""); status != 204 {
		t.Fatalf("%d %s", status, text)
	}
	if gone := admin.must("GET", path("/api/servers/%d", id), nil, 200); gone["status"] != "not_found" || gone["can_start"] != false {
		t.Errorf("%v", gone)
	}
	admin.refused("POST", path("/api/servers/%d/start", id), nil, 409, "CONFLICT")
	if o := admin.finished(admin.must("POST", path("/api/servers/%d/recreate", id), nil, 202)); o["state"] != "done" {
		t.Errorf("%v", o)
	}
	if got := admin.must("GET", path("/api/servers/%d/config/Game.ini", id), nil, 200)["content"]; got != strings.TrimSpace(content) {
		t.Errorf("%q", got)
	}

	// The image goes: start and recreate are refused, and name it.
	if status, text := engine(t, "DELETE", "/images/"+image+"?force=1", ""); status != 200 && status != 409 {
		t.Fatalf("%d %s", status, text)
	}
	for _, word := range []string{"start", "recreate"} {
		if refusal := admin.refused("POST", path("/api/servers/%d/%s", id, word), nil, 409, "IMAGE_MISSING"); refusal["missing"].([]any)[0] != image {
			t.Errorf("%v", refusal)
		}
	}
	if server := admin.must("GET", path("/api/servers/%d", id), nil, 200); server["missing_images"].([]any)[0] != image || server["can_start"] != false {
		t.Errorf("%v", server)
	}

	admin.refused("DELETE", path("/api/servers/%d?remove_data=1", id), nil, 400, "INVALID_ARGUMENT")
	admin.must("DELETE", path("/api/servers/%d", id), nil, 200)
	if status, _ := engine(t, "GET", "/volumes/"+container, ""); status != 200 {
		t.Errorf("its data is gone: %d", status)
	}
	admin.refused("GET", path("/api/servers/%d", id), nil, 404, "NOT_FOUND")
	admin.pulled(image)
	next := admin.server("next", image)
	if next == id {
		t.Error("a number was given twice: the new server has the old one's data")
	}
	admin.must("DELETE", path("/api/servers/%d?remove_data=true", next), nil, 200)
	if status, _ := engine(t, "GET", path("/volumes/%s-%d", name, next), ""); status != 404 {
		t.Errorf("its data is left: %d", status)
	}
}
