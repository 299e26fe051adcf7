// Package app is the sample application: one real HTTP server for each port of a pod.
//
// How an instance behaves is read from its pod. The image tag is its version; a tag with the part "bad", as in
// shop:v3-bad, answers half of its requests with 500. The environment of the container overrides and adds:
//
//	ERROR_RATE=0.25   share of requests answered with 500, 0 to 1
//	LATENCY=40ms      time that each request takes
//	CAPACITY=10       requests that are served each second; the others wait for their turn
//
// A request whose turn would come later than MaxWait is answered with 503 at once: a short rush is made up for, and too few instances for
// the load show as failed requests after a moment.
//
// It serves /metrics (http_requests_total by status and the histogram http_request_duration_seconds, both with the
// labels version and rollouts_pod_template_hash), /healthz, /readyz, and {"version", "pod"} on every other path.
package app
