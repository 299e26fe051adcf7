package source

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/sluice-delivery/sluice/gitsync"
)

// later gives a clock, and what moves it on.
func later(all *Repositories) (pass func(time.Duration)) {
	var moved atomic.Int64
	begun := time.Now()
	all.clock = func() time.Time { return begun.Add(time.Duration(moved.Load())) }
	return func(d time.Duration) { moved.Add(int64(d)) }
}

// folders are those that lie on the disk.
func folders(t *testing.T, all *Repositories) int {
	t.Helper()
	entries, err := os.ReadDir(all.Dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// things gives a repository of each kind, with what is wanted of it, its revision, and a file of that.
func things() map[string]func(t *testing.T) (all *Repositories, wanted gitsync.Want, revision, file string) {
	return map[string]func(t *testing.T) (*Repositories, gitsync.Want, string, string){
		"a clone": func(t *testing.T) (*Repositories, gitsync.Want, string, string) {
			r := serve(t)
			commit := r.commit(t, "one")
			return repositories(t, r.url, canary), want(r.url, commit), commit, "cm.yaml"
		},
		"a Helm repository": func(t *testing.T) (*Repositories, gitsync.Want, string, string) {
			s := serveCharts(t)
			return charts(t, s, canary), wantChart(s, "web", "1.3.0"), "1.3.0", "Chart.yaml"
		},
		"a registry": func(t *testing.T) (*Repositories, gitsync.Want, string, string) {
			s := serveRegistry(t)
			one := s.push(t, "1.2.0", ocispec.MediaTypeImageManifest, s.layer(ocispec.MediaTypeImageLayerGzip, packed(t, file("a.yaml", "one"))))
			return registries(t, s, canary), wantArtifact(s, "", one), one, "a.yaml"
		},
	}
}

func TestWhatNobodyAskedForInAWhileGoesAndComesBackWhereItIsWanted(t *testing.T) {
	for name, thing := range things() {
		t.Run(name, func(t *testing.T) {
			all, wanted, revision, file := thing(t)
			all.Poll = 10 * time.Minute
			pass := later(all)
			for range 2 {
				files, err := all.Fetch(t.Context(), wanted, revision)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := os.Stat(filepath.Join(files.Dir, file)); err != nil {
					t.Error(err)
				}
				files.Release()
				pass(50 * time.Minute)
				if _, err := all.Resolve(t.Context(), wanted); err != nil {
					t.Fatal(err)
				}
				pass(50 * time.Minute)
				if all.sweep(); folders(t, all) != 1 {
					t.Errorf("50 minutes after somebody asked there are %d folders", folders(t, all))
				}
				pass(20 * time.Minute)
				if all.sweep(); folders(t, all) != 0 || len(all.clones)+len(all.charts)+len(all.registries)+len(all.hosts) != 0 {
					t.Errorf("70 minutes after somebody asked there are %d folders, clones %v, charts %v, registries %v and hosts %v",
						folders(t, all), all.clones, all.charts, all.registries, all.hosts)
				}
			}
		})
	}
}

func TestWhatIsAskedForRarelyStaysForThreeTimesAsLong(t *testing.T) {
	r := serve(t)
	w := want(r.url, r.commit(t, "one"))
	w.Poll = &gitsync.Interval{Every: 6 * time.Hour}
	all := repositories(t, r.url, canary)
	pass := later(all)
	if _, err := all.Resolve(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	pass(17 * time.Hour)
	if all.sweep(); len(all.clones) != 1 {
		t.Error("it is gone before somebody who asks every six hours asked twice")
	}
	pass(2 * time.Hour)
	if all.sweep(); len(all.clones) != 0 {
		t.Error("it stays")
	}
	w.Fresh = true
	for _, every := range []time.Duration{24 * time.Hour, 10 * time.Minute} {
		w.Poll = &gitsync.Interval{Every: every}
		if _, err := all.Resolve(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	pass(2 * time.Hour)
	if all.sweep(); len(all.clones) != 0 {
		t.Error("it stays as for those who asked once a day, whom nobody follows any more")
	}
}

func TestTheLineOfAServerStaysWithTheRepositoriesThatAskIt(t *testing.T) {
	s := serveCharts(t)
	all := charts(t, s, canary)
	pass := later(all)
	w := wantChart(s, "web", "1.3.0")
	w.Poll = &gitsync.Interval{Every: 6 * time.Hour}
	if _, err := all.Resolve(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	pass(17 * time.Hour)
	if all.sweep(); len(all.charts) != 1 || len(all.hosts) != 1 {
		t.Errorf("there are charts %v and hosts %v", all.charts, all.hosts)
	}
}

func TestWhatAGitThatWasKilledLeavesBesideFilesGoesWithThem(t *testing.T) {
	below := t.TempDir()
	e := &export{dir: filepath.Join(below, "files")}
	if err := errors.Join(os.Mkdir(e.dir, 0o700), os.WriteFile(e.index(), nil, 0o600), os.WriteFile(e.index()+".lock", nil, 0o600), e.remove()); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(below); err != nil || len(left) != 0 {
		t.Errorf("there are %v, %v", left, err)
	}
}

func TestWhatIsInUseOrWaitedForStays(t *testing.T) {
	for name, thing := range things() {
		t.Run(name, func(t *testing.T) {
			all, wanted, revision, file := thing(t)
			pass := later(all)
			files, err := all.Fetch(t.Context(), wanted, revision)
			if err != nil {
				t.Fatal(err)
			}
			pass(24 * time.Hour)
			all.sweep()
			if _, err := os.Stat(filepath.Join(files.Dir, file)); err != nil {
				t.Errorf("files that somebody uses are gone: %v", err)
			}
			files.Release()
			if all.sweep(); folders(t, all) != 0 {
				t.Errorf("files that nobody uses any more stay")
			}
		})
	}
}

func TestAQueueIsRetiredOnlyOnceNobodyIsInAndNobodyWaits(t *testing.T) {
	q := newQueue(1, time.Hour)
	unused := func() bool { return true }
	if err := q.enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	if q.retire(unused) {
		t.Error("it is retired though somebody is in")
	}
	var others sync.WaitGroup
	others.Go(func() {
		if err := q.enter(t.Context()); err != nil {
			t.Error(err)
			return
		}
		if q.retire(unused) {
			t.Error("it is retired though the other one is in")
		}
		q.leave()
	})
	q.leave()
	others.Wait()
	if q.retire(func() bool { return false }) || !q.retire(unused) {
		t.Error("it is not retired just once it is unused")
	}
	var gone *gitsync.UnreachableError
	if err := q.enter(t.Context()); !errors.Is(err, errRetired) || !errors.As(err, &gone) || gone.Again <= 0 {
		t.Errorf("who comes later gets %v", err)
	}
}

func TestSweepingGoesOnUntilItIsToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := &Repositories{Dir: t.TempDir()}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- all.Start(ctx) }()
		for range 2 {
			all.host("git.example")
			time.Sleep(2 * unasked)
			synctest.Wait()
			if len(all.hosts) != 0 {
				t.Errorf("there is left %v", all.hosts)
			}
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestSweepingTakesNothingFromAnybody has nothing but old clones, and many who fetch and sweep.
func TestSweepingTakesNothingFromAnybody(t *testing.T) {
	r := serve(t)
	commits := []string{r.commit(t, "one"), r.commit(t, "two")}
	all := repositories(t, r.url, canary)
	var ticks atomic.Int64
	begun := time.Now()
	all.clock = func() time.Time { return begun.Add(time.Duration(ticks.Add(1)) * 24 * time.Hour) }
	var workers sync.WaitGroup
	for i := range 4 {
		workers.Go(func() {
			for n := 0; n < 4; {
				all.sweep()
				files, err := all.Fetch(t.Context(), want(r.url, ""), commits[(i+n)%2])
				if errors.Is(err, errRetired) {
					continue // as the controller comes back
				}
				if err != nil {
					t.Error(err)
					return
				}
				all.sweep()
				if text, err := os.ReadFile(filepath.Join(files.Dir, "cm.yaml")); err != nil || string(text) != []string{"one", "two"}[(i+n)%2] {
					t.Errorf("the file says %q, %v", text, err)
				}
				files.Release()
				n++
			}
		})
	}
	workers.Wait()
	if all.sweep(); folders(t, all) != 0 {
		t.Errorf("%d folders stay", folders(t, all))
	}
}
