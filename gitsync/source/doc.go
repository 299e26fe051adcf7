// Package source knows which commit a source of an Application asks for, and gives its files.
//
// The git command line works in a child process that sees no credentials but those of its repository. There is one bare, shallow, shared
// clone for each repository and set of credentials; what a repository said is believed for the poll interval, however many Applications ask.
// Everything that comes from an Application is checked before git sees it, and what git prints is bounded and masked before people see it.
package source
