package main

import (
	"testing"

	"latlab/devices/transport/adb/adbtest"
	"latlab/internal/testphone"
)

// testPhones are phones for scripts, behind a real adb server: a Pixel, one that is too hot,
// one that does not trust this host, and one whose cable is out.
type testPhones struct {
	vars []string
}

const hotDump = "IsStatusOverride: false\nThermal Status: 3\nCurrent temperatures from HAL:\n" +
	"\tTemperature{mValue=51.5, mType=3, mName=skin, mStatus=3}\n"

func startPhones(t *testing.T) testPhones {
	server := adbtest.Server(t)
	start := func(o testphone.Options) *adbtest.Fake {
		root := testphone.New(t, o).Root
		return adbtest.Phone(t, server, adbtest.Options{Root: root, Env: testphone.Env()})
	}
	pixel := start(testphone.Options{
		Model:      testphone.Today("sim-pixel4-edgetpu:quiet"),
		Properties: map[string]string{"ro.product.model": "Pi\x1b[2Jxel $(touch /x)"},
	})
	hot := start(testphone.Options{Dumpsys: map[string]string{"thermalservice": hotDump}})
	locked, away := start(testphone.Options{}), start(testphone.Options{})
	locked.Unauthorized(true)
	away.Offline()
	return testPhones{[]string{
		"PHONES_PORT=" + server.Port, "BENCHMARK_MODEL=" + testphone.BenchmarkModel(t),
		"PIXEL=" + pixel.Serial(), "HOT=" + hot.Serial(), "LOCKED=" + locked.Serial(), "AWAY=" + away.Serial(),
	}}
}
