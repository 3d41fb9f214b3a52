package it

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTheFirstAdministratorIsMadeByTheLinkAlone(t *testing.T) {
	t.Parallel()
	s := alone(t)
	nobody := s.nobody()
	nobody.refused("POST", "/api/setup", object{"token": "guessed", "username": "admin", "password": password}, 403, "WRONG_TOKEN")
	nobody.refused("POST", "/api/setup", object{"token": "", "username": "admin", "password": password}, 403, "WRONG_TOKEN")
	nobody.refused("POST", "/api/setup", object{"token": s.setup, "username": "admin", "password": "short"}, 400, "INVALID_ARGUMENT")
	nobody.refused("POST", "/api/setup", "{", 400, "INVALID_ARGUMENT")
	nobody.refused("POST", "/api/auth/login", object{"username": "admin", "password": "admin"}, 401, "WRONG_PASSWORD")
	link := s.setup
	admin := s.admin()
	if me := admin.must("GET", "/api/me", nil, 200); me["username"] != "admin" || me["administrator"] != true {
		t.Errorf("%v", me)
	}
	nobody.refused("POST", "/api/setup", object{"token": link, "username": "other", "password": password}, 409, "ALREADY_SET_UP")
	// Neither the log nor a file that the service writes has the password.
	if text, err := os.ReadFile(filepath.Join(s.folder, "data", "server-manager.db")); err != nil || strings.Contains(string(text), password) {
		t.Errorf("the database: %v", err)
	}
	for _, name := range []string{"server-manager.db", "token.key"} {
		if info, err := os.Stat(filepath.Join(s.folder, "data", name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

func TestAnAdministratorIsMadeByACommand(t *testing.T) {
	t.Parallel()
	s := alone(t)
	create := func(name, input string) (string, error) {
		command := exec.Command(binary, "-config", filepath.Join(s.folder, "config.json"), "create-admin", name)
		command.Stdin = strings.NewReader(input)
		said, err := command.CombinedOutput()
		return string(said), err
	}
	if said, err := create("root", "short\n"); err == nil {
		t.Errorf("a short password was taken: %s", said)
	}
	if said, err := create("root", password+"\n"); err != nil {
		t.Fatal(said)
	}
	if said, err := create("root", password+"\n"); err == nil {
		t.Errorf("a name was taken twice: %s", said)
	}
	if me := s.login("root").must("GET", "/api/me", nil, 200); me["administrator"] != true {
		t.Errorf("%v", me)
	}
}

func TestUsersAndTheAuditLogAreForAdministrators(t *testing.T) {
	t.Parallel()
	admin := alone(t).admin()
	ann := admin.member("ann")
	admin.refused("POST", "/api/users", object{"username": "ann", "password": password}, 409, "NAME_TAKEN")
	admin.refused("POST", "/api/users", object{"username": "a b", "password": password}, 400, "INVALID_ARGUMENT")
	admin.refused("POST", "/api/users", object{"username": "bob", "password": "short"}, 400, "INVALID_ARGUMENT")
	ann.refused("POST", "/api/users", object{"username": "bob", "password": password, "administrator": true}, 403, "FORBIDDEN")
	ann.refused("GET", "/api/users", nil, 403, "FORBIDDEN")
	ann.refused("GET", "/api/audit", nil, 403, "FORBIDDEN")
	if users := admin.must("GET", "/api/users", nil, 200)["users"].([]any); len(users) != 2 {
		t.Errorf("%v", users)
	}
	admin.nobody().refused("POST", "/api/auth/login", object{"username": "ann", "password": "wrong password"}, 401, "WRONG_PASSWORD")
	seen := admin.audited()
	for _, want := range []string{"admin user_create ann ok", "admin user_create ann refused", "ann user_create  refused", " login ann refused", " login ann ok", " setup admin ok"} {
		if !seen[want] {
			t.Errorf("the audit log has no %q: %v", want, seen)
		}
	}
	admin.refused("GET", "/api/audit?limit=0", nil, 400, "INVALID_ARGUMENT")
	admin.refused("GET", "/api/audit?limit=x", nil, 400, "INVALID_ARGUMENT")
}

// audited is the audit log: who, what, about whom, and how it ended.
func (u *user) audited() map[string]bool {
	u.t.Helper()
	seen := map[string]bool{}
	for _, entry := range u.must("GET", "/api/audit?limit=100", nil, 200)["entries"].([]any) {
		e := entry.(object)
		who, _ := e["username"].(string)
		what, _ := e["target"].(string)
		seen[who+" "+e["action"].(string)+" "+what+" "+e["result"].(string)] = true
	}
	return seen
}

func TestATokenThatIsForgedExpiredOrLoggedOutIsWorthless(t *testing.T) {
	t.Parallel()
	admin := alone(t, object{"token_life": "3s"}).admin()
	begun := time.Now()
	try := func(what, token string) {
		t.Helper()
		(&user{service: admin.service, token: token}).refused("GET", "/api/me", nil, 401, "UNAUTHORIZED")
	}
	parts := strings.Split(admin.token, ".")
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	encode := func(value string) string { return base64.RawURLEncoding.EncodeToString([]byte(value)) }
	sign := func(head, body string, key []byte) string {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(head + "." + body))
		return head + "." + body + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	try("nothing", "")
	try("no token", "abc")
	try("without a signature", encode(`{"alg":"none","typ":"JWT"}`)+"."+parts[1]+".")
	try("another key", sign(parts[0], parts[1], []byte("another key")))
	try("an empty key", sign(parts[0], parts[1], nil))
	try("another user with the old signature", parts[0]+"."+encode(strings.Replace(string(claims), `"sub":"1"`, `"sub":"2"`, 1))+"."+parts[2])
	key, err := os.ReadFile(filepath.Join(admin.folder, "data", "token.key"))
	if err != nil {
		t.Fatal(err)
	}
	// The right key, so that it is the claims that are refused.
	var fields object
	if err := json.Unmarshal(claims, &fields); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(object){
		"without an end":    func(c object) { delete(c, "exp") },
		"of another issuer": func(c object) { c["iss"] = "somebody" },
		"of no user":        func(c object) { c["sub"] = "9" },
		"without an id":     func(c object) { delete(c, "jti") },
	} {
		changed := object{}
		for key, value := range fields {
			changed[key] = value
		}
		change(changed)
		text, _ := json.Marshal(changed)
		try(name, sign(parts[0], encode(string(text)), key))
	}
	second := admin.login("admin")
	second.must("POST", "/api/auth/logout", nil, 200)
	second.refused("GET", "/api/me", nil, 401, "UNAUTHORIZED")
	second.refused("POST", "/api/auth/logout", nil, 401, "UNAUTHORIZED")
	time.Sleep(time.Until(begun.Add(5 * time.Second)))
	admin.refused("GET", "/api/me", nil, 401, "UNAUTHORIZED")
}

func TestAttemptsToLogInAreLimited(t *testing.T) {
	t.Parallel()
	s := alone(t, object{"login_attempts": 3})
	nobody := s.nobody()
	for range 3 {
		nobody.refused("POST", "/api/setup", object{"token": "guessed", "username": "admin", "password": password}, 403, "WRONG_TOKEN")
	}
	answer := nobody.refused("POST", "/api/setup", object{"token": s.setup, "username": "admin", "password": password}, 429, "RATE_LIMITED")
	if wait, _ := answer["retry_after"].(float64); wait < 800 || wait > 900 {
		t.Errorf("%v", answer)
	}
	for range 3 {
		nobody.refused("POST", "/api/auth/login", object{"username": "admin", "password": "wrong password"}, 401, "WRONG_PASSWORD")
	}
	nobody.refused("POST", "/api/auth/login", object{"username": "admin", "password": password}, 429, "RATE_LIMITED")
	// Another name from the same address.
	nobody.refused("POST", "/api/auth/login", object{"username": "ann", "password": password}, 429, "RATE_LIMITED")
}
