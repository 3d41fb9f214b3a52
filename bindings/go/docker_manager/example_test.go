package docker_manager_test

import (
	"fmt"
	"log"

	refit "github.com/refit-rs/refit/bindings/go"
	"github.com/refit-rs/refit/bindings/go/docker_manager"
	"github.com/refit-rs/refit/bindings/go/internal/lab"
)

// What a service does at its start, and before it starts a server: nothing is pulled, what is missing is said.
func Example() {
	image, clean := lab.Example("manager")
	defer clean()
	err := docker_manager.Configure(docker_manager.Profile{
		RequiredImages: []string{image, "example.org/not-here:1"},
		Spec: func(r docker_manager.CreateRequest) (refit.Spec, error) {
			return refit.Spec{"Image": r.Image}, nil // the service reads its database here
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	dm, err := docker_manager.GetDockerManager()
	if err != nil {
		log.Fatal(err)
	}
	defer docker_manager.CloseDockerManager()

	missing, err := dm.ValidateRequiredImages()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("to be pulled first:", missing)
	status := dm.GetImageStatus(image)
	fmt.Println(status.Ready, status.Pulling, status.Error == "")
	// Output:
	// to be pulled first: [example.org/not-here:1]
	// true false true
}
