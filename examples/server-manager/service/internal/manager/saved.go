package manager

import (
	"encoding/json"
	"log/slog"

	"github.com/refit-rs/refit/examples/server-manager/service/internal/operation"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/store"
)

// remembered is how many operations are read when the service starts.
const remembered = 200

// save keeps an operation at its begin and at its end, and its end in the audit log. An operation goes on where that fails.
func (m *Manager) save(o *operation.Operation) {
	document, err := json.Marshal(o)
	if err == nil {
		err = m.store.SaveOperation(o.ID, o.StartedAt, !o.Ended(), document)
	}
	if err == nil && o.Ended() {
		err = m.store.Record(store.Audit{Username: o.Actor, Action: o.Kind + "_end", Target: target(o), Result: o.State})
	}
	if err != nil {
		slog.Error("an operation could not be saved", "operation", o.ID, "error", err)
	}
}

func target(o *operation.Operation) *string {
	if o.ImageName != nil {
		return o.ImageName
	}
	if len(o.Servers) == 1 {
		return &o.Servers[0].Identifier
	}
	return nil
}

// earlier are the operations of earlier processes. One that had not ended was interrupted: nothing is done about it until a recovery is asked for.
func (m *Manager) earlier() ([]operation.Operation, error) {
	rows, err := m.store.Operations(remembered)
	if err != nil {
		return nil, err
	}
	var operations []operation.Operation
	for _, row := range rows {
		var o operation.Operation
		if err := json.Unmarshal(row.Document, &o); err != nil {
			slog.Error("a saved operation cannot be read and is left out", "operation", row.ID, "error", err)
			continue
		}
		if row.Active {
			o.State = operation.Interrupted
			o.Error = &operation.Error{Code: "INTERRUPTED", Missing: []string{},
				Message: "The service ended while this was in progress: look at what it has left, and recover it."}
			document, err := json.Marshal(&o)
			if err != nil {
				return nil, err
			}
			if err := m.store.Interrupted(o.ID, document); err != nil {
				return nil, err
			}
		}
		operations = append(operations, o)
	}
	return operations, nil
}

// interrupted are the operations that ran when the service ended, until a recovery has been done.
func (m *Manager) interrupted() ([]operation.Operation, error) {
	rows, err := m.store.OpenOperations()
	if err != nil {
		return nil, err
	}
	operations := []operation.Operation{}
	for _, row := range rows {
		var o operation.Operation
		if json.Unmarshal(row.Document, &o) == nil {
			operations = append(operations, o)
		}
	}
	return operations, nil
}
