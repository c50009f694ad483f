package agent

import (
	"bufio"
	"bytes"
	"testing"
	"time"

	"latlab/devices"
	"latlab/devices/agent/wire"
)

// FuzzAnswer feeds the client anything an agent may print: it must not panic, and what it
// accepts must be a measurement.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"type":"result","result":{"samples_seconds":[0.001,0.002],"cpu_samples_seconds":[0.001,0.002],"init_seconds":1}}` + "\n",
		`{"type":"result","result":{"samples_seconds":[0],"cpu_samples_seconds":[0]}}` + "\n",
		`{"type":"result","result":{"samples_seconds":[1e999]}}` + "\n",
		`{"type":"error","error":{"fault":"model","reason":"rejected","message":"no"}}` + "\n",
		`{"type":"profile","result":{"samples_seconds":[0.001]},"profile":{"rows":[{"kind":"kernel","name":"d","within":-1,"index":1,"times":1,"seconds":0,"all_seconds":1},{"kind":"inside","name":"Add (ND)","within":0,"times":1}],"subgraphs":[[{"index":0}],null],"main":-9,"kernels":[{"index":1,"nodes":[0,7]}]}}` + "\n",
		"Average inference: 12 ms\n", "{}\n", "null\n", "\n", "", `{"type":"result"`,
	} {
		f.Add([]byte(seed))
	}
	plan := devices.Plan{MinRuns: 1, Timeout: time.Second}
	f.Fuzz(func(t *testing.T, printed []byte) {
		req := &wire.Request{Type: wire.Time, Plan: plan}
		if bytes.Contains(printed, []byte(`"profile"`)) {
			req.Type = wire.Profile
		}
		c := &conversation{op: "fuzz", out: bufio.NewReader(bytes.NewReader(printed))}
		var resp wire.Response
		if err := c.read(&resp, true); err != nil {
			return
		}
		if err := c.check(&resp, req); err != nil {
			return
		}
		if req.Type == wire.Profile {
			tabulate(resp.Profile, wire.XNNPACK)
			tabulate(resp.Profile, "npu")
		}
		for _, s := range resp.Result.Samples {
			if !(s > 0) {
				t.Errorf("accepted a sample of %v s from %q", s, printed)
			}
		}
	})
}
