// Package scm asks GitHub, GitLab, Gitea and plugins what the generators of ApplicationSets want to know.
//
// It speaks the documented HTTP APIs. What it reads is bounded in size, number and time, and a list that could not be read to its end is an error,
// never a shorter list: what is missing from a list is deleted. A server that asks to be left alone is left alone. Tokens go nowhere but to the server
// that the ApplicationSet names, and into no error.
package scm
