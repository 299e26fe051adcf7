package service

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/smtp"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-delivery/sluice/internal/dial"
	"github.com/sluice-delivery/sluice/notify"
)

// portTLS is where TLS is spoken from the first byte; elsewhere STARTTLS is used where the server offers it.
const portTLS = 465

// email sends mails through an SMTP server.
type email struct {
	Host               string `json:"host"`
	Port               number `json:"port"`
	InsecureSkipVerify bool   `json:"insecure_skip_verify"`
	Username           string `json:"username"`
	Password           string `json:"password"`
	From               string `json:"from"`
	HTML               bool   `json:"html"`
}

func newEmail(options []byte) (notify.Sender, error) {
	e := &email{}
	if err := parse(options, e); err != nil {
		return nil, err
	}
	if e.Host == "" || e.Port < 1 || e.Port > 65535 {
		return nil, errors.New("its options need host and port")
	}
	if _, err := mail.ParseAddress(e.From); err != nil {
		return nil, errors.New("the option from is no mail address")
	}
	return e, nil
}

// Send sends one mail to one recipient.
func (e *email) Send(ctx context.Context, m notify.Message) error {
	to, err := mail.ParseAddress(m.Recipient)
	if err != nil {
		return final("the recipient %q is no mail address", m.Recipient)
	}
	text, err := e.compose(to, m)
	if err != nil {
		return final("writing the mail: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := e.deliver(ctx, to.Address, text); err != nil {
		return fmt.Errorf("sending mail through %s: %w", e.address(), judged(err))
	}
	return nil
}

func (e *email) address() string { return net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port))) }

// judged tells the refusals of a server that hold for good, 500 to 599, from those that do not.
func judged(err error) error {
	if refusal, ok := errors.AsType[*textproto.Error](err); ok && refusal.Code >= 500 {
		return &notify.Failure{Err: err, Final: true}
	}
	return err
}

func (e *email) deliver(ctx context.Context, to string, text []byte) error {
	connection, err := (&net.Dialer{Control: dial.Elsewhere}).DialContext(ctx, "tcp", e.address())
	if err != nil {
		return err
	}
	// What the context ends, ends the connection, and with it whatever waits for the server.
	defer context.AfterFunc(ctx, func() { connection.Close() })()
	defer connection.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := connection.SetDeadline(deadline); err != nil {
			return err
		}
	}
	secure := &tls.Config{ServerName: e.Host, InsecureSkipVerify: e.InsecureSkipVerify} //nolint:gosec // the user asks for it in the options
	if e.Port == portTLS {
		connection = tls.Client(connection, secure)
	}
	c, err := smtp.NewClient(connection, e.Host)
	if err != nil {
		return err
	}
	return e.converse(c, secure, to, text)
}

func (e *email) converse(c *smtp.Client, secure *tls.Config, to string, text []byte) error {
	if offered, _ := c.Extension("STARTTLS"); offered {
		if err := c.StartTLS(secure); err != nil {
			return fmt.Errorf("starting TLS: %w", err)
		}
	}
	if err := e.authenticate(c); err != nil {
		return err
	}
	from, err := mail.ParseAddress(e.From)
	if err != nil {
		return err
	}
	if err := c.Mail(from.Address); err != nil {
		return err
	}
	if err := c.Rcpt(to); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	// The server has taken the mail; whether the farewell succeeds makes no difference.
	_ = c.Quit()
	return nil
}

func (e *email) authenticate(c *smtp.Client) error {
	if e.Username == "" {
		return nil
	}
	offered, mechanisms := c.Extension("AUTH")
	if !offered {
		return &notify.Failure{Err: errors.New("the server takes no password"), Final: true}
	}
	if _, encrypted := c.TLSConnectionState(); !encrypted && !loopback(e.Host) {
		return &notify.Failure{Err: errors.New("the server offers no TLS, and without it the password is not sent"), Final: true}
	}
	way := smtp.PlainAuth("", e.Username, e.Password, e.Host)
	if words := strings.Fields(mechanisms); !contains(words, "PLAIN") && contains(words, "LOGIN") {
		way = login{e.Username, e.Password}
	}
	if err := c.Auth(way); err != nil {
		// Servers may repeat what they were told, and nobody may see that.
		if refusal, ok := errors.AsType[*textproto.Error](err); ok {
			return &textproto.Error{Code: refusal.Code, Msg: "the server does not accept the user and the password"}
		}
		return errors.New("the server and this client do not agree on how to authenticate")
	}
	return nil
}

func contains(words []string, word string) bool {
	for _, w := range words {
		if strings.EqualFold(w, word) {
			return true
		}
	}
	return false
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// login is the mechanism LOGIN, which some large providers offer in place of PLAIN.
type login struct{ username, password string }

// Start implements smtp.Auth.
func (l login) Start(*smtp.ServerInfo) (string, []byte, error) { return "LOGIN", nil, nil }

// Next implements smtp.Auth.
func (l login) Next(question []byte, more bool) ([]byte, error) {
	switch {
	case !more:
		return nil, nil
	case strings.HasPrefix(strings.ToLower(string(question)), "user"):
		return []byte(l.username), nil
	case strings.HasPrefix(strings.ToLower(string(question)), "pass"):
		return []byte(l.password), nil
	}
	return nil, errors.New("the server asks for something else than a user and a password")
}

// compose writes a mail. Line breaks in a header would begin another header, so they become blanks. A mail that is sent twice has the same
// Message-ID both times, by which mailboxes know it.
func (e *email) compose(to *mail.Address, m notify.Message) ([]byte, error) {
	from, err := mail.ParseAddress(e.From)
	if err != nil {
		return nil, err
	}
	kind := "text/plain"
	if e.HTML {
		kind = "text/html"
	}
	_, domain, _ := strings.Cut(from.Address, "@")
	var text bytes.Buffer
	fmt.Fprintf(&text, "From: %s\r\nTo: %s\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: <%s@%s>\r\n", from, to,
		mime.QEncoding.Encode("utf-8", strings.Join(strings.Fields(m.Email.Subject), " ")),
		m.At.Format(time.RFC1123Z), m.ID, domain)
	fmt.Fprintf(&text, "MIME-Version: 1.0\r\nContent-Type: %s; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n", kind)
	body := quotedprintable.NewWriter(&text)
	if _, err := body.Write([]byte(cmp.Or(m.Email.Body, m.Template.Message))); err != nil {
		return nil, err
	}
	err = body.Close() // writes what is left
	return text.Bytes(), err
}
