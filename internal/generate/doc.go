// Command generate finishes what controller-gen made: it bounds values that the schema would admit and Go could not decode, and writes
// docs/spec from the result. It is run by `make generate`, from the root of the repository.
package main
