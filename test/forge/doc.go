// Package forge serves Git repositories over HTTP on the loopback interface, as the places do to which people push, and makes commits to push there.
//
// It tells webhooks of pushes. The work is done by git itself. Nothing of the user's own configuration of git is read.
package forge
