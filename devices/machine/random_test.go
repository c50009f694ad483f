package machine_test

import (
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"latlab/devices/machine"
	"latlab/devices/transport"
	"latlab/sampler/model"
)

// TestRandomStages stages, closes and breaks things at random, and checks the disk after each
// step: the budget is kept, models in use are whole, and errors are those of the faults.
func TestRandomStages(t *testing.T) {
	host := t.TempDir()
	var models []*model.Model
	for i := range 8 {
		models = append(models, sized(t, host, 30_000+10_000*i, i))
	}
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 1))
		dir, budget := filepath.Join(t.TempDir(), "lab"), int64(100_000+rng.IntN(200_000))
		r := &remote{}
		m := open(t, r, machine.Options{Dir: dir, Budget: budget})
		var inUse []*machine.Staged
		for step := range 60 {
			*r = remote{}
			broken := rng.IntN(4) == 0
			if broken {
				breakOne(r, rng.IntN(5))
			}
			if k := rng.IntN(len(inUse) + 1); k > 0 && rng.IntN(2) == 0 {
				inUse[k-1].Close()
				inUse = append(inUse[:k-1], inUse[k:]...)
			}
			s, err := m.Stage(t.Context(), "time it", models[rng.IntN(len(models))])
			switch {
			case err == nil:
				inUse = append(inUse, s)
			case broken && (reason(err) == "device offline" || reason(err) == "device corrupt"):
			case reason(err) != "device disk-full":
				t.Fatalf("seed %d, step %d: %v", seed, step, err)
			}
			for _, s := range inUse {
				checkStaged(t, s, itself)
			}
			if n := onDisk(t, dir); n > budget {
				t.Fatalf("seed %d, step %d: %d bytes of models, the budget is %d", seed, step, n, budget)
			}
		}
		if m.Traffic().Models < 3 || m.Traffic().RemovedModels == 0 {
			t.Errorf("seed %d: %+v: the test shows nothing", seed, m.Traffic())
		}
		*r = remote{}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		wantNames(t, dir, ".latlab")
	}
}

// breakOne makes one kind of call to the machine fail.
func breakOne(r *remote, way int) {
	switch way {
	case 0:
		r.onPut = func(transport.File) error { return offline() }
	case 1:
		r.onPut = func(f transport.File) error {
			half, _ := io.ReadAll(io.LimitReader(f.Content, f.Size/2))
			return errors.Join(os.WriteFile(f.Path+".part", half, 0o600), offline())
		}
	case 2:
		r.afterPut = func(transport.File) error { return offline() }
	case 3:
		r.afterPut = func(f transport.File) error { return os.Truncate(f.Path, f.Size/2) }
	case 4:
		r.onStat = func(string) error { return offline() }
	}
}

// onDisk counts the bytes of models. A partly pushed model does not count.
func onDisk(t *testing.T, dir string) int64 {
	t.Helper()
	var sum int64
	files, err := os.ReadDir(filepath.Join(dir, "models"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(f.Name(), ".part") {
			sum += info.Size()
		}
	}
	return sum
}
