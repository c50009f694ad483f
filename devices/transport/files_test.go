package transport_test

import (
	"os"
	"testing"

	"latlab/devices/transport"
)

func TestFileMode(t *testing.T) {
	for mode, want := range map[uint32]os.FileMode{
		0o100755: 0o755, 0o040700: os.ModeDir | 0o700, 0o120777: os.ModeSymlink | 0o777, 0o010600: os.ModeNamedPipe | 0o600,
		0o140600: os.ModeSocket | 0o600, 0o060600: os.ModeDevice | 0o600, 0o020600: os.ModeDevice | os.ModeCharDevice | 0o600, 0o600: os.ModeIrregular | 0o600,
	} {
		if got := transport.FileMode(mode); got != want {
			t.Errorf("%o: %v, want %v", mode, got, want)
		}
	}
}

func FuzzParseFree(f *testing.F) {
	for _, s := range []string{
		"Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/vda 264212084 15667804 248544280 6% /\n",
		"Filesystem 1024-blocks Used Available Capacity Mounted on\ntmpfs 1024 24 1000 3% /tmp/a b\n", "", "%", "a b c d e%", "1 2 3 99999999999999999999 5%", "1 2 3 -4 5%",
		"Filesystem 1K-blocks Used Available Use% Mounted on\n/dev/block/dm-7 114419712 30114412 84305300 27% /data\n", "Filesystem\n/a/long/name\n 1 2 3 4% /\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if free := transport.ParseFree(s); free < -1 || free > 1<<60 || free%1024 > 0 {
			t.Errorf("%q: %d", s, free)
		}
	})
}

func TestParseFree(t *testing.T) {
	for out, want := range map[string]int64{
		"Filesystem     1024-blocks     Used Available Capacity Mounted on\n/dev/vda         264212084 15667804 248544280       6% /\n": 248544280 << 10,
		"Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/block/my disk 50% 100 1 99 1% /data 7 8 9 10%\n":               99 << 10,
		"Filesystem           1024-blocks    Used Available Capacity Mounted on\n/dev/vda             264212084  15667804  0  100% /\n": 0,
		"Filesystem 1K-blocks Used Available Use% Mounted on\nnone - - - - /data\n":                                                     -1,
		"Filesystem Size Used Free Blksize\n/data 5.8G 2.1G 3.7G 4096\n":                                                                -1, // Android 5
		"": -1, "\n\n\n": -1, "a\n1 2 3 4%": -1, "a\nb 1 2 99999999999999999999 4% /": -1, "a\nb 1 2 9223372036854775807 4% /": -1, "a\nb 1 2 -5 4% /": -1,
		"Filesystem 1024-blocks Used Available Capacity Mounted on\ntmpfs 1024 24 1000 3% /tmp/a b\n": 1000 << 10,
		"tmp fs with blanks 1024 24 1000 3% /":                                                        1000 << 10, "garbage": -1, "a b c d e": -1, "a 1 2 x 3% /": -1,
		"Filesystem 1K-blocks Used Available Use% Mounted on\n/dev/block/dm-7 114419712 30114412 84305300 27% /data\n": 84305300 << 10,
		"Filesystem 1K-blocks Used Available Use% Mounted on\n/a/long/name\n      10 7 3 70% /x y\n":                   3 << 10,
		"df: no\n": -1,
	} {
		if got := transport.ParseFree(out); got != want {
			t.Errorf("%q: %d, want %d", out, got, want)
		}
	}
}
