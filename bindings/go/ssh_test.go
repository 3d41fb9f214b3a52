package refit

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/refit-rs/refit/bindings/go/internal/lab"
)

// The library's children are its own: a Go program that starts programs, and is told of SIGCHLD, is not disturbed by them.
func TestSshLeavesAProgramsOwnChildrenAlone(t *testing.T) {
	host, folder := lab.Sshd(t)
	t.Setenv("PATH", folder+":"+os.Getenv("PATH"))
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGCHLD)
	defer signal.Stop(told)
	ctx := context.Background()
	var work sync.WaitGroup
	side := func(run func()) {
		work.Add(1)
		go func() { defer work.Done(); run() }()
	}
	for range 8 {
		side(func() {
			c, err := Open(ctx, Options{Host: host})
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			if info, err := c.EngineInfo(ctx); err != nil || info.Host != host {
				t.Errorf("%+v, %v", info, err)
			}
		})
		side(func() {
			for range 50 {
				if err := exec.Command("true").Run(); err != nil {
					t.Error(err)
				}
				var failed *exec.ExitError
				if err := exec.Command("sh", "-c", "exit 7").Run(); !errors.As(err, &failed) || failed.ExitCode() != 7 {
					t.Error(err)
				}
			}
		})
	}
	work.Wait()
	select {
	case <-told:
	case <-time.After(5 * time.Second):
		t.Error("SIGCHLD did not come")
	}
	for begun := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		left := sshChildren(t)
		if left == "" {
			break
		}
		if time.Since(begun) > 5*time.Second {
			t.Fatalf("children are left: %s", left)
		}
	}
}

// sshChildren tells of this process's children that are ssh, zombies among them.
func sshChildren(t *testing.T) string {
	t.Helper()
	listed, err := exec.Command("ps", "--ppid", strconv.Itoa(os.Getpid()), "-o", "stat=,comm=").Output()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	var left []string
	for _, line := range strings.Split(string(listed), "\n") {
		if strings.Contains(line, "ssh") {
			left = append(left, strings.TrimSpace(line))
		}
	}
	return strings.Join(left, ", ")
}
