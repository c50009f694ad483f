package protocol

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"latlab/devices"
)

// TestOldProtocolsKeepTheirIdentity: sweeps stored before a field came must still resume.
func TestOldProtocolsKeepTheirIdentity(t *testing.T) {
	for name, want := range map[string]string{"default": "820959972a6a", "quick": "ca5a57f1c0ff", "precise": "dc3650d6aec9"} {
		p, err := Named(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Identity(); got != want {
			t.Errorf("%s has identity %s, had %s", name, got, want)
		}
		if p.AllowPartial = true; p.Identity() == want {
			t.Errorf("%s with allow_partial is the same protocol", name)
		}
	}
}

func TestProtocols(t *testing.T) {
	ids := map[string]string{}
	for _, name := range Presets() {
		p, err := Named(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Check(); err != nil {
			t.Error(err)
		}
		if Purpose(name) == "" {
			t.Errorf("%s has no purpose", name)
		}
		ids[p.Identity()] = name
		q := p
		if q.Name = "mine"; q.Identity() != p.Identity() {
			t.Error("the name is part of the identity")
		}
		if q.MaxRuns++; q.Identity() == p.Identity() {
			t.Error("max_runs is not part of the identity")
		}
	}
	if len(ids) != len(Presets()) {
		t.Errorf("identities: %v", slices.Collect(maps.Values(ids)))
	}
	_, err := Named("qick")
	if devices.FaultOf(err) != devices.FaultUser || !strings.Contains(err.Error(), `did you mean "quick"? there are default, quick, precise, mlperf-mobile, and files of your own that end in .yaml`) {
		t.Errorf("got %v", err)
	}
	p, _ := Named("default")
	if got := p.Forecast(60, 0.05, 0.2).Minutes(); got < 1 || got > 5 {
		t.Errorf("60 networks of 50 ms are forecast to take %.1f min", got)
	}
	p.MinBlocks = 2
	if err := p.Check(); devices.FaultOf(err) != devices.FaultUser || !strings.Contains(err.Error(), "min_blocks is below 3") {
		t.Errorf("got %v", err)
	}
}

// TestTimeoutOfEstimators: an estimator compiles in every block; everything else keeps the protocol's limit.
func TestTimeoutOfEstimators(t *testing.T) {
	p, err := Named("quick")
	if err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[devices.Kind]float64{devices.Measured: 60, devices.Simulated: 60, devices.Estimated: 1800} {
		if got := p.For(devices.Info{Kind: kind}).TimeoutSeconds; got != want {
			t.Errorf("%s: %v s, want %v", kind, got, want)
		}
	}
}

// TestClockMargin: the turbo clock of x86 varies by itself.
func TestClockMargin(t *testing.T) {
	x86 := devices.Info{Fingerprint: map[string]string{"arch": "amd64"}}
	arm := devices.Info{Fingerprint: map[string]string{"arch": "arm64"}}
	var p Protocol
	if a, b, c := p.ClockMargin(x86), p.ClockMargin(arm), p.ClockMargin(devices.Info{}); a != 0.2 || b != 0.05 || c != 0.05 {
		t.Errorf("%g on x86, %g on arm, %g elsewhere", a, b, c)
	}
	if p.ClockLimit = 0.1; p.ClockMargin(x86) != 0.1 || p.ClockMargin(arm) != 0.1 || p.LevelMargin() != 0.1 {
		t.Error("a limit that was set does not hold everywhere")
	}
}
