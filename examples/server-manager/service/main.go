// Command server-manager is the example service: game servers in containers, and their images, managed by hand through refit. README.md of the
// folder above says how to run it.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/refit-rs/refit/examples/server-manager/service/internal/api"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/config"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/manager"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/page"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/store"
)

func main() {
	err := run(os.Args[1:])
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "server-manager:", err)
		os.Exit(1)
	}
}

func run(words []string) error {
	c, rest, err := config.Parse(words)
	if err != nil {
		return err
	}
	database, err := store.Open(c.DataDir)
	if err != nil {
		return fmt.Errorf("the database in %s cannot be opened: %w", c.DataDir, err)
	}
	defer database.Close()
	switch {
	case len(rest) == 0:
		return serve(c, database)
	case rest[0] == "create-admin" && len(rest) == 2:
		return createAdmin(database, rest[1])
	}
	return fmt.Errorf("what is %q? see server-manager -help", strings.Join(rest, " "))
}

// createAdmin takes the password from the standard input: arguments are seen by every user of the machine.
func createAdmin(database *store.Store, name string) error {
	fmt.Fprint(os.Stderr, "The password, at least 10 characters: ")
	password, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil && password == "" {
		return fmt.Errorf("no password came on the standard input: %w", err)
	}
	user, err := api.NewUser(name, strings.TrimRight(password, "\r\n"), true)
	if err != nil {
		return err
	}
	if err := database.CreateUser(user); errors.Is(err, store.ErrTaken) {
		return fmt.Errorf("there is a user %s already: choose another name", name)
	} else if err != nil {
		return err
	}
	fmt.Println("The administrator", name, "was made.")
	return nil
}

func serve(c config.Config, database *store.Store) error {
	m, err := manager.Open(c, database)
	if err != nil {
		return err
	}
	handlers, routes, err := api.New(c, database, m, page.Handler(c.PageDir))
	if err != nil {
		return errors.Join(err, m.Close())
	}
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return errors.Join(err, m.Close())
	}
	address := "http://" + listener.Addr().String()
	fmt.Println("The service is at", address)
	token, err := handlers.SetupToken()
	if err != nil {
		return errors.Join(err, m.Close())
	}
	if token != "" {
		// What is after # stays in the browser: neither a log nor a proxy sees it.
		fmt.Printf("Make the first administrator, once, at %s/setup#token=%s\n", address, token)
	}
	server := &http.Server{Handler: routes, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10}
	server.RegisterOnShutdown(handlers.EndStreams)
	stop, done := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer done()
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err = <-failed:
	case <-stop.Done():
		slog.Info("the service ends: a server that is being replaced is finished or rolled back first")
		waited, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err = server.Shutdown(waited)
	}
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	return errors.Join(err, m.Close())
}
