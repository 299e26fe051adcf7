// Package validation says what this controller refuses in an Application, an AppProject or an ApplicationSet although the schema takes it.
//
// Two kinds of things are refused: parts of the wire contract that are not built, because leaving them out in silence would sync something
// else than was asked for, and settings that nobody can have meant. Paths are those of the manifest. What the manifests of an Application
// come to, and whether its project permits them, is decided elsewhere.
package validation
