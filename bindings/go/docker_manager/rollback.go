package docker_manager

import (
	"fmt"
	"strings"
	"sync"
)

// RollbackAction undoes one step.
type RollbackAction struct {
	Type, ResourceID string
	Action           func() error
	Description      string
}

// RollbackManager collects what undoes the steps of an operation. Any goroutine may use it.
type RollbackManager struct {
	mu      sync.Mutex
	actions []RollbackAction
}

// NewRollbackManager has no actions yet.
func NewRollbackManager() *RollbackManager { return &RollbackManager{} }

// AddAction adds what undoes the step that was done last.
func (r *RollbackManager) AddAction(actionType, resourceID, description string, action func() error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.actions = append(r.actions, RollbackAction{Type: actionType, ResourceID: resourceID, Action: action, Description: description})
}

// Rollback runs all actions, the last first, also when one fails or panics, and returns the errors of those that failed. It takes the actions
// out, so that a second Rollback undoes nothing twice.
func (r *RollbackManager) Rollback() error {
	r.mu.Lock()
	actions := r.actions
	r.actions = nil
	r.mu.Unlock()
	var errs []error
	for i := len(actions) - 1; i >= 0; i-- {
		if err := actions[i].run(); err != nil {
			errs = append(errs, fmt.Errorf("%s of %s %s failed: %w", actions[i].Description, actions[i].Type, actions[i].ResourceID, err))
		}
	}
	return several(errs...)
}

func (a RollbackAction) run() (err error) {
	if a.Action == nil {
		return nil
	}
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("it panicked: %v", panicked)
		}
	}()
	return a.Action()
}

// Clear forgets all actions: the operation has succeeded.
func (r *RollbackManager) Clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.actions = nil
}

// Count is how many actions there are.
func (r *RollbackManager) Count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.actions)
}

// ShellQuote makes one word of s for a POSIX shell.
func ShellQuote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
