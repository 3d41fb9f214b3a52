package store

import (
	"fmt"

	"gorm.io/gorm"
)

// Servers are all servers, or those of one owner, by number.
func (s *Store) Servers(owner uint) (servers []Server, err error) {
	query := s.db.Preload("Owner").Order("id")
	if owner != 0 {
		query = query.Where("owner_id = ?", owner)
	}
	return servers, query.Find(&servers).Error
}

// Server finds a server.
func (s *Store) Server(id uint) (server Server, err error) {
	return server, s.db.Preload("Owner").Take(&server, id).Error
}

// PortTaken is that another server has one of the ports.
type PortTaken struct{ Port int }

func (p *PortTaken) Error() string {
	return fmt.Sprintf("another server has the port %d: choose another one", p.Port)
}

// CreateServer makes a server, unless its name (ErrTaken) or a port ([PortTaken]) is another one's.
func (s *Store) CreateServer(server *Server) error {
	return s.db.Transaction(func(tx *gorm.DB) error {
		var others []Server
		if err := tx.Find(&others).Error; err != nil {
			return err
		}
		used := map[int]bool{}
		for _, other := range others {
			for _, port := range other.Ports() {
				used[port] = true
			}
		}
		for _, port := range server.Ports() {
			if used[port] {
				return &PortTaken{Port: port}
			}
		}
		return taken(tx.Omit("Owner").Create(server).Error)
	})
}

// Ports are all that the server publishes.
func (s *Server) Ports() []int { return []int{s.Port, s.Port + 1, s.QueryPort, s.RconPort} }

// DeleteServer forgets a server.
func (s *Store) DeleteServer(id uint) error { return s.db.Delete(&Server{}, id).Error }
