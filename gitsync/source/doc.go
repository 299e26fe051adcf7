// Package source knows which commit, version or digest a source of an Application asks for, and gives its files: from Git, from Helm
// repositories, and from registries.
//
// The git command line works in a child process that sees no credentials but those of its repository. There is one bare, shallow, shared
// clone for each repository and set of credentials; what a repository said is believed for the poll interval, however many Applications ask.
// Everything that comes from an Application is checked before git sees it, and what a server says is bounded and masked before people see it.
// What is unpacked was what its digest says, and is nothing but files and folders.
package source
