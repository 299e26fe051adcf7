package push

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/net/netutil"
	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sluice-delivery/sluice/gitsync/webhook"
)

// Path is where deliveries are taken.
const Path = "/api/webhook"

const (
	// largestBody is what GitHub sends at most; no other provider comes near it.
	largestBody = 25 << 20
	// inFlight bounds the bodies that are in memory at the same time.
	inFlight = 2 * largestBody
	// connections is how many may be open at the same time, readTime how long a delivery may take to arrive.
	connections = 200
	readTime    = 10 * time.Second
	largestHead = 16 << 10
	// perSecond and burst bound how often deliveries are acted on, all together that came meanwhile; backlog bounds those that wait.
	perSecond = 2
	burst     = 5
	backlog   = 500
	shutdown  = 5 * time.Second
)

// Server takes deliveries and acts on them. Its fields must be set before use.
type Server struct {
	// Address is where to listen, such as :8070.
	Address string
	// Reader reads Applications and ApplicationSets. It is asked once for all deliveries that wait, so it may be the API server itself, which a replica
	// that does not lead has no cache of.
	Reader client.Reader
	// Writer writes their annotations. It needs no lease: whoever may write them may ask for a look.
	Writer client.Writer
	// Secrets reads the Secret that deliveries are verified with, which is in Namespace.
	Secrets   client.Reader
	Namespace string

	once   sync.Once
	bodies *semaphore.Weighted
	events chan webhook.Event
	known  secrets
}

func (s *Server) prepare() {
	s.once.Do(func() {
		s.bodies = semaphore.NewWeighted(inFlight)
		s.events = make(chan webhook.Event, backlog)
	})
}

// NeedLeaderElection says that each replica serves.
func (s *Server) NeedLeaderElection() bool { return false }

// Start serves until ctx ends.
func (s *Server) Start(ctx context.Context) error {
	s.prepare()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.Address)
	if err != nil {
		return fmt.Errorf("listening for webhooks: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle(Path, s)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: readTime, ReadTimeout: readTime, WriteTimeout: 2 * readTime, IdleTimeout: time.Minute, MaxHeaderBytes: largestHead}
	var work sync.WaitGroup
	work.Go(func() { s.act(ctx) })
	work.Go(func() {
		<-ctx.Done()
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdown)
		defer cancel()
		if err := server.Shutdown(last); err != nil {
			logf.FromContext(ctx).Error(err, "ending the server of webhooks")
		}
	})
	logf.FromContext(ctx).Info("serving webhooks", "address", listener.Addr().String(), "path", Path)
	err = server.Serve(netutil.LimitListener(listener, connections))
	work.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serving webhooks: %w", err)
}

// ServeHTTP takes one delivery: 200 once it is verified and waits for being acted on, 400 for one that makes no sense, 401 for one that cannot be
// verified, 503 for one too many.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.prepare()
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "deliveries of webhooks are sent with POST", http.StatusMethodNotAllowed)
		return
	}
	event, err := s.take(w, r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	select {
	case s.events <- event:
	default:
		s.refuse(w, r, errTooMany)
	}
}

// errTooMany is about deliveries that come faster than they can be acted on.
var errTooMany = errors.New("too many deliveries are being taken; send it again")

func (s *Server) take(w http.ResponseWriter, r *http.Request) (webhook.Event, error) {
	known, err := s.secrets(r.Context())
	if err != nil {
		return webhook.Event{}, err
	}
	delivery, err := webhook.Admit(r.Header.Get, known)
	if err != nil {
		return webhook.Event{}, err
	}
	size := r.ContentLength
	if size < 0 || size > largestBody {
		size = largestBody
	}
	if !s.bodies.TryAcquire(size) {
		return webhook.Event{}, errTooMany
	}
	defer s.bodies.Release(size)
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, size))
	if err != nil {
		return webhook.Event{}, fmt.Errorf("reading the body: %w", err)
	}
	return delivery.Read(body)
}

func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var refusal *webhook.Refusal
	var large *http.MaxBytesError
	status := http.StatusServiceUnavailable
	switch {
	case errors.As(err, &refusal) && refusal.Unauthorized:
		status = http.StatusUnauthorized
	case errors.As(err, &refusal):
		status = http.StatusBadRequest
	case errors.As(err, &large):
		status, err = http.StatusRequestEntityTooLarge, fmt.Errorf("the body is larger than %d MiB", largestBody>>20)
	case errors.Is(err, errTooMany):
		w.Header().Set("Retry-After", "5")
	case errors.Is(err, errSecret):
		logf.FromContext(r.Context()).Error(err, "a webhook could not be verified")
		err = errSecret
	default: // the sender went away in the middle of the body
		status = http.StatusBadRequest
	}
	http.Error(w, err.Error(), status)
}

// act works on what waits, no faster than the API server should be asked.
func (s *Server) act(ctx context.Context) {
	pace := rate.NewLimiter(perSecond, burst)
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-s.events:
			if pace.Wait(ctx) != nil {
				return
			}
			if err := s.spread(ctx, append([]webhook.Event{e}, s.waiting()...)); err != nil {
				logf.FromContext(ctx).Error(err, "webhooks were not acted on in full; what they missed is found by polling")
			}
		}
	}
}

// waiting takes everything that waits.
func (s *Server) waiting() (all []webhook.Event) {
	for {
		select {
		case e := <-s.events:
			all = append(all, e)
		default:
			return all
		}
	}
}
