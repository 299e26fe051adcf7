// Package health judges whether an object does what its manifest asks for: Checks.Assess gives the health of one live object, from nothing but
// that object.
//
// Kinds of Kubernetes itself and Rollouts are judged in Go. Some 250 kinds of other projects are judged by the tables in kinds, whose rules are
// expressions in CEL; the first rule that holds gives the verdict. Teams add rules of that form, or scripts in Lua as they have them, which win
// over what is built in. Every other kind that follows the conventions of Kubernetes for conditions is judged by these.
//
// A verdict is one on the generation that the object has: what still shows an older one is never Healthy.
package health
