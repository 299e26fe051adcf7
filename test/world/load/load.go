package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"syscall"
	"time"

	"github.com/sluice-delivery/sluice/test/world/gateway"
)

const (
	maxFor      = time.Hour
	maxRequests = 2_000_000
	bodyRead    = 1 << 16
)

// Options of a Driver. URL and Rate are required.
type Options struct {
	// URL is where requests go. Its host is a loopback address.
	URL string
	// Host is the Host header, and Header whatever else is sent.
	Host   string
	Header http.Header
	// Rate is the number of requests that are due each second.
	Rate float64
	// AtOnce bounds the requests under way; one that is due beyond that is not sent. Default 64.
	AtOnce int
	// Timeout ends one request. Default 5 s.
	Timeout time.Duration
	// For is how long the driver runs, up to an hour. Default ten minutes.
	For time.Duration
	// Requests is how many it sends, up to two million. Default 200,000.
	Requests int
}

// Record is one request. Status is 0 where there was no answer, and Err says why the request reached no app:
// "refused", "timeout", "cut" for an answer that broke off, "other", or the gateway's own reason. Not sent at all
// because too many were under way is "unsent".
type Record struct {
	At      time.Time
	Took    time.Duration
	Status  int
	Version string
	Err     string
}

// Lost says that the request reached no app; an app that answers 500 has failed, and lost nothing.
func (r Record) Lost() bool { return r.Err != "" && r.Err != Unsent }

// Unsent is the Err of a request that the driver did not get to send.
const Unsent = "unsent"

// Driver is one run.
type Driver struct {
	options Options
	client  *http.Client
	slots   chan struct{}
	cancel  context.CancelFunc
	ended   chan struct{}

	mu      sync.Mutex
	records []Record
	rate    float64
}

// Start refuses an address that is not on this machine. The driver runs until ctx ends, Stop is called, or a bound of
// its options is reached.
func Start(ctx context.Context, options Options) (*Driver, error) {
	if err := options.complete(); err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: options.Timeout, ControlContext: onlyLoopback}
	d := &Driver{
		rate: options.Rate, options: options, slots: make(chan struct{}, options.AtOnce), ended: make(chan struct{}),
		client: &http.Client{
			Timeout:       options.Timeout,
			Transport:     &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: options.AtOnce, DisableCompression: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	ctx, d.cancel = context.WithTimeout(ctx, options.For)
	go d.run(ctx)
	return d, nil
}

func (o *Options) complete() error {
	at, err := url.Parse(o.URL)
	if err != nil {
		return fmt.Errorf("reading the address of the load: %w", err)
	}
	if addr, err := netip.ParseAddr(at.Hostname()); at.Scheme != "http" || err != nil || !addr.IsLoopback() {
		return fmt.Errorf("load goes to loopback addresses only, as in http://127.0.0.1:8080, not to %q", o.URL)
	}
	if err := checkRate(o.Rate); err != nil {
		return err
	}
	if o.AtOnce <= 0 {
		o.AtOnce = 64
	}
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Second
	}
	if o.For <= 0 {
		o.For = 10 * time.Minute
	}
	if o.Requests <= 0 {
		o.Requests = 200_000
	}
	o.For, o.Requests = min(o.For, maxFor), min(o.Requests, maxRequests)
	return nil
}

func checkRate(rate float64) error {
	if !(rate > 0 && rate <= 1e5) {
		return fmt.Errorf("a load needs a rate between 0 and 100000 requests a second, not %v", rate)
	}
	return nil
}

// onlyLoopback is the last word on where a connection goes, whatever a name may have resolved to.
func onlyLoopback(_ context.Context, _, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !to.Addr().IsLoopback() {
		return fmt.Errorf("load goes to loopback addresses only, not to %q", address)
	}
	return nil
}

func (d *Driver) run(ctx context.Context) {
	defer close(d.ended)
	defer d.cancel()
	var open sync.WaitGroup
	due, timer := time.Now(), time.NewTimer(0)
	defer timer.Stop()
	for range d.options.Requests {
		timer.Reset(time.Until(due))
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		select {
		case d.slots <- struct{}{}:
			open.Go(func() {
				d.keep(d.send())
				<-d.slots
			})
		default:
			d.keep(Record{At: time.Now(), Err: Unsent})
		}
		due = due.Add(d.interval())
	}
	// Requests that are under way are answered: to break them off would look like a loss.
	open.Wait()
	d.client.CloseIdleConnections()
}

func (d *Driver) interval() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Duration(float64(time.Second) / d.rate)
}

// SetRate changes the number of requests that are due each second, from the request after next on.
func (d *Driver) SetRate(rate float64) error {
	if err := checkRate(rate); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rate = rate
	return nil
}

func (d *Driver) send() Record {
	record := Record{At: time.Now()}
	request, err := http.NewRequest(http.MethodGet, d.options.URL, nil)
	if err != nil {
		record.Err = "other"
		return record
	}
	request.Host = d.options.Host
	for name, values := range d.options.Header {
		request.Header[name] = values
	}
	resp, err := d.client.Do(request)
	if err == nil {
		record.Status, record.Version = resp.StatusCode, resp.Header.Get("X-Version")
		record.Err = resp.Header.Get(gateway.LostHeader)
		_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, bodyRead))
		_ = resp.Body.Close()
	}
	record.Took = time.Since(record.At)
	if err != nil {
		record.Err = kind(err, record.Status != 0)
	}
	return record
}

func kind(err error, answered bool) string {
	var late net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.As(err, &late) && late.Timeout():
		return "timeout"
	case answered:
		return "cut"
	}
	return "other"
}

func (d *Driver) keep(r Record) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.records = append(d.records, r)
}

// Stop sends no more, and returns when all that was sent is answered.
func (d *Driver) Stop() {
	d.cancel()
	<-d.ended
}

// Wait returns when the driver has ended by itself or by its context.
func (d *Driver) Wait() { <-d.ended }
