// Package gitsync decides what brings the objects of an Application to what Git says: compare, permit, order, and one wave at a time.
//
// Decide is pure, as strategy.Decide is: from one Observation it derives a Plan. Compare holds the result of a server-side dry run against
// what lives; permit is a filter over the finished comparison that refuses aloud; order puts tasks into phases and waves. A wave is done
// when its objects were observed to be healthy, never because they were written.
//
// A canary is left in peace: the fields that a Rollout runs are known from the Rollout itself and take part in neither comparison nor apply.
package gitsync
