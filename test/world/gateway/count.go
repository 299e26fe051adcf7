package gateway

import (
	"maps"
	"sync"
)

// Count is what one Service got since the gateway started.
type Count struct {
	// Requests were meant for the Service; Lost of them reached no app.
	Requests, Lost int64
	// Mirrored are copies that were sent besides.
	Mirrored int64
	// Statuses and Versions count the answers by status code and by the header X-Version.
	Statuses map[int]int64
	Versions map[string]int64
}

// counter is a Count under a lock, and whose turn it is among the endpoints.
type counter struct {
	mu    sync.Mutex
	count Count
	turn  int
}

func newCounter() *counter {
	return &counter{count: Count{Statuses: map[int]int64{}, Versions: map[string]int64{}}}
}

func (c *counter) add(change func(*Count)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.count)
}

// next is the address whose turn it is.
func (c *counter) next(addresses []string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn++
	return addresses[c.turn%len(addresses)]
}

func (c *counter) read() Count {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.count
	out.Statuses, out.Versions = maps.Clone(out.Statuses), maps.Clone(out.Versions)
	return out
}

// balancer divides requests by weight as evenly as a sequence can: each choice gains its weight with every request,
// and the one that has most is picked and pays the sum of all.
type balancer struct {
	mu      sync.Mutex
	weights []int64
	credit  []int64
	sum     int64
}

func newBalancer(weights []int64) *balancer {
	b := &balancer{weights: weights, credit: make([]int64, len(weights))}
	for _, w := range weights {
		b.sum += w
	}
	return b
}

// pick returns the index of the choice, or -1 where nothing has any weight.
func (b *balancer) pick() int {
	if b.sum == 0 {
		return -1
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	best := -1
	for i, w := range b.weights {
		b.credit[i] += w
		if w > 0 && (best < 0 || b.credit[i] > b.credit[best]) {
			best = i
		}
	}
	b.credit[best] -= b.sum
	return best
}
