module github.com/refit-rs/refit/bindings/go

go 1.23
