package store

import "time"

// SaveOperation keeps an operation as it is now.
func (s *Store) SaveOperation(id string, started time.Time, active bool, document []byte) error {
	return s.db.Save(&Operation{ID: id, StartedAt: started, Active: active, Document: document}).Error
}

// Operations are the newest, oldest first; older ones that have ended are forgotten.
func (s *Store) Operations(limit int) (operations []Operation, err error) {
	if err := s.db.Order("started_at DESC, id").Limit(limit).Find(&operations).Error; err != nil {
		return nil, err
	}
	if len(operations) == limit {
		oldest := operations[limit-1].StartedAt
		if err := s.db.Where("started_at < ? AND NOT active AND NOT open", oldest).Delete(&Operation{}).Error; err != nil {
			return nil, err
		}
	}
	for i, j := 0, len(operations)-1; i < j; i, j = i+1, j-1 {
		operations[i], operations[j] = operations[j], operations[i]
	}
	return operations, nil
}

// Interrupted marks an operation that ran when the service ended.
func (s *Store) Interrupted(id string, document []byte) error {
	return s.db.Model(&Operation{}).Where("id = ?", id).Updates(map[string]any{"active": false, "open": true, "document": document}).Error
}

// CloseInterrupted says that a recovery has been done since.
func (s *Store) CloseInterrupted() error {
	return s.db.Model(&Operation{}).Where("open").Update("open", false).Error
}

// OpenOperations are the interrupted ones that no recovery has followed, newest first.
func (s *Store) OpenOperations() (operations []Operation, err error) {
	return operations, s.db.Where("open").Order("started_at DESC").Find(&operations).Error
}
