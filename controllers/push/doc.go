// Package push serves webhooks: it takes what Git hosts and registries send when something was pushed, and asks the Applications and
// ApplicationSets that it concerns to look at once.
//
// It asks as any client does, by the annotations for a refresh, so that each replica may take a delivery and the leader acts on it. Nothing is
// believed before it is verified; the size, the number and the rate of deliveries are bounded, and what is too much is refused and not kept.
package push
