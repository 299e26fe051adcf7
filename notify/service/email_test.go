package service

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sluice-delivery/sluice/notify"
)

// mailbox is a stand-in SMTP server for one mail at a time. It answers by the first word of a command.
type mailbox struct {
	listener net.Listener
	answers  map[string]string
	talk     chan string // each conversation, when it is over
}

func receive(t *testing.T, answers map[string]string) *mailbox {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &mailbox{listener: listener, answers: map[string]string{
		"hello": "220 ready", "EHLO": "250-here\r\n250 AUTH PLAIN LOGIN", "AUTH": "235 welcome", "MAIL": "250 ok", "RCPT": "250 ok", "DATA": "354 go", ".": "250 taken", "QUIT": "221 bye",
	}, talk: make(chan string, 9)}
	for word, answer := range answers {
		b.answers[word] = answer
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			b.talk <- b.converse(connection)
			connection.Close()
		}
	}()
	return b
}

func (b *mailbox) converse(c net.Conn) string {
	var all strings.Builder
	fmt.Fprintf(c, "%s\r\n", b.answers["hello"])
	in, data := bufio.NewScanner(c), false
	for in.Scan() {
		line := in.Text()
		all.WriteString(line + "\n")
		word, _, _ := strings.Cut(line, " ")
		switch {
		case data && line != ".":
			continue
		case strings.HasPrefix(b.answers["AUTH"], "334") && b.answers[word] == "": // what the mechanism LOGIN asks for
			b.answers["AUTH"] = map[string]string{"334 VXNlcm5hbWU6": "334 UGFzc3dvcmQ6", "334 UGFzc3dvcmQ6": "235 welcome"}[b.answers["AUTH"]]
			word = "AUTH"
		}
		data = word == "DATA"
		fmt.Fprintf(c, "%s\r\n", b.answers[word])
		if word == "QUIT" {
			break
		}
	}
	return all.String()
}

func (b *mailbox) options(change map[string]any) map[string]any {
	host, port, _ := net.SplitHostPort(b.listener.Addr().String())
	options := map[string]any{"host": host, "port": port, "from": "Sluice <sluice@example.com>", "username": "me", "password": canary}
	for key, value := range change {
		options[key] = value
	}
	return options
}

func mailTo(to string) notify.Message {
	return message(func(m *notify.Message) {
		m.Recipient = to
		m.Email = notify.Email{Subject: "größer\r\nBcc: all@example.com", Body: "one\n.\ntwo = 2"}
	})
}

func TestAMailArrivesWhole(t *testing.T) {
	plain := "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00me\x00"+canary))
	for name, test := range map[string]struct {
		answers, change map[string]any
		want            []string
	}{
		"with PLAIN":         {want: []string{plain, "MAIL FROM:<sluice@example.com>", "RCPT TO:<you@example.com>", "text/plain; charset=utf-8"}},
		"in HTML":            {change: map[string]any{"html": true}, want: []string{"text/html; charset=utf-8"}},
		"without a password": {change: map[string]any{"username": ""}, want: []string{"MAIL FROM"}},
		"with LOGIN": {
			answers: map[string]any{"EHLO": "250-here\r\n250 AUTH LOGIN", "AUTH": "334 VXNlcm5hbWU6"},
			want:    []string{"AUTH LOGIN", base64.StdEncoding.EncodeToString([]byte("me")), base64.StdEncoding.EncodeToString([]byte(canary))},
		},
	} {
		t.Run(name, func(t *testing.T) {
			answers := map[string]string{}
			for word, answer := range test.answers {
				answers[word] = answer.(string)
			}
			b := receive(t, answers)
			if err := sender(t, "email", b.options(test.change)).Send(t.Context(), mailTo("You <you@example.com>")); err != nil {
				t.Fatal(err)
			}
			talk := <-b.talk
			for _, want := range append(test.want, "Subject: =?utf-8?q?gr=C3=B6=C3=9Fer_Bcc:_all@example.com?=", "Message-ID: <id@example.com>", "one\n..\ntwo =3D 2\n.\n") {
				if !strings.Contains(talk, want) {
					t.Errorf("%q is not in\n%s", want, talk)
				}
			}
			if strings.Contains(talk, "\nBcc:") {
				t.Errorf("the subject brought a header along:\n%s", talk)
			}
		})
	}
}

func TestAMailThatIsRefusedSaysWhetherToTryAgain(t *testing.T) {
	for name, test := range map[string]struct {
		answers map[string]string
		change  map[string]any
		to      string
		final   bool
	}{
		"no such mailbox":   {answers: map[string]string{"RCPT": "550 nobody of that name"}, final: true},
		"greylisted":        {answers: map[string]string{"RCPT": "451 come back later"}},
		"wrong password":    {answers: map[string]string{"AUTH": "535 not " + canary}, final: true},
		"no authentication": {answers: map[string]string{"EHLO": "250 here"}, final: true},
		"full":              {answers: map[string]string{".": "452 no space"}},
		"garbage":           {answers: map[string]string{"hello": "\x00\x00"}},
		"closed":            {answers: map[string]string{"hello": "421 not now"}},
		"no address":        {to: "nobody", final: true},
		"two addresses":     {to: "a@example.com, b@example.com", final: true},
		"a line break":      {to: "a@example.com\r\nRCPT TO:<b@example.com>", final: true},
	} {
		t.Run(name, func(t *testing.T) {
			b := receive(t, test.answers)
			if test.to == "" {
				test.to = "you@example.com"
			}
			err := sender(t, "email", b.options(test.change)).Send(t.Context(), mailTo(test.to))
			if final, _ := verdict(err); err == nil || final != test.final || strings.Contains(err.Error(), canary) {
				t.Errorf("final %t, error %v", final, err)
			}
		})
	}
}

func TestAMailServerThatSaysNothingIsLeft(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err = sender(t, "email", (&mailbox{listener: listener}).options(nil)).Send(ctx, mailTo("you@example.com"))
	if final, _ := verdict(err); err == nil || final {
		t.Errorf("final %t, error %v", final, err)
	}
}
