module github.com/refit-rs/refit/examples/go/update

go 1.23

require github.com/refit-rs/refit/bindings/go v0.0.0

replace github.com/refit-rs/refit/bindings/go => ../../../bindings/go
