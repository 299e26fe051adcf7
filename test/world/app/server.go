package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/sluice-delivery/sluice/test/world/httpserver"
)

// Server is one running instance.
type Server struct {
	config   Config
	body     []byte
	server   *http.Server
	ended    chan struct{}
	served   error
	ready    atomic.Bool
	stopping atomic.Bool
	requests atomic.Int64
	late     atomic.Int64
	turns    *turns
	total    *prometheus.CounterVec
	took     prometheus.Histogram
}

// Start serves at addr, a host:port on this machine. The instance says that it is not ready until SetReady.
func Start(addr string, config Config) (*Server, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("serving the app of pod %s at %s: %w", config.Pod, addr, err)
	}
	body, err := json.Marshal(map[string]string{"version": config.Version, "pod": config.Pod})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("describing pod %s: %w", config.Pod, err), listener.Close())
	}
	s := &Server{config: config, body: append(body, '\n'), ended: make(chan struct{}), turns: newTurns(config.Capacity)}
	s.server = httpserver.New(s.routes())
	go func() {
		defer close(s.ended)
		s.served = s.server.Serve(listener)
	}()
	return s, nil
}

func (s *Server) routes() http.Handler {
	labels := prometheus.Labels{"version": s.config.Version, "rollouts_pod_template_hash": s.config.Hash}
	s.total = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "http_requests_total", Help: "Requests answered, by status code.", ConstLabels: labels,
	}, []string{"status"})
	s.took = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "http_request_duration_seconds", Help: "Time until a request was answered.", ConstLabels: labels,
		Buckets: []float64{.001, .005, .01, .05, .1, .5, 1, 5},
	})
	// Both rows exist from the start, because a rate cannot be taken from a counter that is born at one.
	s.total.WithLabelValues("200")
	s.total.WithLabelValues("500")
	registry := prometheus.NewRegistry()
	registry.MustRegister(s.total, s.took)

	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{DisableCompression: true}))
	mux.HandleFunc("/healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !s.ready.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/", s.serve)
	return mux
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	if s.stopping.Load() {
		s.late.Add(1)
	}
	status := http.StatusOK
	if failsAt(s.requests.Add(1), s.config.ErrorRate) {
		status = http.StatusInternalServerError
	}
	wait, served := s.turns.take(start)
	if !served {
		status = http.StatusServiceUnavailable
	} else if wait += s.config.Latency; wait > 0 {
		select {
		case <-time.After(wait):
		case <-r.Context().Done():
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Version", s.config.Version)
	w.WriteHeader(status)
	_, err := w.Write(s.body)
	s.total.WithLabelValues(strconv.Itoa(status)).Inc()
	if err == nil {
		s.took.Observe(time.Since(start).Seconds())
	}
}

// failsAt spreads failures evenly, so that n requests hold exactly floor(n × rate) of them.
func failsAt(n int64, rate float64) bool {
	return int64(float64(n)*rate) > int64(float64(n-1)*rate)
}

// SetReady changes what /readyz says.
func (s *Server) SetReady(ready bool) { s.ready.Store(ready) }

// Requests counts the requests served, without those of probes and scrapes.
func (s *Server) Requests() int64 { return s.requests.Load() }

// Late counts the requests that arrived on an open connection after Stop was called; new connections are refused.
func (s *Server) Late() int64 { return s.late.Load() }

// Stop refuses new connections, lets open requests end until ctx does, and cuts what is left.
func (s *Server) Stop(ctx context.Context) error {
	s.stopping.Store(true)
	err := s.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("stopping the app of pod %s: %w", s.config.Pod, err), s.server.Close())
	}
	<-s.ended
	if !errors.Is(s.served, http.ErrServerClosed) {
		err = errors.Join(err, fmt.Errorf("serving the app of pod %s: %w", s.config.Pod, s.served))
	}
	return err
}
