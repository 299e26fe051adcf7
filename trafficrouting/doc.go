// Package trafficrouting says what a division of traffic is, and what a router must be able to do with one.
//
// A Split is what should be true; an Observed is what the world was seen to hold. Whoever decides compares the two and
// never assumes that a write took effect: a Split holds only once Observe has read it back.
package trafficrouting
