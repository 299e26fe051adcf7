package application

import (
	"sync"

	"github.com/sluice-delivery/sluice/gitsync"
)

// parallel is how many objects of one Application are written at the same time.
const parallel = 8

// each does work for the numbers below n, some at a time.
func each(n int, work func(i int)) {
	tickets := make(chan struct{}, parallel)
	var all sync.WaitGroup
	for i := range n {
		tickets <- struct{}{}
		all.Go(func() {
			defer func() { <-tickets }()
			work(i)
		})
	}
	all.Wait()
}

// sideBySide does work on all items and then gives the outcomes in the order of the items.
func sideBySide[T any](items []T, work func(T) (gitsync.Outcome, error), done func(T, gitsync.Outcome, error)) {
	outcomes, problems := make([]gitsync.Outcome, len(items)), make([]error, len(items))
	each(len(items), func(i int) { outcomes[i], problems[i] = work(items[i]) })
	for i, item := range items {
		done(item, outcomes[i], problems[i])
	}
}
