package manager

import (
	refit "github.com/refit-rs/refit/bindings/go"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/operation"
)

// progressOf is how far a container's replacement is at the begin of each phase: refit reports thousandths of the whole operation alone.
var progressOf = map[refit.Phase]int{
	refit.PhaseCreating: 50, refit.PhaseHook: 150, refit.PhaseStopping: 200, refit.PhaseBackingUp: 300, refit.PhaseRenaming: 400, refit.PhaseStarting: 500, refit.PhaseWaiting: 600,
	refit.PhasePausing: 850, refit.PhaseRemoving: 900, refit.PhaseRollingBack: 500, refit.PhaseDone: 1000,
}

// follower writes refit's reports into an operation.
type follower struct {
	set   setter
	image string
	// backing are the containers of which volumes are backed up, until something else begins.
	backing map[string]bool
}

func newFollower(set setter, image string) *follower {
	return &follower{set: set, image: image, backing: map[string]bool{}}
}

// follow takes a report. One about a container has its name as the subject.
func (f *follower) follow(p refit.Progress) error {
	f.set(func(o *operation.Operation) {
		if p.Layer != "" {
			layer := o.LayerOf(p.Layer)
			layer.Progress, layer.Status = int64(p.Current), layerState(p.Phase)
			if p.Total > 0 {
				layer.Size = int64(p.Total)
			}
			return
		}
		phase := p.Phase
		o.Phase, o.Permille = &phase, max(o.Permille, p.Permille)
		switch {
		case p.Subject != "" && !sameImage(p.Subject, f.image) && isReplacement(phase):
			if phase != refit.PhaseRollingBack {
				f.backing[p.Subject] = phase == refit.PhaseBackingUp
			}
			server := o.ServerOf(p.Subject)
			server.State, server.Phase, server.Permille = operation.Running, &phase, max(server.Permille, progressOf[phase])
			if phase == refit.PhaseDone {
				// How it ended is in the report, which comes when all of them have.
				server.State = refit.ResultRecreated
			}
			o.BytesPerSecond, o.ETASeconds = nil, nil
		case phase == refit.PhaseDownloading || phase == refit.PhaseExtracting:
			o.Current, o.Total, o.BytesPerSecond, o.ETASeconds = int64(p.Current), positive(p.Total), positive(p.BytesPerSecond), nil
			if p.ETA > 0 {
				seconds := int64(p.ETA.Seconds())
				o.ETASeconds = &seconds
			}
		default:
			o.BytesPerSecond, o.ETASeconds = nil, nil
		}
	})
	return nil
}

// backupFailed is that volumes could not be backed up, and so nothing was replaced.
const backupFailed = "BACKUP_FAILED"

// backupFailure says of a failed operation that it was a backup that has failed, where it was: no new version has been tried.
func (f *follower) backupFailure(failure *Failure, done *operation.Operation) *Failure {
	if failure == nil || failure.Code == "CANCELLED" {
		return failure
	}
	for _, server := range done.Servers {
		if server.Error != nil && server.Error.Code == backupFailed {
			failed := *failure
			failed.Code = backupFailed
			return &failed
		}
	}
	return failure
}

func isReplacement(phase refit.Phase) bool { return progressOf[phase] > 0 }

func layerState(phase refit.Phase) refit.LayerState {
	switch phase {
	case refit.PhaseDownloading:
		return refit.LayerDownloading
	case refit.PhaseExtracting:
		return refit.LayerExtracting
	case refit.PhaseVerifying:
		return refit.LayerVerifying
	case refit.PhaseDone:
		return refit.LayerComplete
	}
	return refit.LayerPending
}

func positive(number uint64) *int64 {
	if number == 0 {
		return nil
	}
	value := int64(number)
	return &value
}

// recreation writes what became of a container.
func (m *Manager) recreation(o *operation.Operation, f *follower, r refit.Recreation) {
	failure := m.documentError(r.Error)
	if failure != nil && failure.Code != "CANCELLED" && f.backing[r.Container] && r.Result != refit.ResultRecreated {
		failure.Code = backupFailed
	}
	server := o.ServerOf(r.Container)
	server.State, server.Phase, server.DowntimeMS, server.LogsTail, server.Error = r.Result, nil, r.DowntimeMS, r.LogsTail, failure
	if r.Result == refit.ResultRecreated {
		server.Permille = 1000
	}
	server.DataRestored = dataRestored(r.Warnings)
	for _, warning := range r.Warnings {
		if warning.Code != volumesRestored {
			o.Warnings = append(o.Warnings, warning)
		}
	}
	for _, dependent := range r.Dependents {
		m.recreation(o, f, dependent)
	}
}
