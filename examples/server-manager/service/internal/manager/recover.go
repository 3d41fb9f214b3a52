package manager

import (
	"context"
	"time"

	refit "github.com/refit-rs/refit/bindings/go"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/operation"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/store"
)

// Found is what an interrupted run has left of a container or volume.
type Found struct {
	ID         *uint            `json:"id"`
	Identifier string           `json:"identifier"`
	Container  string           `json:"container"`
	Volume     *string          `json:"volume"`
	Situation  string           `json:"situation"`
	Action     string           `json:"action"`
	Error      *operation.Error `json:"error"`
}

// Recovery is what was interrupted.
type Recovery struct {
	Found       []Found               `json:"found"`
	Interrupted []operation.Operation `json:"interrupted"`
}

// Recovery looks for what interrupted runs have left of this service's servers. Nothing is changed.
func (m *Manager) Recovery(ctx context.Context) (*Recovery, error) {
	ctx, cancel := context.WithTimeout(ctx, glance)
	defer cancel()
	left, err := m.leftOfServers(ctx)
	if err != nil {
		return nil, err
	}
	interrupted, err := m.interrupted()
	if err != nil {
		return nil, err
	}
	result := &Recovery{Found: []Found{}, Interrupted: interrupted}
	for _, one := range left {
		id := one.server.ID
		result.Found = append(result.Found, Found{ID: &id, Identifier: one.server.Identifier, Container: m.container(id), Volume: one.Volume, Situation: one.Situation,
			Action: one.Action, Error: m.documentError(one.Error)})
	}
	return result, nil
}

// left is what a run has left of a server.
type left struct {
	refit.Recovered
	server store.Server
}

// leftOfServers leaves out what is not this service's: others may use refit on the same engine.
func (m *Manager) leftOfServers(ctx context.Context) ([]left, error) {
	recovery, err := m.client.Recover(ctx, "", refit.RecoverOptions{DryRun: true})
	if recovery == nil {
		return nil, err
	}
	servers, err := m.store.Servers(0)
	if err != nil {
		return nil, err
	}
	byContainer, byVolume := map[string]store.Server{}, map[string]store.Server{}
	for _, server := range servers {
		byContainer[m.container(server.ID)], byVolume[m.volume(server.ID)], byVolume[m.pluginsVolume(server.ID)] = server, server, server
	}
	var all []left
	for _, one := range recovery.Found {
		server, found := byContainer[one.Container]
		if one.Volume != nil {
			server, found = byVolume[*one.Volume]
		}
		if found {
			all = append(all, left{one, server})
		}
	}
	return all, nil
}

// Recover begins to finish or roll back what was interrupted, or joins the recovery that is in progress.
func (m *Manager) Recover(force bool, actor string) (operation.Operation, bool, error) {
	o := operation.Operation{Kind: operation.Recover, Actor: &actor}
	return m.Operations.Start(o, []string{"recover"}, isKind(operation.Recover), func(ctx context.Context, set func(func(*operation.Operation))) *operation.Error {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		all, err := m.leftOfServers(ctx)
		if err != nil {
			return operationError(m.failure(err))
		}
		set(func(o *operation.Operation) {
			changed := len(all) > 0
			o.Changed = &changed
			for _, one := range all {
				id, part := one.server.ID, o.ServerOf(m.container(one.server.ID))
				part.ID, part.Identifier, part.SessionName = &id, one.server.Identifier, one.server.SessionName
			}
		})
		var failure *Failure
		for _, one := range all {
			if failed := m.recoverOne(ctx, one, force, actor, set); failed != nil && failure == nil {
				failure = failed
			}
		}
		if failure == nil {
			failure = m.failure(m.store.CloseInterrupted())
		}
		return operationError(failure)
	})
}

// recoverOne repairs one server. The others are repaired whatever becomes of it.
func (m *Manager) recoverOne(ctx context.Context, one left, force bool, actor string, set setter) *Failure {
	options := refit.RecoverOptions{Force: force, StopTimeout: stopGrace, Settle: time.Duration(m.config.Settle), Actor: actor, OnProgress: newFollower(set, "").follow}
	container := one.Container
	if one.Volume != nil {
		container, options.Volume = "", *one.Volume
	}
	recovery, err := m.client.Recover(ctx, container, options)
	failure := m.failure(err)
	state := "finished"
	if recovery != nil {
		for _, done := range recovery.Found {
			state = recovered(done.Action)
		}
	}
	switch {
	case failure != nil && state != "busy" && state != "foreign":
		state = operation.Failed
	case failure == nil && state == "busy":
		failure = Fail("BUSY", "Something is at work on %s, or was a moment ago: try again in a minute.", one.server.Identifier)
	case failure == nil && state == "foreign":
		failure = Fail("CONFLICT", "Another container has the name that %s needs: %s.", one.server.Identifier, one.Situation)
	}
	set(func(o *operation.Operation) {
		part := o.ServerOf(m.container(one.server.ID))
		part.State, part.Phase, part.Error, part.Permille = state, nil, operationError(failure), 1000
		if failure != nil {
			part.Permille = 0
		}
	})
	return failure
}

// recovered is a state of openapi.yaml for refit's action.
func recovered(action string) string {
	switch action {
	case refit.RecoveryFinished, refit.RecoveryUndone, refit.RecoveryRemovedOld, refit.RecoveryBusy, refit.RecoveryForeign:
		return action
	}
	return operation.Failed
}
