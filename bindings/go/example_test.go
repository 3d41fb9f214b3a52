package refit_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	refit "github.com/refit-rs/refit/bindings/go"
)

// The main job: what would happen, then do it.
func Example() {
	ctx := context.Background()
	client, err := refit.Open(ctx, refit.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	plan, err := client.PlanUpdate(ctx, "registry.example.org/app:latest", refit.UpdateOptions{})
	if err != nil {
		log.Fatal(err)
	}
	for _, container := range plan.Containers {
		fmt.Println(container.Container, container.Action)
	}
	confirmed := refit.UpdateOptions{OnProgress: func(p refit.Progress) error {
		fmt.Printf("%s %s %d.%d %%\n", p.Subject, p.Phase, p.Permille/10, p.Permille%10)
		return nil
	}}
	if plan.ExpectDigest != nil {
		confirmed.ExpectDigest = *plan.ExpectDigest
	}
	report, err := client.Update(ctx, "registry.example.org/app:latest", confirmed)
	if errors.Is(err, refit.ErrRolledBack) {
		fmt.Println("the new image does not run, everything is as before:", err)
	} else if err != nil {
		log.Fatal(err)
	}
	for _, container := range report.Containers {
		fmt.Println(container.Container, container.Result)
	}
}
