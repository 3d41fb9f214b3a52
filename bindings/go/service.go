package refit

/*
#include "call.h"
*/
import "C"

import (
	"context"
	"time"
)

// Service is a service of the swarm.
type Service struct {
	ID              string `json:"id"`
	Name            string `json:"name"`
	Image           string `json:"image"` // the spec's, mostly NAME:TAG@DIGEST
	ReplicasRunning int    `json:"replicas_running"`
	// ReplicasWanted is what docker service ls shows: the replicas, of a global service a task a node that fits, of a job the tasks that it runs at
	// the same time and that have not completed.
	ReplicasWanted int `json:"replicas_wanted"`
	// UpdateState is the engine's word for the last update, such as ServiceUpdating; nil: never updated.
	UpdateState *string `json:"update_state"`
}

// ServiceListOptions of [Client.ServiceList].
type ServiceListOptions struct {
	Timeout time.Duration
}

// ServiceCheck is a check of the image of a service: Image is NAME:TAG, and Local is what the service runs.
type ServiceCheck struct {
	Service string `json:"service"` // its name
	Check
}

// ServiceUpdateOptions of [Client.ServiceUpdate].
type ServiceUpdateOptions struct {
	// ExpectDigest is the check's Remote.Digest, when it was confirmed: [ErrConflict] when the registry has another one by then, and nothing is sent.
	ExpectDigest string
	// Force replaces the tasks too of a service that is at that digest.
	Force bool
	// Wait is how long the update is waited for, at least a second; then it is [ErrTimeout], and the engine goes on by itself. Default: 300 s.
	Wait time.Duration
	// Actor is who asks for it, for the history.
	Actor   string
	Timeout time.Duration
	// OnProgress is called with Current of Total tasks that run the new image.
	OnProgress func(Progress) error
}

// ServiceUpdate is what an update of a service did.
type ServiceUpdate struct {
	Service string `json:"service"` // its name
	// Result is how it ended, or what the engine goes on with: ServiceResultUpdated and the others.
	Result ServiceResult `json:"result"`
	From   ServiceSide   `json:"from"`
	To     ServiceSide   `json:"to"`
	// UpdateState is the engine's word when the call ended.
	UpdateState     *string   `json:"update_state"`
	ReplicasRunning *int      `json:"replicas_running"` // tasks of the new image, when they were last counted
	ReplicasWanted  *int      `json:"replicas_wanted"`
	LogsTail        *string   `json:"logs_tail"` // of a task that failed
	Warnings        []Warning `json:"warnings"`
	ElapsedMS       int64     `json:"elapsed_ms"`
	Error           *Error    `json:"error"`
}

// ServiceSide is what a spec has before or after an update.
type ServiceSide struct {
	Image string `json:"image"` // NAME:TAG@DIGEST
}

// ServiceList lists the services of the swarm that the engine manages, in the order of their names. [ErrUnsupported]: it manages none, and the
// message says what to do.
func (c *Client) ServiceList(ctx context.Context, o ServiceListOptions) ([]Service, error) {
	var list struct {
		Services []Service `json:"services"`
	}
	q := request{function: C.REFIT_GO_service_list, options: options{}.seconds("timeout_s", o.Timeout)}
	err := c.read(ctx, q, &list)
	return list.Services, err
}

// ServiceCheckUpdate asks whether the registry has another image than the one that a service is pinned to, for the platforms of its nodes. Nothing is
// changed. A check without a verdict is returned with its state beside the error.
func (c *Client) ServiceCheckUpdate(ctx context.Context, service string, o CheckOptions) (*ServiceCheck, error) {
	return call[ServiceCheck](ctx, c, request{function: C.REFIT_GO_service_check_update, name: &service, options: o.json()})
}

// ServiceUpdate pins a service to the digest that its tag names now, by the engine's own rolling update, and waits until every task runs. A task that
// fails is followed by the engine's rollback: [ErrRolledBack], with the last lines of its log. After Wait, and when ctx ends, the engine goes on. The
// report comes with every error once the update is decided.
func (c *Client) ServiceUpdate(ctx context.Context, service string, o ServiceUpdateOptions) (*ServiceUpdate, error) {
	settings := options{}.text("expect_digest", o.ExpectDigest).flag("force", o.Force).seconds("wait_s", o.Wait).text("actor", o.Actor).
		seconds("timeout_s", o.Timeout)
	q := request{function: C.REFIT_GO_service_update, name: &service, options: settings, onProgress: o.OnProgress}
	return call[ServiceUpdate](ctx, c, q)
}
