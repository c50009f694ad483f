package sampler

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The released networks of tensorflow/models,
// research/object_detection/models/ssd_mobiledet_feature_extractor.py (commit d318246c),
// one block a word: type, kernel, stride, expansion or ratios in percent, width, and r
// where the block is residual.
const (
	releasedCPU = `conv,3,2,0,16 ibn,3,1,1,8
		ibn,3,2,4,16
		ibn,3,2,8,32 ibn,3,1,4,32,r ibn,3,1,4,32,r ibn,3,1,4,32,r
		ibn,5,2,8,72 ibn,3,1,8,72,r ibn,5,1,4,72,r ibn,3,1,4,72,r
		ibn,3,1,8,72 ibn,3,1,8,72,r ibn,3,1,8,72,r ibn,3,1,8,72,r
		ibn,5,2,8,104 ibn,5,1,4,104,r ibn,5,1,4,104,r ibn,3,1,4,104,r
		ibn,3,1,8,144`
	releasedDSP = `conv,3,2,0,32 ibn,3,1,1,24
		fused,3,2,4,32 fused,3,1,4,32,r ibn,3,1,4,32,r tucker,3,1,25/75,32,r
		fused,3,2,8,64 ibn,3,1,4,64,r fused,3,1,4,64,r fused,3,1,4,64,r
		fused,3,2,8,120 ibn,3,1,4,120,r ibn,3,1,8,120,r ibn,3,1,8,120,r
		fused,3,1,8,144 ibn,3,1,8,144,r ibn,3,1,8,144,r ibn,3,1,8,144,r
		ibn,3,2,4,160 ibn,3,1,4,160,r fused,3,1,4,160,r tucker,3,1,75/75,160,r
		ibn,3,1,8,240`
	releasedEdgeTPU = `conv,3,2,0,32 tucker,3,1,25/75,16
		fused,3,2,8,16 fused,3,1,4,16,r fused,3,1,8,16,r fused,3,1,4,16,r
		fused,5,2,8,40 fused,3,1,4,40,r fused,3,1,4,40,r fused,3,1,4,40,r
		ibn,3,2,8,72 ibn,3,1,8,72,r fused,3,1,4,72,r fused,3,1,4,72,r
		ibn,5,1,8,96 ibn,5,1,8,96,r ibn,3,1,8,96,r ibn,3,1,8,96,r
		ibn,5,2,8,120 ibn,3,1,8,120,r ibn,5,1,4,120,r ibn,3,1,8,120,r
		ibn,5,1,8,384`
	releasedGPU = `conv,3,2,0,32 tucker,3,1,25/25,16
		fused,3,2,8,32 tucker,3,1,25/25,32,r tucker,3,1,25/25,32,r tucker,3,1,25/25,32,r
		fused,3,2,8,64 fused,3,1,8,64,r fused,3,1,8,64,r fused,3,1,4,64,r
		fused,3,2,8,128 fused,3,1,4,128,r fused,3,1,4,128,r fused,3,1,4,128,r
		fused,3,1,8,128 fused,3,1,8,128,r fused,3,1,8,128,r fused,3,1,8,128,r
		fused,3,2,4,128 fused,3,1,4,128,r fused,3,1,4,128,r fused,3,1,4,128,r
		ibn,3,1,8,384`
)

// blocks reads a list; se is the squeeze-and-excite ratio of all ibn and fused blocks.
func blocks(t *testing.T, list string, se float64) []Block {
	t.Helper()
	var bs []Block
	for _, word := range strings.Fields(list) {
		f := strings.Split(word, ",")
		b := Block{Type: LayerType(f[0]), Kernel: number(t, f[1]), Stride: number(t, f[2]), Width: number(t, f[4]), Residual: len(f) > 5}
		switch b.Type {
		case IBN, Fused:
			b.Expansion, b.SE = number(t, f[3]), se
		case Tucker:
			in, out, _ := strings.Cut(f[3], "/")
			b.InRatio, b.OutRatio = float64(number(t, in))/100, float64(number(t, out))/100
		}
		bs = append(bs, b)
	}
	return bs
}

func number(t *testing.T, s string) int {
	t.Helper()
	n := 0
	for _, c := range s {
		if c < '0' || c > '9' {
			t.Fatalf("%q is no number", s)
		}
		n = 10*n + int(c-'0')
	}
	return n
}

func TestReleasedNetworksArePoints(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		space, list string
		se          float64
		want        string
	}{
		{"mobiledet_cpu_ibn", releasedCPU, 0.25,
			"0:0:0:0:0:4:4:4:0:1:0:0:0:1:3:1:2:0:2:1:1:1:1:2:3:2:2:0:1:1:2"},
		{"mobiledet_cpu_fused", releasedCPU, 0.25,
			"0:0:0:0:0:8:8:8:0:1:0:0:0:1:3:1:2:0:2:1:1:1:1:2:3:2:2:0:1:1:2"},
		{"mobiledet_cpu_tucker", releasedCPU, 0.25,
			"0:0:0:0:0:12:12:12:0:1:0:0:0:1:3:1:2:0:2:1:1:1:1:2:3:2:2:0:1:1:2"},
		{"mobiledet_dsp_tucker", releasedDSP, 0,
			"0:2:0:2:2:2:0:5:2:3:0:2:2:4:3:0:1:1:4:3:1:1:1:5:0:0:2:7:3:1:4"},
		{"mobiledet_edgetpu_tucker", releasedEdgeTPU, 0,
			"0:2:3:1:5:4:5:4:0:7:4:4:4:2:1:1:4:4:2:3:3:1:1:3:3:1:2:1:2:3:6"},
		{"mobiledet_gpu_tucker", releasedGPU, 0,
			"0:2:1:1:3:4:4:4:2:3:3:3:2:4:3:2:2:2:3:3:3:3:3:3:2:2:2:2:3:1:6"},
	} {
		s := builtin(t, c.space)
		a, err := s.ArchOfBlocks(blocks(t, c.list, c.se))
		if err != nil {
			t.Error(err)
			continue
		}
		if err := s.Check(a); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(c.want, a.String()); diff != "" {
			t.Errorf("%s (-want +got)\n%s", c.space, diff)
		}
		if diff := cmp.Diff(blocks(t, c.list, c.se), blocksOf(s, a)); diff != "" {
			t.Errorf("%s: the point is another network (-list +point)\n%s", c.space, diff)
		}
	}
}

// blocksOf is the inverse of ArchOfBlocks.
func blocksOf(s *Space, a Arch) []Block {
	var bs []Block
	next, indices := 0, s.Flat(a.Indices)
	for _, st := range s.Stages {
		width := st.Widths[indices[next+len(st.Layers)]]
		for i, l := range st.Layers {
			c := l.Choices[indices[next+i]]
			if !c.Type.keepsWidth() {
				bs = append(bs, Block{c.Type, c.Kernel, l.Stride, c.Expansion, c.InRatio, c.OutRatio, c.SE, width, l.Residual, c.Activation, c.Bias})
			}
		}
		next += len(st.Layers) + 1
	}
	return bs
}

// What ArchOfBlocks finds is the same network, for any network; skips come last.
func TestArchOfBlocksFindsSamples(t *testing.T) {
	t.Parallel()
	for _, s := range []*Space{tiny(t), builtin(t, "mobiledet_edgetpu_tucker"), builtin(t, "mobiledet_gpu_ibn")} {
		archs, err := Sample(s, 200, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range archs {
			want := blocksOf(s, a)
			found, err := s.ArchOfBlocks(want)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, blocksOf(s, found)); diff != "" {
				t.Fatalf("%s: found %s (-want +got)\n%s", a, found, diff)
			}
			again, err := s.ArchOfBlocks(blocksOf(s, found))
			if err != nil || again.String() != found.String() {
				t.Fatalf("found %s, then %s, %v", found, again, err)
			}
		}
	}
}

func TestArchOfBlocksErrors(t *testing.T) {
	t.Parallel()
	edgetpu := blocks(t, releasedEdgeTPU, 0)
	for _, c := range []struct {
		space string
		list  []Block
		want  string
	}{
		{"mobiledet_edgetpu_ibn", edgetpu,
			"not in space mobiledet_edgetpu_ibn: block 1 (tucker k3 s1 ratios 0.25 0.75 width 16) fits no layer after the preceding blocks"},
		{"mobiledet_edgetpu_fused", blocks(t, releasedDSP, 0),
			"not in space mobiledet_edgetpu_fused: block 5 (tucker k3 s1 ratios 0.25 0.75 width 32 residual) fits no layer after the preceding blocks"},
		{"mobiledet_dsp_tucker", edgetpu,
			"not in space mobiledet_dsp_tucker: block 6 (fused k5 s2 e8 width 40) fits no layer after the preceding blocks"},
		{"mobiledet_edgetpu_tucker", blocks(t, releasedGPU, 0),
			"not in space mobiledet_edgetpu_tucker: block 10 (fused k3 s2 e8 width 128) fits no layer after the preceding blocks"},
		{"mobiledet_edgetpu_tucker", blocks(t, releasedCPU, 0.25),
			"not in space mobiledet_edgetpu_tucker: block 1 (ibn k3 s1 e1 se 0.25 width 8) fits no layer after the preceding blocks"},
		{"mobiledet_edgetpu_tucker", edgetpu[:22],
			"not in space mobiledet_edgetpu_tucker: 22 blocks leave layers that cannot be skipped"},
		{"mobiledet_edgetpu_tucker", append(edgetpu[:23:23], edgetpu[3]),
			"not in space mobiledet_edgetpu_tucker: block 23 (fused k3 s1 e4 width 16 residual) fits no layer after the preceding blocks"},
		{"mobiledet_edgetpu_tucker", nil,
			"not in space mobiledet_edgetpu_tucker: 0 blocks leave layers that cannot be skipped"},
	} {
		if _, err := builtin(t, c.space).ArchOfBlocks(c.list); err == nil || err.Error() != c.want {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
}
