package it

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEveryRouteButThreeWantsAToken(t *testing.T) {
	t.Parallel()
	s := alone(t)
	s.admin()
	open := map[string]bool{"GET /api/health": true, "POST /api/setup": true, "POST /api/auth/login": true}
	count := 0
	for template, methods := range api.paths {
		for method, operation := range methods.(object) {
			if _, is := operation.(object); !is || open[strings.ToUpper(method)+" "+template] {
				continue
			}
			path := strings.NewReplacer("{id}", "1", "{file}", "Game.ini").Replace(template)
			for _, token := range []string{"", "forged.forged.forged"} {
				(&user{service: s, token: token}).refused(strings.ToUpper(method), path, nil, 401, "UNAUTHORIZED")
			}
			count++
		}
	}
	if count < 45 {
		t.Errorf("only %d routes were tried", count)
	}
	// A ticket is no token: it opens streams alone.
	ticket := s.login("admin").must("POST", "/api/servers/images/events/ticket", nil, 201)["ticket"].(string)
	s.nobody().refused("GET", "/api/me?ticket="+ticket, nil, 401, "UNAUTHORIZED")
}

func TestBodiesThatAreNoJSONTooLargeOrUnknown(t *testing.T) {
	t.Parallel()
	admin, image := alone(t).admin(), nowhere
	large := `{"image_name":"` + strings.Repeat("a", 70_000) + `"}`
	posts := []string{"/api/servers/images/pull", "/api/servers/images/update", "/api/servers/images/update-all", "/api/servers/images/rollback", "/api/servers", "/api/users", "/api/servers/recover"}
	for _, path := range append(posts, "/api/auth/login", "/api/setup") {
		admin.refused("POST", path, large, 413, "TOO_LARGE")
		for _, body := range []string{"{", "[]", "null", `"text"`, `{} {}`, `{"nobody_knows_this":1}`, `{"image_name":3,"identifier":3,"username":3,"force":3}`, "\xff"} {
			admin.refused("POST", path, body, 400, "INVALID_ARGUMENT")
		}
		var refusal object
		admin.askAs("POST", path, "text/plain", strings.NewReader("{}"), 415, &refusal)
		if refusal["code"] != "NOT_JSON" {
			t.Errorf("%s: %v", path, refusal)
		}
	}
	for _, path := range []string{"/api/servers/images/pull", "/api/servers/images/update", "/api/servers/images/rollback"} {
		admin.refused("POST", path, object{}, 400, "INVALID_ARGUMENT")
		for _, name := range []string{"alpine", "nowhere.invalid/a", "nowhere.invalid/a:1 ", "NOWHERE.invalid/a:1", "nowhere.invalid/a:1@sha256:" + strings.Repeat("0", 64), "../../etc/passwd", "a\x00b"} {
			admin.refused("POST", path, object{"image_name": name}, 404, "IMAGE_NOT_MANAGED")
		}
	}
	admin.refused("POST", "/api/servers/images/update", object{"image_name": image, "expect_digest": "sha256:1"}, 400, "INVALID_ARGUMENT")
	admin.refused("POST", "/api/servers/images/rollback", object{"image_name": image, "to": "latest"}, 400, "INVALID_ARGUMENT")
	admin.refused("POST", "/api/servers/images/update-all", object{"image_names": []string{}}, 400, "INVALID_ARGUMENT")
	admin.refused("POST", "/api/servers/images/update-all", object{"image_names": []string{"alpine"}}, 404, "IMAGE_NOT_MANAGED")
	for _, path := range []string{"affected", "plan", "check-updates", "history"} {
		admin.refused("GET", "/api/servers/images/"+path+"?image_name=alpine", nil, 404, "IMAGE_NOT_MANAGED")
	}
	for _, path := range []string{"affected", "plan", "check-updates?image_name=", "history?kind=x", "history?result=x", "history?since=yesterday", "history?limit=1001", "history?server_id=-1", "history?actor=" + strings.Repeat("a", 65), "operations?active=1"} {
		admin.refused("GET", "/api/servers/images/"+path, nil, 400, "INVALID_ARGUMENT")
	}
	admin.refused("GET", "/api/servers/images/history?server_id=7", nil, 404, "NOT_FOUND")
	for _, id := range []string{"x", "ffffffffffffffff", "..%2f..%2fx"} {
		admin.refused("GET", "/api/servers/images/operations/"+id, nil, 404, "NOT_FOUND")
		admin.refused("POST", "/api/servers/images/operations/"+id+"/cancel", nil, 404, "NOT_FOUND")
	}
	// Nothing was begun by any of it.
	if operations := admin.must("GET", "/api/images/operations", nil, 200)["operations"].([]any); len(operations) != 0 {
		t.Errorf("%v", operations)
	}
}

func TestServersThatCannotBe(t *testing.T) {
	t.Parallel()
	admin := alone(t).admin()
	for field, values := range map[string][]any{
		"identifier":     {"", "-a", "a b", strings.Repeat("a", 41), "a/b", "a\x00", "../a"},
		"session_name":   {"", "a?ServerAdminPassword=b", "a\nb", strings.Repeat("a", 64)},
		"admin_password": {"", "abc", "a?b=cd", "with space", strings.Repeat("a", 65)},
		"map":            {"", "a b", "a?b", strings.Repeat("a", 65)},
		"game_mod_ids":   {"1,", "a", ",", "1;2"},
		"port":           {0, -1, 65535, 65536},
		"query_port":     {0, 65536, 30001, 30000},
		"rcon_port":      {0, 30000},
	} {
		for _, value := range values {
			body := object{"identifier": "one", "session_name": "One", "port": 30000, "query_port": 30010, "rcon_port": 30011, "admin_password": "secret", field: value}
			if answer := admin.refused("POST", "/api/servers", body, 400, "INVALID_ARGUMENT"); answer["field"] != field {
				t.Errorf("%s %q: %v", field, value, answer)
			}
		}
	}
	admin.refused("POST", "/api/servers", object{"identifier": "one", "session_name": "One", "port": 30000, "query_port": 30010, "rcon_port": 30011, "admin_password": "secret", "image_name": "alpine"}, 404, "IMAGE_NOT_MANAGED")
	for _, id := range []string{"0", "x", "-1", "1.5", "99999999999999999999", "+1", "%00"} {
		for _, rest := range []string{"", "/config", "/config/Game.ini", "/logs", "/logs/stream", "/stats", "/stats/stream"} {
			admin.refused("GET", "/api/servers/"+id+rest, nil, 400, "INVALID_ARGUMENT")
		}
		for _, rest := range []string{"/start", "/stop", "/recreate"} {
			admin.refused("POST", "/api/servers/"+id+rest, nil, 400, "INVALID_ARGUMENT")
		}
		admin.refused("DELETE", "/api/servers/"+id, nil, 400, "INVALID_ARGUMENT")
		admin.refused("PUT", "/api/servers/"+id+"/config/Game.ini", object{"content": ""}, 400, "INVALID_ARGUMENT")
	}
}

func TestPathsMethodsAndHeaders(t *testing.T) {
	t.Parallel()
	admin := alone(t).admin()
	admin.refused("PUT", "/api/me", nil, 405, "METHOD_NOT_ALLOWED")
	admin.refused("GET", "/api/auth/login", nil, 405, "METHOD_NOT_ALLOWED")
	admin.refused("DELETE", "/api/images/status", nil, 405, "METHOD_NOT_ALLOWED")
	admin.refused("GET", "/api/none", nil, 404, "NOT_FOUND")
	admin.refused("GET", "/api", nil, 404, "NOT_FOUND")
	// The page's own paths are the page, and nothing outside of its folder can be read.
	for _, path := range []string{"/", "/servers/1", "/setup", "/../config.json/..", "/..%2fconfig.json%2f.."} {
		answer := admin.nobody().send("GET", path, "", nil)
		answer.Body.Close()
		if answer.StatusCode != 200 || !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html") {
			t.Errorf("%s: %d %s", path, answer.StatusCode, answer.Header.Get("Content-Type"))
		}
		for name, want := range map[string]string{"Content-Security-Policy": "default-src 'self'", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY"} {
			if got := answer.Header.Get(name); !strings.Contains(got, want) {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(admin.folder, "data", "secret.txt"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	answer := admin.nobody().send("POST", "/", "", nil)
	answer.Body.Close()
	if answer.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST /: %d", answer.StatusCode)
	}
	answer = admin.send("GET", "/api/me", "", nil)
	answer.Body.Close()
	if answer.Header.Get("Cache-Control") != "no-store" || answer.Header.Get("Set-Cookie") != "" {
		t.Errorf("%v", answer.Header)
	}
}

func TestTheServiceStartsWithoutAnEngineAndSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	admin, image := alone(t, object{"host": "unix:///nowhere/docker.sock"}).admin(), nowhere
	status := admin.must("GET", "/api/servers/images/status", nil, 200)
	engine := status["engine"].(object)
	if engine["ok"] != false || engine["code"] != "UNREACHABLE" || !strings.Contains(engine["error"].(string), "/nowhere/docker.sock") || status["can_start_server"] != false || status["overall_status"] != "error" {
		t.Errorf("%v", status)
	}
	if one := status["images"].(object)[image].(object); one["error_code"] != "UNREACHABLE" || one["ready"] != false || one["has_update"] != nil {
		t.Errorf("%v", one)
	}
	admin.must("GET", "/api/servers", nil, 200)
	admin.refused("GET", "/api/servers/images/check-updates", nil, 503, "UNREACHABLE")
	admin.refused("GET", path("/api/servers/images/plan?image_name=%s", image), nil, 503, "UNREACHABLE")
	admin.refused("POST", "/api/servers/images/update", object{"image_name": image}, 503, "UNREACHABLE")
	admin.refused("POST", "/api/servers", serverBody("one", image), 503, "UNREACHABLE")
	admin.refused("GET", "/api/servers/recover", nil, 503, "UNREACHABLE")
	// A pull is begun, and its operation says why it failed.
	if o := admin.finished(admin.must("POST", "/api/servers/images/pull", object{"image_name": image}, 202)); o["state"] != "failed" || o["error"].(object)["code"] != "UNREACHABLE" {
		t.Errorf("%v", o)
	}
}
