package manager

import (
	"context"
	"time"

	refit "github.com/refit-rs/refit/bindings/go"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/operation"
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

// Recovery looks for what interrupted runs have left. Nothing is changed.
func (m *Manager) Recovery(ctx context.Context) (*Recovery, error) {
	ctx, cancel := context.WithTimeout(ctx, glance)
	defer cancel()
	recovery, err := m.client.Recover(ctx, "", refit.RecoverOptions{DryRun: true})
	if recovery == nil {
		return nil, err
	}
	interrupted, err := m.interrupted()
	if err != nil {
		return nil, err
	}
	known, err := m.serverNames()
	if err != nil {
		return nil, err
	}
	result := &Recovery{Found: []Found{}, Interrupted: interrupted}
	for _, one := range recovery.Found {
		found := Found{Identifier: one.Container, Container: one.Container, Volume: one.Volume, Situation: one.Situation, Action: one.Action, Error: m.documentError(one.Error)}
		if server, is := known[one.Container]; is {
			id := server.ID
			found.ID, found.Identifier = &id, server.Identifier
		}
		result.Found = append(result.Found, found)
	}
	return result, nil
}

// Recover begins to finish or roll back what was interrupted, or joins the recovery that is in progress.
func (m *Manager) Recover(force bool, actor string) (operation.Operation, bool, error) {
	o := operation.Operation{Kind: operation.Recover, Actor: &actor}
	return m.Operations.Start(o, []string{"recover"}, isKind(operation.Recover), func(ctx context.Context, set func(func(*operation.Operation))) *operation.Error {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		recovery, err := m.client.Recover(ctx, "", refit.RecoverOptions{Force: force, StopTimeout: stopGrace, Settle: time.Duration(m.config.Settle), Actor: actor,
			OnProgress: follow(set, "")})
		failure := m.failure(err)
		if recovery != nil {
			known, _ := m.serverNames()
			errs := make([]*operation.Error, len(recovery.Found))
			for i, one := range recovery.Found {
				errs[i] = m.documentError(one.Error)
			}
			busy := false
			set(func(o *operation.Operation) {
				for i, one := range recovery.Found {
					name := one.Container
					if name == "" && one.Volume != nil {
						name = *one.Volume
					}
					part := o.ServerOf(name)
					part.State, part.Phase, part.Error = recovered(one.Action), nil, errs[i]
					if errs[i] == nil && part.State != "busy" && part.State != "foreign" {
						part.Permille = 1000
					}
					busy = busy || part.State == "busy" || part.State == "foreign"
				}
				withServers(o.Servers, known)
				changed := len(recovery.Found) > 0
				o.Changed = &changed
			})
			if failure == nil && busy {
				failure = Fail("BUSY", "Something is at work on a server, or was a moment ago, or another container is in the way: try again in a minute.")
			}
		}
		if failure == nil {
			failure = m.failure(m.store.CloseInterrupted())
		}
		return operationError(failure)
	})
}

// recovered is a state of openapi.yaml for refit's action.
func recovered(action string) string {
	switch action {
	case refit.RecoveryFinished, refit.RecoveryUndone, refit.RecoveryRemovedOld, refit.RecoveryBusy, refit.RecoveryForeign:
		return action
	case refit.RecoveryRemovedHelper:
		return refit.RecoveryRemovedOld
	}
	return operation.Failed
}
