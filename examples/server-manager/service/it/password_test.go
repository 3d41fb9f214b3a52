package it

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

const another = "another horse battery"

// with is the same user with the token of an answer.
func (u *user) with(answer object) *user {
	return &user{service: u.service, token: answer["token"].(string)}
}

func TestAUserChangesTheirOwnPasswordWithTheOldOne(t *testing.T) {
	t.Parallel()
	admin := alone(t).admin()
	ann := admin.member("ann")
	second := admin.login("ann")
	where := "/api/auth/password"
	ann.refused("POST", where, object{"old_password": "a wrong password", "new_password": another}, 401, "WRONG_PASSWORD")
	ann.refused("POST", where, object{"old_password": password, "new_password": "short"}, 400, "INVALID_ARGUMENT")
	ann.refused("POST", where, object{"new_password": another}, 400, "INVALID_ARGUMENT")
	second.must("GET", "/api/me", nil, 200)

	// A stream of the old token ends too.
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	events := second.listen(ctx, "/api/servers/images/events", "")
	ticket := second.must("POST", "/api/images/events/ticket", nil, 201)["ticket"].(string)
	changed := ann.must("POST", where, object{"old_password": password, "new_password": another}, 200)
	for range events {
	}
	if ctx.Err() != nil {
		t.Error("a stream of the old token went on")
	}
	for _, old := range []*user{ann, second} {
		old.refused("GET", "/api/me", nil, 401, "UNAUTHORIZED")
	}
	admin.nobody().refused("GET", "/api/images/events?ticket="+ticket, nil, 401, "UNAUTHORIZED")
	if me := ann.with(changed).must("GET", "/api/me", nil, 200); me["username"] != "ann" {
		t.Errorf("%v", me)
	}
	admin.must("GET", "/api/me", nil, 200)
	admin.nobody().refused("POST", "/api/auth/login", object{"username": "ann", "password": password}, 401, "WRONG_PASSWORD")
	admin.nobody().must("POST", "/api/auth/login", object{"username": "ann", "password": another}, 200)
	seen := admin.audited()
	for _, want := range []string{"ann password_change ann ok", "ann password_change ann refused"} {
		if !seen[want] {
			t.Errorf("the audit log has no %q: %v", want, seen)
		}
	}
}

func TestAnAdministratorGivesAUserANewPassword(t *testing.T) {
	t.Parallel()
	admin := alone(t).admin()
	ann, bob := admin.member("ann"), admin.member("bob")
	reset := object{"password": another}
	ann.refused("PUT", "/api/users/3/password", reset, 403, "FORBIDDEN")
	admin.refused("PUT", "/api/users/2/password", object{"password": "short"}, 400, "INVALID_ARGUMENT")
	admin.refused("PUT", "/api/users/x/password", reset, 400, "INVALID_ARGUMENT")
	admin.refused("PUT", "/api/users/77/password", reset, 404, "NOT_FOUND")
	// A token alone must not be enough to take an administrator's name over.
	admin.refused("PUT", "/api/users/1/password", reset, 409, "CONFLICT")
	ann.must("GET", "/api/me", nil, 200)
	if user := admin.must("PUT", "/api/users/2/password", reset, 200); user["username"] != "ann" {
		t.Errorf("%v", user)
	}
	ann.refused("GET", "/api/me", nil, 401, "UNAUTHORIZED")
	bob.must("GET", "/api/me", nil, 200)
	admin.nobody().must("POST", "/api/auth/login", object{"username": "ann", "password": another}, 200)
	if seen := admin.audited(); !seen["admin password_reset ann ok"] || !seen["ann password_reset  refused"] {
		t.Errorf("%v", seen)
	}
}

func TestAttemptsToChangeAPasswordAreLimited(t *testing.T) {
	t.Parallel()
	admin := alone(t, object{"login_attempts": 3}).admin()
	for range 3 {
		admin.refused("POST", "/api/auth/password", object{"old_password": "a wrong password", "new_password": another}, 401, "WRONG_PASSWORD")
	}
	admin.refused("POST", "/api/auth/password", object{"old_password": password, "new_password": another}, 429, "RATE_LIMITED")
	for method, path := range map[string]string{http.MethodPost: "/api/auth/password", http.MethodPut: "/api/users/2/password"} {
		admin.refused(method, path, `{"password":"`+strings.Repeat("a", 70_000)+`"}`, 413, "TOO_LARGE")
		var refusal object
		admin.askAs(method, path, "text/plain", strings.NewReader("{}"), 415, &refusal)
	}
}
