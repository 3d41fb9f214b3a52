package refit_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"

	refit "github.com/refit-rs/refit/bindings/go"
	"github.com/refit-rs/refit/bindings/go/internal/lab"
)

// Is there a newer image? An error is never "no": where there is no verdict, HasUpdate is nil.
func ExampleClient_CheckUpdate() {
	image, clean := lab.Example("check")
	defer clean()
	ctx := context.Background()
	client, err := refit.Open(ctx, refit.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	check, err := client.CheckUpdate(ctx, image, refit.CheckOptions{})
	switch {
	case err != nil:
		fmt.Println("not known:", err)
	case check.HasUpdate != nil && *check.HasUpdate:
		fmt.Println("there is an update")
	default:
		fmt.Println(check.State)
	}
	// Output: up_to_date
}

// A check of many images: one that cannot be checked has its own error, and spoils no other.
func ExampleClient_CheckUpdates() {
	image, clean := lab.Example("checks")
	defer clean()
	ctx := context.Background()
	client, err := refit.Open(ctx, refit.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	checks, err := client.CheckUpdates(ctx, []string{image, "127.0.0.1:1/nowhere:1"}, refit.CheckOptions{})
	if err != nil {
		log.Fatal(err)
	}
	for _, check := range checks {
		fmt.Println(check.State, check.Error != nil && errors.Is(check.Error, refit.ErrUnreachable))
	}
	// Output:
	// up_to_date false
	// unreachable true
}

// A container is created, started, asked and removed. Its image has to be local: nothing is pulled unasked.
func ExampleClient_ContainerCreate() {
	image, clean := lab.Example("life")
	defer clean()
	name := strings.TrimSuffix(image[strings.LastIndex(image, "/")+1:], ":1")
	ctx := context.Background()
	client, err := refit.Open(ctx, refit.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	spec := refit.Spec{"Image": image, "Env": []string{"GREETING=hello"}}
	if _, err := client.ContainerCreate(ctx, name, spec, refit.ContainerCreateOptions{}); err != nil {
		log.Fatal(err)
	}
	if _, err := client.ContainerStart(ctx, name, refit.ContainerStartOptions{Require: []string{image}}); err != nil {
		log.Fatal(err)
	}
	done, err := client.ContainerExec(ctx, name, []string{"sh", "-c", "echo $GREETING"}, refit.ContainerExecOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(done.Stdout)
	if _, err := client.ContainerRemove(ctx, name, refit.ContainerRemoveOptions{Force: true}); err != nil {
		log.Fatal(err)
	}
	_, err = client.ContainerStatus(ctx, name)
	fmt.Println(errors.Is(err, refit.ErrNotFound))
	// Output:
	// hello
	// true
}
